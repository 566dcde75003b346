"""The record of one node as a chart: the band of its bounds over a chosen span."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

from skewmon.errors import SkewmonError
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.recent import RecentStep
from skewmon.export.page.scale import Scale
from skewmon.export.page.sparkline import judged_step
from skewmon.export.published import HistorySteps
from skewmon.model import Interval, Threshold, Verdict
from skewmon.model.record import HOUR_S, MINUTE_S, HistoryQuery
from skewmon.text import at_most, exact

#: Spans to choose from, in seconds, and the steps of each: about 170 on a chart.
SPANS = {
    "3h": (3 * HOUR_S, MINUTE_S),
    "24h": (24 * HOUR_S, 10 * MINUTE_S),
    "7d": (168 * HOUR_S, HOUR_S),
    "90d": (90 * 24 * HOUR_S, 12 * HOUR_S),
}
DEFAULT_SPAN = "24h"

WIDTH = 1_000
HEIGHT = 100

#: Labels of the time axis.
TICKS = 6


@dataclass(frozen=True, slots=True)
class NodeHistory:
    """The steps of a node in one cluster over a span, or the reason why there are none."""

    span: str
    since_s: int
    until_s: int
    steps: tuple[tuple[int, RecentStep], ...] = ()
    trouble: str = ""

    @property
    def step_s(self) -> int:
        """The length of a step."""
        return SPANS[self.span][1]


async def read(history: HistorySteps, cluster: str, node: str, span: str) -> NodeHistory:
    """Return the history of a node until now."""
    length_s, step_s = SPANS[span]
    now_s = int(time.time())
    until_s = now_s - now_s % step_s + step_s
    since_s = until_s - length_s
    try:
        periods = await history(HistoryQuery(cluster, since_s, until_s, step_s, node))
    except SkewmonError as error:
        return NodeHistory(span, since_s, until_s, trouble=str(error))
    found = (
        (period.start_s, period.clusters[cluster].nodes[node])
        for period in periods
        if cluster in period.clusters and node in period.clusters[cluster].nodes
    )
    steps = tuple((start_s, RecentStep(row.offset, row.missed)) for start_s, row in found)
    return NodeHistory(span, since_s, until_s, steps)


def chart(past: NodeHistory, lines: Sequence[Threshold]) -> Markup:
    """Return the chart with the links to other spans."""
    links = (
        join((tag("a", name, href=f"?span={name}", aria_current="true" if name == past.span else None), " "))
        for name in SPANS
    )
    chosen = tag("nav", *links, class_="filters", aria_label="Span of the history")
    if past.trouble:
        return join((chosen, tag("p", f"No history: {past.trouble}", class_="minor")))
    if not any(step.offset for _, step in past.steps):
        return join((chosen, tag("p", "The record has no measurement in this span yet.", class_="minor")))
    return join((chosen, _drawing(past, lines)))


def _drawing(past: NodeHistory, lines: Sequence[Threshold]) -> Markup:
    hulls = [step.offset.hull for _, step in past.steps if step.offset]
    scale = Scale.of(tuple(lines), hulls)
    bands = tag(
        "svg",
        *_bands(past, lines, scale),
        width="100%",
        height="85%",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
    )
    furthest = max(hull.furthest_ns for hull in hulls)
    return tag(
        "svg",
        join(_levels(lines, scale)),
        join(_times(past)),
        bands,
        class_="history",
        role="img",
        aria_label=f"Offset in the last {past.span}: at most {at_most(furthest)} from the reference.",
        data_since=f"{past.since_s}",
        data_until=f"{past.until_s}",
    )


def y(scale: Scale, value_ns: int) -> float:
    """Return the height of a value: ahead is up."""
    return HEIGHT / 2 * (1 - scale.place(value_ns) * 0.94)


def _bands(past: NodeHistory, lines: Sequence[Threshold], scale: Scale) -> Iterator[Markup]:
    def x(at_s: int) -> float:
        return (at_s - past.since_s) / (past.until_s - past.since_s) * WIDTH

    for level, run in groupby(past.steps, key=lambda one: judged_step(one[1], lines)):
        boxes = [(x(start_s), x(start_s + past.step_s), step.offset) for start_s, step in run]
        if level == Verdict.UNKNOWN:
            yield tag(
                "path", class_="missed", d="".join(f"M{a:.1f} {HEIGHT / 2:g}H{b:.1f}" for a, b, _ in boxes)
            )
        elif level:
            drawn = (_box(a, b, ends.hull, scale) for a, b, ends in boxes if ends is not None)
            yield tag("path", class_=f"band {level}", d="".join(drawn))


def _box(left: float, right: float, hull: Interval, scale: Scale) -> str:
    top, bottom = y(scale, hull.upper_ns), y(scale, hull.lower_ns)
    return f"M{left:.1f} {top:.2f}H{right:.1f}V{bottom:.2f}H{left:.1f}Z"


def _levels(lines: Sequence[Threshold], scale: Scale) -> Iterator[Markup]:
    """Yield the axis and the thresholds on both sides, each with its label."""
    yield tag("line", class_="zero", x1="0", x2="100%", y1=_part(scale, 0), y2=_part(scale, 0))
    for line in lines:
        for side, sign in ((1, "+"), (-1, "-")):
            at = _part(scale, side * line.limit_ns)
            yield tag("line", class_=f"line {line.severity}", x1="0", x2="100%", y1=at, y2=at)
            label = f"{sign}{exact(line.limit_ns)}"
            yield tag("text", label, class_=f"tick left {line.severity}", x="0", y=at, dy="-2")


def _part(scale: Scale, value_ns: int) -> str:
    return f"{y(scale, value_ns) / HEIGHT * 0.85:.2%}"


def _times(past: NodeHistory) -> Iterator[Markup]:
    begin = datetime.fromtimestamp(past.since_s, UTC)
    length_s = past.until_s - past.since_s
    shape = "%H:%M" if length_s <= 24 * HOUR_S else "%m-%d"
    yield tag("text", "UTC", class_="tick left minor", x="0", y="100%", dy="-2")
    for number in range(1, TICKS):
        at = begin + timedelta(seconds=length_s * number / TICKS)
        yield tag("text", f"{at:{shape}}", class_="tick minor", x=f"{number / TICKS:.2%}", y="100%", dy="-2")

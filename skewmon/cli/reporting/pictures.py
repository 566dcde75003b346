"""Pictures of a report as inline SVG: bands between the bounds, with the lines that were judged."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.scale import Scale
from skewmon.journal.record.figures import ClusterFigures, NodeFigures
from skewmon.model import Interval, Threshold
from skewmon.model.record import VERDICTS, Line, Period
from skewmon.text import exact

WIDTH = 1_000
SKEW_HEIGHT = 160
SPARK_HEIGHT = 30
VERDICT_HEIGHT = 14

#: A pixel at the width of a printed page; narrower parts would not be seen.
LEAST_WIDTH = 1.0

Band = tuple[Period, Interval]


def skew_picture(cluster: ClusterFigures, span_s: tuple[int, int]) -> Markup | None:
    """Return the band between proven and possible skew over time, above the verdicts."""
    bands = [
        (period, Interval(row.skew.lower_max_ns, row.skew.upper_max_ns))
        for period, row in cluster.parts
        if row.skew and row.skew.lower_max_ns <= row.skew.upper_max_ns
    ]
    if not bands:
        return None
    limits = [one.line for one in cluster.lines if one.line.kind == "skew"]
    scale = _scale(limits, bands)
    return tag(
        "svg",
        tag("title", f"Skew of {cluster.name}: the greatest proven value and the greatest possible one"),
        join(_limits(limits, scale, SKEW_HEIGHT, both=False)),
        *(_bar(period, span_s, *_ends(scale, ends, SKEW_HEIGHT, both=False)) for period, ends in bands),
        join(_verdicts(cluster, span_s)),
        viewBox=f"0 0 {WIDTH} {SKEW_HEIGHT + VERDICT_HEIGHT}",
        preserveAspectRatio="none",
        class_="skew",
        role="img",
    )


def spark(node: NodeFigures, lines: Sequence[Line], span_s: tuple[int, int]) -> Markup | None:
    """Return the band of a node's offset over time."""
    bands = [(Period(one.start_s, one.end_s - one.start_s, {}), one.ends) for one in node.bands]
    if not bands:
        return None
    limits = [line for line in lines if line.kind == "skew"]
    scale = _scale(limits, bands)
    return tag(
        "svg",
        tag("title", f"Offset of {node.name}"),
        join(_limits(limits, scale, SPARK_HEIGHT, both=True)),
        *(_bar(period, span_s, *_ends(scale, ends, SPARK_HEIGHT, both=True)) for period, ends in bands),
        viewBox=f"0 0 {WIDTH} {SPARK_HEIGHT}",
        preserveAspectRatio="none",
        class_="spark",
        role="img",
    )


def _scale(limits: Iterable[Line], bands: Iterable[Band]) -> Scale:
    severities: dict[str, Literal["warning", "critical"]] = {"critical": "critical"}
    lines = tuple(Threshold(severities.get(line.severity, "warning"), line.limit_ns) for line in limits)
    return Scale.of(lines, (ends for _, ends in bands))


def _ends(scale: Scale, ends: Interval, height: int, *, both: bool) -> tuple[float, float]:
    """Return top and bottom of a band; zero is in the middle, or at the bottom if all values are positive."""
    zero, size = (height / 2, height / 2) if both else (height, height)
    return zero - scale.place(ends.upper_ns) * size, zero - scale.place(ends.lower_ns) * size


def _bar(period: Period, span_s: tuple[int, int], top: float, bottom: float) -> Markup:
    x, width = _place(period, span_s)
    return tag(
        "rect", class_="band", x=f"{x:.1f}", width=f"{width:.1f}", y=f"{top:.1f}",
        height=f"{max(LEAST_WIDTH, bottom - top):.1f}",
    )  # fmt: skip


def _place(period: Period, span_s: tuple[int, int]) -> tuple[float, float]:
    scale = WIDTH / max(1, span_s[1] - span_s[0])
    return (period.start_s - span_s[0]) * scale, max(LEAST_WIDTH, period.length_s * scale)


def _limits(limits: Iterable[Line], scale: Scale, height: int, *, both: bool) -> Iterator[Markup]:
    for line in limits:
        for limit_ns in (line.limit_ns, -line.limit_ns) if both else (line.limit_ns,):
            y = f"{_ends(scale, Interval(limit_ns, limit_ns), height, both=both)[0]:.1f}"
            yield tag(
                "line", tag("title", f"{line.severity} {exact(line.limit_ns)}"),
                class_=f"limit {'critical' if line.severity == 'critical' else 'warning'}",
                x1="0", x2=f"{WIDTH}", y1=y, y2=y,
            )  # fmt: skip


def _verdicts(cluster: ClusterFigures, span_s: tuple[int, int]) -> Iterator[Markup]:
    """Yield the parts of each period in each verdict, side by side."""
    for period, row in cluster.parts:
        x, width = _place(period, span_s)
        for verdict, time_ms in zip(VERDICTS, row.verdict_ms, strict=True):
            if time_ms <= 0:
                continue
            part = min(1.0, time_ms / 1_000 / period.length_s) * width
            yield tag(
                "rect", tag("title", verdict.value), class_=f"verdict {verdict.value}", x=f"{x:.1f}",
                width=f"{part:.2f}", y=f"{SKEW_HEIGHT + 2}", height=f"{VERDICT_HEIGHT - 2}",
            )  # fmt: skip
            x += part

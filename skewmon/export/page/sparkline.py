"""The last three hours of a node as a small picture: the band of its bounds, and the times without any."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.recent import SPAN_S, STEP_S, RecentStep
from skewmon.export.page.scale import Scale
from skewmon.model import Threshold, Verdict
from skewmon.text import at_most

STEPS = SPAN_S // STEP_S

#: The drawing has two units a step and is stretched to its place.
STEP_WIDTH = 2
WIDTH = STEPS * STEP_WIDTH
HEIGHT = 40
_MIDDLE = HEIGHT // 2


def sparkline(steps: Sequence[RecentStep | None], lines: Sequence[Threshold], scale: Scale) -> Markup:
    """Return the drawing, with a sentence for those who cannot see it."""
    runs = groupby(enumerate(steps), key=lambda numbered: judged_step(numbered[1], lines))
    drawn = (_run(list(run), level, scale) for level, run in runs)
    return tag(
        "svg",
        tag("path", class_="axis", d=f"M0 {_MIDDLE}H{WIDTH}"),
        *drawn,
        class_="sparkline",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=sentence(steps),
    )


def judged_step(step: RecentStep | None, lines: Sequence[Threshold]) -> str:
    """Return the worst that was proven in a step, ``ambiguous``, ``unknown`` if missed, or nothing."""
    if step is None or (step.offset is None and not step.missed):
        return ""
    if step.offset is None:
        return Verdict.UNKNOWN
    passed = {line.severity for line in lines if step.offset.proven_ns > line.limit_ns}
    if passed:
        return Verdict.CRITICAL if "critical" in passed else Verdict.WARNING
    below = all(step.offset.furthest_ns < line.limit_ns for line in lines)
    return Verdict.OK if below else Verdict.AMBIGUOUS


def sentence(steps: Sequence[RecentStep | None]) -> str:
    """Return the worst of the three hours in words."""
    measured = [step.offset for step in steps if step is not None and step.offset is not None]
    missed = sum(step is not None and step.offset is None and step.missed > 0 for step in steps)
    if not measured:
        return "Last 3 h: not measured."
    most = f"Last 3 h: at most {at_most(max(offset.furthest_ns for offset in measured))} from the reference"
    return f"{most}; no answer for {missed * STEP_S // 60} min." if missed else f"{most}."


def _run(run: list[tuple[int, RecentStep | None]], level: str, scale: Scale) -> Markup | None:
    first, last = run[0][0] * STEP_WIDTH, (run[-1][0] + 1) * STEP_WIDTH
    if not level:
        return None
    if level == Verdict.UNKNOWN:
        return tag("path", class_="missed", d=f"M{first} {_MIDDLE}H{last}")
    hulls = [step.offset.hull for _, step in run if step is not None and step.offset is not None]
    upper = [_y(scale, hull.upper_ns) for hull in hulls]
    lower = [_y(scale, hull.lower_ns) for hull in hulls]
    there = join(_edge(upper, first, 1))
    back = join(_edge(lower[::-1], last, -1))
    return tag("path", class_=f"band {level}", d=f"M{first} {upper[0]}{there}V{lower[-1]}{back}Z")


def _edge(heights: Sequence[int], at: int, direction: int) -> Iterator[str]:
    """Yield the path along one edge of the band, a command for each change of its height."""
    for number, height in enumerate(heights):
        at += direction * STEP_WIDTH
        if number + 1 == len(heights) or heights[number + 1] != height:
            following = f"V{heights[number + 1]}" if number + 1 < len(heights) else ""
            yield Markup(f"H{at}{following}")


def _y(scale: Scale, value_ns: int) -> int:
    """Return the height of a value, at least a unit above or below the axis so that a band is seen."""
    place = scale.place(value_ns) * (_MIDDLE - 1)
    spread = 1 if value_ns >= 0 else -1
    return round(_MIDDLE - max(-_MIDDLE + 1, min(_MIDDLE - 1, place + spread * 0.5)))

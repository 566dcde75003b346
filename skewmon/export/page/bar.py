"""An offset drawn as a bar against the thresholds, on a scale for microseconds and minutes alike."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from skewmon.export.page.markup import Markup, join, tag
from skewmon.model import Interval, Threshold

WIDTH = 240
HEIGHT = 20
_MIDDLE = WIDTH / 2
_MARGIN = 4

#: A bar narrower than this cannot be seen.
_BAR_MIN = 3.0

#: The scale is even up to this part of the lowest line and grows with the logarithm beyond it.
_EVEN_PART = 0.01

#: The scale reaches this far beyond the highest line, so that there is room to be over it.
_BEYOND = 3.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to positions on the bar; the same for all nodes of a cluster."""

    even_ns: float
    furthest: float

    @classmethod
    def of(cls, lines: tuple[Threshold, ...], offsets: Iterable[Interval]) -> "Scale":
        """Return a scale that has room for every line and every offset."""
        limits = [line.limit_ns for line in lines if line.limit_ns > 0] or [1_000_000_000]
        even_ns = min(limits) * _EVEN_PART
        furthest_ns = max(max(limits) * _BEYOND, *(offset.furthest_ns for offset in offsets), 1)
        return cls(even_ns, math.log1p(furthest_ns / even_ns))

    def x(self, value_ns: int) -> float:
        """Return the position of a value."""
        place = math.copysign(math.log1p(abs(value_ns) / self.even_ns), value_ns) / self.furthest
        return _MIDDLE + place * (_MIDDLE - _MARGIN)


def bar(offset: Interval, lines: tuple[Threshold, ...], scale: Scale, label: str) -> Markup:
    """Return the drawing: an axis, the lines on both sides, the interval and its middle."""
    left, right = scale.x(offset.lower_ns), scale.x(offset.upper_ns)
    spare = max(0.0, _BAR_MIN - (right - left)) / 2
    drawn = _rectangle(left - spare, right - left + 2 * spare, _level(offset, lines))
    marks = (_line(scale.x(side * line.limit_ns), line.severity) for line in lines for side in (-1, 1))
    return tag(
        "svg",
        tag("path", class_="axis", d=f"M0 {HEIGHT / 2:g}H{WIDTH}M{_MIDDLE:g} 4V{HEIGHT - 4}"),
        join(marks),
        drawn,
        class_="bar",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=label,
    )


def _level(offset: Interval, lines: tuple[Threshold, ...]) -> str:
    """Return the highest severity that is proven to be exceeded, ok or ambiguous."""
    passed = {line.severity for line in lines if offset.proven_ns > line.limit_ns}
    if passed:
        return "critical" if "critical" in passed else "warning"
    return "ok" if all(offset.furthest_ns < line.limit_ns for line in lines) else "ambiguous"


def _rectangle(x: float, width: float, level: str) -> Markup:
    return tag(
        "rect",
        class_=f"interval {level}",
        x=f"{x:.1f}",
        y="5",
        width=f"{width:.1f}",
        height=f"{HEIGHT - 10}",
        rx="1.5",
    )


def _line(x: float, severity: str) -> Markup:
    return tag("path", class_=f"line {severity}", d=f"M{x:.1f} 2V{HEIGHT - 2}")

"""An offset drawn as a bar against the thresholds."""

from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.scale import Scale, judged
from skewmon.model import Interval, Threshold, Verdict

WIDTH = 240
HEIGHT = 20
_MIDDLE = WIDTH / 2
_MARGIN = 4

#: A bar narrower than this cannot be seen.
_BAR_MIN = 3.0


def bar(offset: Interval, lines: tuple[Threshold, ...], scale: Scale, label: str) -> Markup:
    """Return the drawing: an axis, the lines on both sides, the interval and its middle."""
    left, right = _x(scale, offset.lower_ns), _x(scale, offset.upper_ns)
    spare = max(0.0, _BAR_MIN - (right - left)) / 2
    drawn = _rectangle(left - spare, right - left + 2 * spare, judged(offset, lines))
    marks = (_line(_x(scale, side * line.limit_ns), line.severity) for line in lines for side in (-1, 1))
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


def _x(scale: Scale, value_ns: int) -> float:
    return _MIDDLE + scale.place(value_ns) * (_MIDDLE - _MARGIN)


def _rectangle(x: float, width: float, level: Verdict) -> Markup:
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

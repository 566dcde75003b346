"""All offsets of a cluster on one line: each clock a point with its bounds, against the thresholds."""

import math
from collections import Counter
from collections.abc import Iterator

from skewmon.export.document import ClusterStatus, interval, skew_thresholds
from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.scale import Scale, judged
from skewmon.model import Interval, Threshold, Verdict
from skewmon.text import exact, span

#: The points lie in a box of this size, which the browser stretches to the width of the page.
WIDTH = 1000
HEIGHT = 100

#: The part of the width on both sides that stays free, so that an outermost point is whole.
_MARGIN = 0.02

#: Points share a height from this number on; more rows would be closer than a point is thick.
ROWS_MAX = 16

#: Labels nearer to each other than this part of the width would overlap on a phone.
_LABEL_GAP = 0.13

#: Levels in the order of drawing: the worst last, on top.
_LEVELS = (Verdict.OK, Verdict.AMBIGUOUS, Verdict.WARNING, Verdict.CRITICAL)


def strip(one: ClusterStatus, scale: Scale) -> Markup:
    """Return the drawing, with a sentence for those who cannot see it."""
    lines = skew_thresholds(one["thresholds"])
    points = [interval(node["offset"]) for node in one["nodes"] if node["offset"]]
    levels = [judged(offset, lines) for offset in points]
    drawn = tag(
        "svg",
        join(_clocks(points, levels, scale)),
        class_="points",
        width="100%",
        height="80%",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
    )
    return tag(
        "svg",
        join(_limits(lines, scale)),
        join(_ticks(lines, scale)),
        drawn,
        class_="strip",
        role="img",
        aria_label=_sentence(levels, lines),
        data_even=f"{scale.even_ns:g}",
        data_furthest=f"{scale.furthest:.6f}",
    )


def x(scale: Scale, value_ns: float) -> float:
    """Return the place of a value as a part of the width."""
    return 0.5 + scale.place(value_ns) * (0.5 - _MARGIN)


def _clocks(points: list[Interval], levels: list[Verdict], scale: Scale) -> Iterator[Markup]:
    """Yield two paths a level: the bounds, and the points; a thousand elements would be slow to replace."""
    rows = min(len(points), ROWS_MAX)
    for level in _LEVELS:
        bounds, middles = [], []
        for number, (offset, own) in enumerate(zip(points, levels, strict=True)):
            if own is level:
                y = round((number % rows + 0.5) / rows * HEIGHT)
                left, middle, right = (
                    x(scale, value) * WIDTH
                    for value in (offset.lower_ns, offset.estimate_ns, offset.upper_ns)
                )
                bounds.append(f"M{left:.1f} {y}H{right:.1f}")
                middles.append(f"M{middle:.1f} {y}h0")
        if middles:
            yield tag("path", class_=f"bounds {level}", d="".join(bounds))
            yield tag("path", class_=f"middles {level}", d="".join(middles))


def _limits(lines: tuple[Threshold, ...], scale: Scale) -> Iterator[Markup]:
    yield _upright("zero", 0.5)
    for line in lines:
        for side in (-1, 1):
            yield _upright(f"line {line.severity}", x(scale, side * line.limit_ns))


def _upright(kind: str, place: float) -> Markup:
    at = f"{place:.2%}"
    return tag("line", class_=kind, x1=at, x2=at, y1="0", y2="80%")


def _ticks(lines: tuple[Threshold, ...], scale: Scale) -> Iterator[Markup]:
    """Yield labels on both sides: zero, lines (above if there is no room), and powers of ten with room."""
    taken, above = [0.5], list[float]()
    yield _label(0.5, "0", "minor")
    furthest = int(math.log10(max(1.0, scale.furthest_ns)))
    powers = [10**power for power in range(furthest, 0, -1)]
    values = [(line.limit_ns, line.severity) for line in lines] + [(power, "minor") for power in powers]
    for value_ns, kind in values:
        places = [x(scale, side * value_ns) for side in (-1, 1)]
        is_below = all(_is_free(place, taken) for place in places)
        is_above = not is_below and kind != "minor" and all(_is_free(place, above) for place in places)
        if 0 < value_ns <= scale.furthest_ns and (is_below or is_above):
            (taken if is_below else above).extend(places)
            text, y = exact(value_ns), "100%" if is_below else "0"
            yield join((_label(places[0], f"-{text}", kind, y), _label(places[1], f"+{text}", kind, y)))


def _is_free(place: float, taken: list[float]) -> bool:
    inside = _LABEL_GAP / 2 <= place <= 1 - _LABEL_GAP / 2
    return inside and all(abs(place - other) >= _LABEL_GAP for other in taken)


def _label(place: float, text: str, kind: str, y: str = "100%") -> Markup:
    return tag("text", text, class_=f"tick {kind}", x=f"{place:.2%}", y=y, dy="-4")


def _sentence(levels: list[Verdict], lines: tuple[Threshold, ...]) -> str:
    if not levels:
        return "No clock was measured."
    words = {
        Verdict.OK: "below the lines",
        Verdict.AMBIGUOUS: "with bounds across a line",
        Verdict.WARNING: "beyond the warning line",
        Verdict.CRITICAL: "beyond the critical line",
    }
    counts = Counter(levels)
    parts = [f"{counts[level]} {words[level]}" for level in _LEVELS if counts[level]]
    limits = ", ".join(f"{line.severity} {span(line.limit_ns)}" for line in lines) or "none"
    return f"Offsets of {len(levels)} clocks to the reference: {', '.join(parts)}. Lines: {limits}."

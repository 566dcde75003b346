"""Figures of a report as a person reads them."""

from skewmon.journal.record.figures import LineFigure
from skewmon.model.record import EndRange, Line
from skewmon.text import at_least, at_most, exact, span

NS_PER_MS = 1_000_000


def duration(time_ms: int) -> str:
    """Return a time."""
    return span(time_ms * NS_PER_MS) if time_ms else "0 s"


def share(part_ms: int, whole_ms: int) -> str:
    """Return a part of the span in percent; never 0 or 100 unless it is."""
    if part_ms in (0, whole_ms) or whole_ms == 0:
        return "100 %" if part_ms and part_ms == whole_ms else "0 %"
    return f"{min(99.99, max(0.01, 100 * part_ms / whole_ms)):.2f} %"


def line_text(line: Line) -> str:
    """Return a line as it is written in a sentence."""
    return f"{line.kind} {exact(line.limit_ns)} ({line.severity})"


def between(figure: LineFigure) -> str:
    """Return how long a line was passed."""
    if figure.at_least_ms == figure.at_most_ms:
        return duration(figure.at_least_ms)
    least = at_least(figure.at_least_ms * NS_PER_MS) if figure.at_least_ms else "0 s"
    return f"{least} to {at_most(figure.at_most_ms * NS_PER_MS)}"


def proven(ends: EndRange | None) -> str:
    """Return the greatest distance that was proven."""
    return "-" if ends is None else f"{at_least(ends.proven_ns)}" if ends.proven_ns else "0"


def furthest(ends: EndRange | None) -> str:
    """Return the greatest distance that could not be excluded."""
    return "-" if ends is None else at_most(ends.furthest_ns)

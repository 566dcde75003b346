"""When an offset that drifts will pass a line: at the earliest, and at the latest.

A forecast is made only where the direction is certain. For a clock that runs free it is one; under a time
daemon that steers, a trend is feedback and the words say so.
"""

from dataclasses import dataclass
from enum import StrEnum

from skewmon.clock.drift import Rate
from skewmon.model import NS_PER_S, Interval


class Discipline(StrEnum):
    """Who decides where a clock goes."""

    FREE = "free"  # nobody: it keeps its rate
    STEERED = "steered"  # a time daemon that says it is synchronised
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, synchronized: bool | None) -> "Discipline":  # noqa: FBT001  # three states, as claimed
        """Return the discipline that a time daemon claims."""
        return {None: cls.UNKNOWN, True: cls.STEERED, False: cls.FREE}[synchronized]


@dataclass(frozen=True, slots=True)
class Forecast:
    """When |offset| reaches ``limit_ns``, in seconds from now; ``ahead`` is the direction."""

    limit_ns: int
    earliest_s: float
    latest_s: float
    ahead: bool
    discipline: Discipline

    @property
    def middle_s(self) -> float:
        """The middle of both ends, for one number."""
        return (self.earliest_s + self.latest_s) / 2


def forecast(offset: Interval, rate: Rate | None, limit_ns: int, discipline: Discipline) -> Forecast | None:
    """Return when an offset reaches the limit in the direction it drifts, or None where that is uncertain.

    An offset already beyond the limit on that side reaches it at 0. The latest end is a promise that the
    rate's interval makes: it takes the offset and the rate that are furthest from a breach.
    """
    if rate is None or not rate.meaningful or rate.lower <= 0 <= rate.upper:
        return None
    ahead = rate.lower > 0
    outward = offset if ahead else -offset
    slow, fast = sorted((abs(rate.lower), abs(rate.upper)))
    return Forecast(
        limit_ns,
        max(0, limit_ns - outward.upper_ns) / fast / NS_PER_S,
        max(0, limit_ns - outward.lower_ns) / slow / NS_PER_S,
        ahead,
        discipline,
    )


def sentence(outlook: Forecast) -> str:
    """Return a forecast in plain English."""
    direction = "ahead" if outlook.ahead else "behind"
    limit = f"{outlook.limit_ns / NS_PER_S:g} s {direction}"
    span = f"between {_span(outlook.earliest_s)} and {_span(outlook.latest_s)} from now"
    match outlook.discipline:
        case Discipline.FREE:
            return f"Nothing steers this clock: at its rate it passes {limit} {span}."
        case Discipline.STEERED:
            return f"A time daemon steers this clock; were its trend to last, it would pass {limit} {span}."
        case Discipline.UNKNOWN:
            return f"If nothing steers this clock, it passes {limit} {span}."


def _span(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

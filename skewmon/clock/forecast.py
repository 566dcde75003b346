"""When an offset that drifts will pass each line: at the earliest, and at the latest.

A forecast is made only where the direction is certain. For a clock that runs free it is one; under a time
daemon that steers, a trend is feedback and the words say so.
"""

from collections.abc import Iterable

from skewmon.clock.drift import Rate
from skewmon.model import NS_PER_S, Discipline, Forecast, Interval, Passing, SyncStatus
from skewmon.text import coarse, exact

#: Beyond a year the latest moment says no more than "perhaps never": no rate stays what it is for so long.
FORESEEABLE_S = 365 * 86_400

_DISCIPLINES = {None: Discipline.UNKNOWN, True: Discipline.STEERED, False: Discipline.FREE}


def discipline(status: SyncStatus | None) -> Discipline:
    """Return who decides where a clock goes, as its time daemon claims."""
    return _DISCIPLINES[None if status is None else status.synchronized]


def forecast(
    offset: Interval, rate: Rate | None, limits_ns: Iterable[int], steered: Discipline
) -> Forecast | None:
    """Return when an offset reaches each limit in the direction it drifts, or None where that is uncertain.

    A limit that the offset is beyond on that side is reached at 0. The latest end is a promise that the
    rate's interval makes: it takes the offset and the rate that are furthest from a breach.
    """
    if rate is None or not rate.meaningful or rate.lower <= 0 <= rate.upper:
        return None
    ahead = rate.lower > 0
    outward = offset if ahead else -offset
    slow, fast = sorted((abs(rate.lower), abs(rate.upper)))
    passings = tuple(
        Passing(
            limit_ns,
            max(0, limit_ns - outward.upper_ns) / fast / NS_PER_S,
            max(0, limit_ns - outward.lower_ns) / slow / NS_PER_S,
        )
        for limit_ns in sorted(set(limits_ns))
    )
    return Forecast(ahead, steered, passings) if passings else None


def sentence(outlook: Forecast) -> str:
    """Return a forecast in plain English; empty where every line is passed already."""
    side = "ahead" if outlook.ahead else "behind"
    told = ", ".join(f"{exact(one.limit_ns)} {side} {_when(one)}" for one in outlook.upcoming)
    if not told:
        return ""
    match outlook.discipline:
        case Discipline.FREE:
            return f"Nothing steers this clock: at its rate it passes {told}."
        case Discipline.STEERED:
            return f"A time daemon steers this clock; were its trend to last, it would pass {told}."
        case Discipline.UNKNOWN:
            return f"If nothing steers this clock, it passes {told}."


def _when(passing: Passing) -> str:
    """Return both ends, rounded outwards."""
    earliest = coarse(passing.earliest_s) if passing.earliest_s >= 1 else ""
    if passing.latest_s > FORESEEABLE_S:
        return f"in {earliest} at the earliest" if earliest else "at any time from now on"
    latest = coarse(passing.latest_s, up=True)
    return f"between {earliest} and {latest} from now" if earliest else f"within {latest} from now"

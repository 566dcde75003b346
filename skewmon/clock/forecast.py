"""When an offset that drifts will pass each threshold: at the earliest, and at the latest.

A forecast is made only if the direction is certain. Under a time daemon that steers, a trend is feedback
rather than a forecast, and the sentence says so.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from skewmon.clock.rate import Basis, Rate, Rates
from skewmon.model import NS_PER_S, Discipline, Drift, Forecast, Interval, Passing, SyncStatus
from skewmon.text import coarse, exact

#: Beyond a year the latest instant means "perhaps never": no rate stays the same for so long.
FORESEEABLE_S = 365 * 86_400

_DISCIPLINES = {None: Discipline.UNKNOWN, True: Discipline.STEERED, False: Discipline.FREE}


class NodeForecast(NamedTuple):
    """A node's drift, and the thresholds it leads to; None if the direction is uncertain."""

    drift: Drift | None = None
    forecast: Forecast | None = None


UNKNOWN_FORECAST = NodeForecast()


def discipline(status: SyncStatus | None) -> Discipline:
    """Return whether a clock is steered, as its time daemon claims."""
    return _DISCIPLINES[None if status is None else status.synchronized]


def forecast(
    offset: Interval, rate: Rate | None, limits_ns: Iterable[int], steered: Discipline
) -> Forecast | None:
    """Return when an offset reaches each limit in the direction it drifts, or None if that is uncertain.

    A limit that the offset is beyond on that side is reached at 0. The latest end takes the offset and the
    rate that are furthest from a breach.
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


def sentence(coming: Forecast) -> str:
    """Return a forecast as a sentence; empty if every threshold is passed already."""
    side = "ahead" if coming.ahead else "behind"
    passed = ", ".join(f"{exact(one.limit_ns)} {side} {_when(one)}" for one in coming.upcoming)
    if not passed:
        return ""
    match coming.discipline:
        case Discipline.FREE:
            return f"Nothing steers this clock: at its rate it passes {passed}."
        case Discipline.STEERED:
            return f"A time daemon steers this clock; were its trend to last, it would pass {passed}."
        case Discipline.UNKNOWN:
            return f"If nothing steers this clock, it passes {passed}."


def _when(passing: Passing) -> str:
    """Return both ends, rounded outwards."""
    earliest = coarse(passing.earliest_s) if passing.earliest_s >= 1 else ""
    if passing.latest_s > FORESEEABLE_S:
        return f"in {earliest} at the earliest" if earliest else "at any time from now on"
    latest = coarse(passing.latest_s, up=True)
    return f"between {earliest} and {latest} from now" if earliest else f"within {latest} from now"


def node_forecasts(
    offsets: Mapping[str, Interval],
    rates: Mapping[str, Rates],
    statuses: Mapping[str, SyncStatus | None],
    limits_ns: Sequence[int],
    reference: Collection[str] | None = None,
) -> dict[str, NodeForecast]:
    """Return the drift and forecast of every node with a meaningful rate.

    The cluster's reference is the median of the nodes in ``reference``, by default of all.
    """
    nets = _net_rates({name: rates[name] for name in offsets}, reference)
    if not nets:
        return {}
    middle, apart, found = _reference_rate(nets, reference), _against_the_other(offsets, nets), {}
    for name, net in nets.items():
        rate = net.minus(middle)
        if rate.meaningful:
            offset, leaving = apart.get(name, (offsets[name], rate))
            ahead = forecast(offset, leaving, limits_ns, discipline(statuses[name]))
            found[name] = NodeForecast(Drift(rate.ratio, rate.lower, rate.upper), ahead)
    return found


def _net_rates(rates: Mapping[str, Rates], reference: Collection[str] | None) -> dict[str, Rate]:
    """Return each node's net rate; none if one of the reference's is unknown, since its own is then, too."""
    nets = {name: one.net for name, one in rates.items() if one.net is not None}
    return nets if nets.keys() >= (rates.keys() if reference is None else set(reference)) else {}


def _reference_rate(nets: Mapping[str, Rate], reference: Collection[str] | None) -> Rate:
    """Return the rate of the cluster's reference against the axis of the nodes.

    The reference moves as the median node does; a median of intervals is the interval of the medians.
    """
    nodes = [*nets.values()] if reference is None else [nets[name] for name in reference if name in nets]
    lower = median([net.lower for net in nodes])
    upper = median([net.upper for net in nodes])
    return Rate(lower, upper, Basis.BOUNDED, min([net.samples for net in nodes]))


def _against_the_other(
    offsets: Mapping[str, Interval], nets: Mapping[str, Rate]
) -> dict[str, tuple[Interval, Rate]]:
    """Return offset and drift of each of two clocks against the other; nothing for more or fewer.

    The reference of two lies midway and moves with both: their skew passes a line long before either is as
    far from the reference.
    """
    if len(offsets) != 2 or len(nets) != 2:
        return {}
    one, other = offsets
    return {
        name: (offsets[name] - offsets[peer], nets[name].minus(nets[peer]))
        for name, peer in ((one, other), (other, one))
    }

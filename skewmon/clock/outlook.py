"""Where the clocks of one cluster are going: how each drifts against the reference, and what it will pass."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

from skewmon.clock.drift import Rate, Rates
from skewmon.clock.forecast import discipline, forecast
from skewmon.model import Drift, Forecast, Interval, SyncStatus


class Outlook(NamedTuple):
    """A node's drift, and where that leads as far as it is certain; None where it is not."""

    drift: Drift | None = None
    forecast: Forecast | None = None


UNKNOWN = Outlook()


def outlooks(
    offsets: Mapping[str, Interval],
    rates: Mapping[str, Rates],
    statuses: Mapping[str, SyncStatus | None],
    limits_ns: Sequence[int],
) -> dict[str, Outlook]:
    """Return the outlook of every node whose drift says something."""
    nets = _net_rates({name: rates[name] for name in offsets})
    apart = _against_the_other(offsets, nets)
    found = {}
    for name, rate in _rates_to_reference(nets).items():
        if rate.meaningful:
            offset, leaving = apart.get(name, (offsets[name], rate))
            ahead = forecast(offset, leaving, limits_ns, discipline(statuses[name]))
            found[name] = Outlook(Rates(net=rate).published, ahead)
    return found


def _net_rates(rates: Mapping[str, Rates]) -> dict[str, Rate]:
    """Return each node's net rate; nothing where one of them is unknown, for then the reference's is too."""
    nets = {name: one.net for name, one in rates.items() if one.net is not None}
    return nets if len(nets) == len(rates) else {}


def _rates_to_reference(nets: Mapping[str, Rate]) -> dict[str, Rate]:
    """Return each node's net rate against the cluster's reference instead of the base.

    The reference moves as the median node does; a median of intervals is the interval of the medians.
    """
    if not nets:
        return {}
    lower = median(net.lower for net in nets.values())
    upper = median(net.upper for net in nets.values())
    samples = min(net.samples for net in nets.values())
    return {name: net.plus(Rate(-upper, -lower, net.basis, samples)) for name, net in nets.items()}


def _against_the_other(
    offsets: Mapping[str, Interval], nets: Mapping[str, Rate]
) -> dict[str, tuple[Interval, Rate]]:
    """Return how each of two clocks stands and drifts against the other; nothing of more or fewer.

    The reference of two lies midway and moves with both: their skew passes a line long before either is as
    far from the reference.
    """
    if len(offsets) != 2 or not nets:
        return {}
    one, other = offsets
    return {
        name: (offsets[name] - offsets[peer], nets[name].minus(nets[peer]))
        for name, peer in ((one, other), (other, one))
    }

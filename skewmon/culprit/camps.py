"""Camps: outliers that agree with each other, and the one claim that can withhold their names."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from skewmon.clock.axes import AxisName, Extremes, hull
from skewmon.culprit.machines import Machine
from skewmon.model import BASE, AxisOffset, Interval

#: The upstreams of each name, by its daemon's claims.
Sources = Mapping[str, frozenset[str]]

NO_SOURCE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Camp:
    """Outlying machines that agree with each other."""

    machines: tuple[Machine, ...]
    extremes: Extremes

    @property
    def names(self) -> list[str]:
        """The names of the camp's machines, sorted."""
        return sorted(chain.from_iterable(machine.names for machine in self.machines))


def camps(outlying: Iterable[Machine], limit_ns: int) -> list[Camp]:
    """Split the outlying machines at each gap that is proven wider than the line.

    Machines of one axis are split on that axis. Then such parts of different axes are one camp if no gap on
    the common line is proven to lie between them.
    """
    by_axis: dict[AxisName, list[Machine]] = {}
    for machine in outlying:
        by_axis.setdefault(_axis(machine), []).append(machine)
    found = [
        part
        for machines in by_axis.values()
        for part in _split([((one,), _own(one.hull)) for one in machines], limit_ns)
    ]
    if len(by_axis) > 1:
        parts = [(tuple(part), _common(hull(one.hull for one in part))) for part in found]
        found = _split(parts, limit_ns, keeps_axes=True)
    return [Camp(tuple(part), Extremes(one.hull for one in part)) for part in found]


def _split(
    parts: Iterable[tuple[tuple[Machine, ...], Interval]], limit_ns: int, *, keeps_axes: bool = False
) -> list[list[Machine]]:
    """Join parts that no gap on one line is proven to separate; with ``keeps_axes`` not those of one axis."""
    chains: list[list[tuple[Machine, ...]]] = []
    reach_ns = 0  # the highest upper end of the chain that is being collected
    for machines, clock in sorted(parts, key=lambda part: part[1].lower_ns):
        if not chains or clock.lower_ns - reach_ns > limit_ns:
            chains.append([])
            reach_ns = clock.upper_ns
        chains[-1].append(machines)
        reach_ns = max(reach_ns, clock.upper_ns)
    found: list[list[Machine]] = []
    for links in chains:
        is_parted = keeps_axes and len({_axis(machines[0]) for machines in links}) == 1
        found += [list(one) for one in links] if is_parted else [[*chain.from_iterable(links)]]
    return found


def _axis(machine: Machine) -> AxisName:
    return machine.hull.axis if isinstance(machine.hull, AxisOffset) else BASE


def _own(clock: Interval) -> Interval:
    return clock.own if isinstance(clock, AxisOffset) else clock


def _common(clock: Interval) -> Interval:
    return clock.common if isinstance(clock, AxisOffset) else clock


class Others:
    """The machines that are not outliers, as opponents of camps."""

    def __init__(
        self, machines: Sequence[Machine], sources: Sources, missing: Collection[str], limit_ns: int
    ) -> None:
        self._machines = machines
        self._sources = sources
        self._limit_ns = limit_ns
        self._missing = [found for name in missing if (found := sources.get(name, NO_SOURCE))]
        # The ends among the followers of each source: so the cost of many camps is that of the sources, and
        # not of the nodes.
        self._followers: dict[str, Extremes] = {}
        for machine in machines:
            for source in self.sources_of([machine]):
                self._followers.setdefault(source, Extremes()).add(machine.hull)

    def sources_of(self, machines: Iterable[Machine]) -> frozenset[str]:
        """Return all sources that the machines follow; all names of a machine share one clock."""
        names = chain.from_iterable(machine.names for machine in machines)
        return NO_SOURCE.union(*(self._sources.get(name, NO_SOURCE) for name in names))

    def opponents(self, camp: Camp) -> list[Machine]:
        """Return the machines that are proven beyond the line from a camp."""
        extremes, limit_ns = camp.extremes, self._limit_ns
        return [one for one in self._machines if extremes.are_apart(Extremes([one.hull]), limit_ns)]

    def dispute(self, camp: Camp) -> bool:
        """Return whether a camp has a source of its own, and its opponents have no more sources than it.

        A missing node with a source that no opponent has might stand with the camp.
        """
        own = self.sources_of(camp.machines)
        if not own or len(camp.machines) + len(self._missing) < 2:
            return False
        theirs, most = set[str](), len(own.union(*self._missing))
        for source, followers in self._followers.items():
            if camp.extremes.are_apart(followers, self._limit_ns):
                theirs.add(source)
                if len(theirs) > most:
                    return False
        allies = [found for found in self._missing if found - theirs]
        is_camp = len(camp.machines) + len(allies) >= 2
        return is_camp and bool(own - theirs) and len(theirs) <= len(own.union(*allies))

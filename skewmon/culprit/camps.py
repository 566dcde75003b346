"""Camps: outliers that agree with each other, and the one claim that can withhold their names."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from skewmon.culprit.machines import Machine

#: The upstreams of each name, by its daemon's claims.
Sources = Mapping[str, frozenset[str]]

NO_SOURCE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Camp:
    """Outlying machines that agree; a clock above or below these ends is proven apart from one of them."""

    machines: tuple[Machine, ...]
    above_ns: int
    below_ns: int

    @property
    def names(self) -> list[str]:
        """The names of the camp's machines, sorted."""
        return sorted(chain.from_iterable(machine.names for machine in self.machines))

    def is_apart_from(self, lower_ns: int, upper_ns: int) -> bool:
        """Return whether an interval with these ends is proven beyond the line from one of the machines."""
        return lower_ns > self.above_ns or upper_ns < self.below_ns


def camps(outlying: Iterable[Machine], limit_ns: int) -> list[Camp]:
    """Split the outlying machines at each gap that is proven wider than the line."""
    found: list[list[Machine]] = []
    reach_ns = 0  # the highest upper end of the camp that is being collected
    for machine in sorted(outlying, key=lambda one: one.hull.lower_ns):
        if not found or machine.hull.lower_ns - reach_ns > limit_ns:
            found.append([])
            reach_ns = machine.hull.upper_ns
        found[-1].append(machine)
        reach_ns = max(reach_ns, machine.hull.upper_ns)
    return [_camp(machines, limit_ns) for machines in found]


def _camp(machines: list[Machine], limit_ns: int) -> Camp:
    above_ns = min(one.hull.upper_ns for one in machines) + limit_ns
    below_ns = max(one.hull.lower_ns for one in machines) - limit_ns
    return Camp(tuple(machines), above_ns, below_ns)


class Others:
    """The machines that are not outliers, as opponents of camps."""

    def __init__(self, machines: Sequence[Machine], sources: Sources, missing: Collection[str]) -> None:
        self._machines = machines
        self._sources = sources
        self._missing = [found for name in missing if (found := sources.get(name, NO_SOURCE))]
        # The highest lower end and the lowest upper end among the followers of each source: so the cost of
        # many camps is that of the sources, and not of the nodes.
        self._ends: dict[str, tuple[int, int]] = {}
        for machine in machines:
            for source in self.sources_of([machine]):
                lower_ns, upper_ns = self._ends.get(source, (machine.hull.lower_ns, machine.hull.upper_ns))
                ends = max(lower_ns, machine.hull.lower_ns), min(upper_ns, machine.hull.upper_ns)
                self._ends[source] = ends

    def sources_of(self, machines: Iterable[Machine]) -> frozenset[str]:
        """Return all sources that the machines follow; all names of a machine share one clock."""
        names = chain.from_iterable(machine.names for machine in machines)
        return NO_SOURCE.union(*(self._sources.get(name, NO_SOURCE) for name in names))

    def opponents(self, camp: Camp) -> list[Machine]:
        """Return the machines that are proven beyond the line from a camp."""
        hulls = ((machine, machine.hull) for machine in self._machines)
        return [one for one, hull in hulls if camp.is_apart_from(hull.lower_ns, hull.upper_ns)]

    def dispute(self, camp: Camp) -> bool:
        """Return whether a camp has a source of its own, and its opponents have no more sources than it.

        A missing node with a source that no opponent has might stand with the camp.
        """
        own = self.sources_of(camp.machines)
        if not own or len(camp.machines) + len(self._missing) < 2:
            return False
        theirs, most = set[str](), len(own.union(*self._missing))
        for source, ends in self._ends.items():
            if camp.is_apart_from(*ends):
                theirs.add(source)
                if len(theirs) > most:
                    return False
        allies = [found for found in self._missing if found - theirs]
        is_camp = len(camp.machines) + len(allies) >= 2
        return is_camp and bool(own - theirs) and len(theirs) <= len(own.union(*allies))

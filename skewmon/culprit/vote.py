"""The vote: which clocks are proven beyond the line from more than half of the other voters.

Counted with sorted lists, O(n log n): never over all pairs. From the voters that disagree on the common line
those of the clock's own axis are taken off, and counted on their own line instead.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from skewmon.clock.axes import AxisName
from skewmon.culprit.machines import Machine, merged
from skewmon.model import AxisOffset, Interval


class _Line:
    """Some clocks on one line, by their sorted ends."""

    def __init__(self, intervals: Iterable[Interval], limit_ns: int) -> None:
        ends = [(one.lower_ns, one.upper_ns) for one in intervals]
        self._lowers = sorted(lower for lower, _ in ends)
        self._uppers = sorted(upper for _, upper in ends)
        self._limit_ns = limit_ns

    def against(self, clock: Interval) -> int:
        """Return how many of the clocks are proven beyond the line from a clock."""
        above = len(self._lowers) - bisect_right(self._lowers, clock.upper_ns + self._limit_ns)
        return above + bisect_left(self._uppers, clock.lower_ns - self._limit_ns)


class Voters:
    """The clocks of some voters: of one axis on that axis, of different axes on the common line."""

    def __init__(self, clocks: Iterable[Interval], limit_ns: int) -> None:
        clocks = list(clocks)
        self._count = len(clocks)
        axes: dict[AxisName, list[AxisOffset]] = {}
        for clock in clocks:
            if not isinstance(clock, AxisOffset):
                break  # all clocks are on one axis
            axes.setdefault(clock.axis, []).append(clock)
        common = [one.common for same in axes.values() for one in same] or clocks
        self._common = _Line(common, limit_ns)
        self._axes = {
            axis: (_Line((one.own for one in same), limit_ns), _Line((one.common for one in same), limit_ns))
            for axis, same in axes.items()
        }

    def __len__(self) -> int:
        return self._count

    def against(self, clock: Interval) -> int:
        """Return how many of the voters are proven beyond the line from a clock."""
        if not isinstance(clock, AxisOffset):
            return self._common.against(clock)
        everywhere = self._common.against(clock.common)
        if clock.axis not in self._axes:
            return everywhere
        own, common = self._axes[clock.axis]
        return everywhere - common.against(clock.common) + own.against(clock.own)

    def reject(self, clock: Interval, missing: int) -> bool:
        """Return whether more than half of the other voters, the missing included, are against a voter."""
        return self.against(clock) * 2 > len(self) + missing - 1


@dataclass(frozen=True, slots=True)
class Ballot:
    """The voters by name and by machine, and the names that are outliers."""

    clocks: Mapping[str, Interval]
    machines: Sequence[Machine]
    outliers: frozenset[str]
    missing: Collection[str]
    limit_ns: int

    @property
    def outlying(self) -> list[Machine]:
        """The machines with a name that is an outlier."""
        return [machine for machine in self.machines if not self.outliers.isdisjoint(machine.names)]

    @property
    def others(self) -> list[Machine]:
        """All other machines that are measured."""
        return [machine for machine in self.machines if self.outliers.isdisjoint(machine.names)]

    @property
    def has_majority(self) -> bool:
        """Whether the outliers are a strict minority of the machines."""
        return len(self.outlying) < len(self.others)


def vote(
    clocks: Mapping[str, Interval], boot_ids: Mapping[str, str], missing: Collection[str], limit_ns: int
) -> Ballot:
    """Return the vote of these clocks: an outlier is rejected by most other names and most other machines.

    Both counts are needed because a boot id is a claim of the node: merging takes votes away, and must not
    make a majority of those that are left.
    """
    machines = merged(clocks, boot_ids)
    by_name, by_machine = Voters(clocks.values(), limit_ns), Voters((one.hull for one in machines), limit_ns)
    away = len(missing)
    found = (
        name
        for name, clock in clocks.items()
        if by_name.reject(clock, away) and by_machine.reject(clock, away)
    )
    return Ballot(clocks, machines, frozenset(found), missing, limit_ns)

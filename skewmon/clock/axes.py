"""Clocks on several axes, sorted by the lines on which they are compared.

Clocks of one axis are compared on their own line, all others on the common line. No function here builds
pairs: within an axis its ends decide, and across axes the ends of each.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from skewmon.model import BASE, AxisOffset, Interval

#: The label of an axis, or None for machines that are measured from several.
AxisName = str | None

#: Clocks by name.
Line = Mapping[str, Interval]


class Lines(NamedTuple):
    """The clocks of a cluster by axis, each on the axis's own line and on the common line."""

    own: Mapping[AxisName, Line]
    common: Mapping[AxisName, Line]


def lines_of(clocks: Line) -> Lines:
    """Return the lines of some clocks; a cluster on a single axis has one, which is both."""
    own: dict[AxisName, dict[str, Interval]] = {}
    common: dict[AxisName, dict[str, Interval]] = {}
    for name, clock in clocks.items():
        if not isinstance(clock, AxisOffset):
            return Lines({BASE: clocks}, {BASE: clocks})  # all are, or none
        own.setdefault(clock.axis, {})[name] = clock.own
        common.setdefault(clock.axis, {})[name] = clock.common
    return Lines(own, common)


def hull(clocks: Iterable[Interval]) -> Interval:
    """Return the smallest offset that contains some clocks, on every line that they share."""
    clocks = list(clocks)
    ends = _hull(clocks)
    placed = [one for one in clocks if isinstance(one, AxisOffset)]
    if not placed:
        return ends
    common = _hull(one.common for one in placed)
    axis = placed[0].axis
    if any(one.axis != axis for one in placed):
        return AxisOffset(ends.lower_ns, ends.upper_ns, None, common, common)
    return AxisOffset(ends.lower_ns, ends.upper_ns, axis, _hull(one.own for one in placed), common)


def _hull(clocks: Iterable[Interval]) -> Interval:
    lowers, uppers = zip(*((one.lower_ns, one.upper_ns) for one in clocks), strict=True)
    return Interval(min(lowers), max(uppers))


class Ends(NamedTuple):
    """The highest lower end and the lowest upper end of some clocks, on both lines."""

    own_lower_ns: int
    own_upper_ns: int
    common_lower_ns: int
    common_upper_ns: int

    def with_clock(self, own: Interval, common: Interval) -> "Ends":
        """Return the ends with one more clock."""
        return Ends(
            max(self.own_lower_ns, own.lower_ns),
            min(self.own_upper_ns, own.upper_ns),
            max(self.common_lower_ns, common.lower_ns),
            min(self.common_upper_ns, common.upper_ns),
        )


class Extremes:
    """The ends of some clocks by axis: whether one of them is proven apart from one of others."""

    def __init__(self, clocks: Iterable[Interval] = ()) -> None:
        self.ends: dict[AxisName, Ends] = {}
        for clock in clocks:
            self.add(clock)

    def add(self, clock: Interval) -> None:
        """Take in one more clock."""
        axis: AxisName = BASE
        own = common = clock
        if isinstance(clock, AxisOffset):
            axis, own, common = clock.axis, clock.own, clock.common
        ends = self.ends.get(axis)
        self.ends[axis] = (
            ends.with_clock(own, common)
            if ends
            else Ends(own.lower_ns, own.upper_ns, common.lower_ns, common.upper_ns)
        )

    def are_apart(self, other: "Extremes", limit_ns: int) -> bool:
        """Return whether a clock of these is proven further than a limit from a clock of the others."""
        return any(
            _are_apart(ends, its_ends, limit_ns, same_axis=axis == its_axis)
            for axis, ends in self.ends.items()
            for its_axis, its_ends in other.ends.items()
        )


def _are_apart(one: Ends, other: Ends, limit_ns: int, *, same_axis: bool) -> bool:
    if same_axis:
        ahead_ns = one.own_lower_ns - other.own_upper_ns
        return ahead_ns > limit_ns or other.own_lower_ns - one.own_upper_ns > limit_ns
    ahead_ns = one.common_lower_ns - other.common_upper_ns
    return ahead_ns > limit_ns or other.common_lower_ns - one.common_upper_ns > limit_ns

"""Which names are one machine: equal boot ids, and intervals that meet.

A machine votes with the hull of its names' intervals. A liar that copies a boot id can widen that hull but
not move it off the right name's interval: the machine's vote may be lost, and is never turned. Names of one
boot id on different axes meet, and vote, on the common line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skewmon.clock.axes import Line, hull, lines_of
from skewmon.model import Interval


@dataclass(frozen=True, slots=True)
class Machine:
    """The names of one machine, sorted, and the hull of their intervals."""

    names: tuple[str, ...]
    hull: Interval


def merged(offsets: Mapping[str, Interval], boot_ids: Mapping[str, str]) -> list[Machine]:
    """Return the machines behind these names; an empty boot id proves nothing and merges nothing."""
    by_boot_id: dict[str, list[str]] = {}
    for name in sorted(offsets, key=lambda name: (offsets[name].upper_ns, offsets[name].lower_ns, name)):
        by_boot_id.setdefault(boot_ids.get(name) or f"no boot id: {name}", []).append(name)
    return [
        machine
        for same in by_boot_id.values()
        for machine in (_meeting(same, offsets) if len(same) > 1 else [Machine((same[0],), offsets[same[0]])])
    ]


def _meeting(names: Sequence[str], offsets: Mapping[str, Interval]) -> list[Machine]:
    """Split names into the fewest machines whose intervals have an instant in common.

    Meeting is not transitive, so chains must not merge. The fewest groups are found by taking every interval
    that contains the lowest upper end, again and again.
    """
    line = _shared_line(names, offsets)
    groups: list[list[str]] = []
    for name in sorted(names, key=lambda name: (line[name].upper_ns, line[name].lower_ns, name)):
        if groups and line[name].lower_ns <= line[groups[-1][0]].upper_ns:
            groups[-1].append(name)
        else:
            groups.append([name])
    return [Machine(tuple(sorted(group)), hull([offsets[name] for name in group])) for group in groups]


def _shared_line(names: Sequence[str], offsets: Mapping[str, Interval]) -> Line:
    """Return the names' clocks on their own axis if that is one, otherwise on the common line."""
    lines = lines_of({name: offsets[name] for name in names})
    if len(lines.own) == 1:
        return next(iter(lines.own.values()))
    return {name: clock for line in lines.common.values() for name, clock in line.items()}

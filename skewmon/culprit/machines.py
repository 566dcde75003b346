"""Which names are one machine: equal boot ids, and intervals that meet.

A machine votes with the hull of its names' intervals. A liar that copies a boot id can widen that hull but
not move it off the right name's interval: the machine's vote may be lost, and is never turned.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
    return [_machine(names, offsets) for same in by_boot_id.values() for names in _meeting(same, offsets)]


def _meeting(names: list[str], offsets: Mapping[str, Interval]) -> list[list[str]]:
    """Split names, sorted by upper end, into the fewest groups whose intervals have an instant in common.

    Meeting is not transitive, so chains must not merge. The fewest groups are found by taking every interval
    that contains the lowest upper end, again and again.
    """
    groups: list[list[str]] = []
    for name in names:
        if groups and offsets[name].lower_ns <= offsets[groups[-1][0]].upper_ns:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def _machine(names: list[str], offsets: Mapping[str, Interval]) -> Machine:
    ends = [offsets[name] for name in names]
    hull = Interval(min(one.lower_ns for one in ends), max(one.upper_ns for one in ends))
    return Machine(tuple(sorted(names)), hull)

"""The reference clock for findings: the median of all nodes that are not culprits."""

from collections.abc import Iterable
from dataclasses import replace
from math import ceil, floor
from statistics import median

from skewmon.model import CulpritVerdict, Interval, Vote
from skewmon.text import names
from skewmon.timesync.findings.evidence import NO_REFERENCE, ClusterEvidence, Reference, claimed_bound_s

#: The median of two nodes lies between them and is evidence against neither.
LEAST_MEASURED = 3


def reference_clock(cluster: ClusterEvidence, vote: Vote) -> Reference:
    """Return the reference of a cluster after its vote; none while a name is withheld or undetermined.

    A median of estimates is known no better than the nodes around it: with half of them at the far end of one
    lopsided path it shifts by as much as their bounds. So it is an interval.
    """
    measured = {name: one.offset for name, one in cluster.items() if one.offset is not None}
    if len(measured) < LEAST_MEASURED or vote.disputed or vote.verdict == CulpritVerdict.UNDETERMINED:
        return NO_REFERENCE
    cleared = {name: offset for name, offset in measured.items() if name not in vote.culprits}
    claiming = (one.status for one in cluster.values() if one.status is not None and one.status.synchronized)
    found = Reference(
        _median(cleared.values()),
        culprits=frozenset(vote.culprits),
        claims_s=tuple(sorted(map(claimed_bound_s, claiming))),
    )
    # The median of all nodes lies among these only if they are most of the names, not only of the machines.
    return found if len(cleared) * 2 > len(measured) else replace(found, name=names(list(cleared)))


def _median(offsets: Iterable[Interval]) -> Interval:
    lowers, uppers = zip(*((one.lower_ns, one.upper_ns) for one in offsets), strict=True)
    return Interval(floor(median(lowers)), ceil(median(uppers)))

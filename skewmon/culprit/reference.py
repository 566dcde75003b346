"""The reference clock for findings: the median of all nodes that are not culprits, or UTC."""

from collections.abc import Iterable
from dataclasses import replace
from math import ceil, floor
from statistics import median

from skewmon.model import CulpritVerdict, Interval, Vote
from skewmon.text import names
from skewmon.timesync.findings.evidence import NO_REFERENCE, ClusterEvidence, Reference, claimed_bound_s

#: The median of two nodes lies between them and is evidence against neither.
LEAST_MEASURED = 3


def reference_clock(cluster: ClusterEvidence, vote: Vote, utc: Interval | None = None) -> Reference:
    """Return the reference of a cluster after its vote: the median of its nodes, or else UTC.

    A median of estimates is known no better than the nodes around it: with half of them at the far end of one
    lopsided path it shifts by as much as their bounds. So it is an interval. ``utc`` is confirmed UTC on the
    axis of the offsets: the reference if most nodes are wrong or there is no median to trust.
    """
    measured = {name: one.offset for name, one in cluster.items() if one.offset is not None}
    culprits = frozenset(vote.culprits)
    cleared = {name: offset for name, offset in measured.items() if name not in culprits}
    claiming = (one.status for one in cluster.values() if one.status is not None and one.status.synchronized)
    of_utc = Reference(
        utc,
        "UTC",
        culprits=culprits,
        claims_s=tuple(sorted(map(claimed_bound_s, claiming))),
    )
    usual = len(cleared) * 2 > len(measured)
    if utc is not None and measured and not usual:
        return of_utc
    if not _has_median(len(measured), vote) or not cleared:
        return NO_REFERENCE if utc is None else of_utc
    # The median of all nodes lies among these only if they are most of the names, not only of the machines.
    name = Reference(None).name if usual else names(list(cleared))
    return replace(of_utc, clock=_median(cleared.values()), name=name)


def _has_median(measured: int, vote: Vote) -> bool:
    """Return whether the nodes' median can be trusted: not while a name is withheld or undetermined."""
    return measured >= LEAST_MEASURED and not vote.disputed and vote.verdict != CulpritVerdict.UNDETERMINED


def _median(offsets: Iterable[Interval]) -> Interval:
    lowers, uppers = zip(*((one.lower_ns, one.upper_ns) for one in offsets), strict=True)
    return Interval(floor(median(lowers)), ceil(median(uppers)))

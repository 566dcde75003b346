"""Against whom a node's clock is judged: the median of those nodes that the vote has left unaccused."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from statistics import median

from skewmon.model import Interval, Vote
from skewmon.text import names
from skewmon.timesync.evidence import ClusterEvidence, NodeEvidence, claimed_bound_s
from skewmon.timesync.source import source_key

#: The reference is a median; that of two nodes lies between them and accuses nobody.
LEAST_MEASURED = 3

THE_MEDIAN = "the cluster's median"


@dataclass(frozen=True, slots=True)
class Jury:
    """Where the median of the judges' clocks may truly lie, and what to call it; None: nobody can judge.

    A median of estimates is known no better than the nodes about it: half of them at the far end of one
    lopsided path shift it by as much as their bounds, and a near node, measured well, is no further off.
    """

    median: Interval | None
    name: str = THE_MEDIAN
    accused: str | None = None  # the only node that is judged, where the judges do not agree on each other
    convicted: frozenset[str] = frozenset()  # whom the vote names
    claims_s: tuple[float, ...] = ()  # how far off each synchronized node says it may be, sorted

    def distance(self, node: NodeEvidence) -> Interval | None:
        """Return how far a node is from the judges; None where nobody judges it."""
        if self.median is None or node.offset is None or self.accused not in {None, node.name}:
            return None
        return node.offset - self.median

    def typical_claim_s(self, own_s: float) -> float | None:
        """Return the median of the claims but a node's own; None where no other node claims anything."""
        at, count = bisect_left(self.claims_s, own_s), len(self.claims_s) - 1
        if count < 1:
            return None
        middle = (count - 1) // 2, count // 2
        return sum(self.claims_s[place + (place >= at)] for place in middle) / 2


HUNG = Jury(None)


def jury(cluster: ClusterEvidence, vote: Vote | None = None) -> Jury:
    """Return who may judge, once the nodes have voted; without a vote, all that were measured."""
    measured = [one for one in cluster.values() if one.offset is not None]
    if len(measured) < LEAST_MEASURED:
        return HUNG
    said = (one.status for one in cluster.values() if one.status is not None and one.status.synchronized)
    return replace(_judges(measured, vote), claims_s=tuple(sorted(map(claimed_bound_s, said))))


def _judges(measured: Sequence[NodeEvidence], vote: Vote | None) -> Jury:
    if vote is None or vote.verdict == "none":
        return Jury(_median(measured))
    if vote.verdict == "undetermined":
        return HUNG if vote.disputed else _of_an_outlier(measured)
    cleared = [one for one in measured if one.name not in vote.culprits]
    majority = len(cleared) * 2 > len(measured)  # then the median of all lies among them
    whom = THE_MEDIAN if majority else names([one.name for one in cleared])
    return Jury(_median(cleared), whom, convicted=frozenset(vote.culprits))


def _of_an_outlier(measured: Sequence[NodeEvidence]) -> Jury:
    """Return judges of the one node that is further from the rest than they are from each other, if there is.

    Where no majority agrees to some milliseconds, a clock that is wrong by a minute is still wrong.
    """
    ordered = sorted(measured, key=lambda one: _offset(one).estimate_ns)
    low, high = _offset(ordered[1]) - _offset(ordered[0]), _offset(ordered[-1]) - _offset(ordered[-2])
    first = low.estimate_ns > high.estimate_ns
    alone, rest = (ordered[0], ordered[1:]) if first else (ordered[-1], ordered[:-1])
    gap, spread = low if first else high, _offset(rest[-1]) - _offset(rest[0])
    follow = any(source_key(one.status, one.name) is not None for one in rest)
    convicted = follow and gap.lower_ns > spread.upper_ns
    return Jury(_median(rest), THE_MEDIAN, alone.name) if convicted else HUNG


def _median(nodes: Sequence[NodeEvidence]) -> Interval:
    lower, upper = (
        median(ends)
        for ends in zip(*((_offset(one).lower_ns, _offset(one).upper_ns) for one in nodes), strict=True)
    )
    return Interval(floor(lower), ceil(upper))


def _offset(node: NodeEvidence) -> Interval:
    assert node.offset is not None  # only measured nodes are asked
    return node.offset

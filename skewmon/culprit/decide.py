"""The decision: the rows of the table in the package's docstring, in its order."""

from collections.abc import Collection
from dataclasses import replace

from skewmon.culprit import evidence
from skewmon.culprit.camps import Camp, Others, Sources, camps
from skewmon.culprit.evidence import ADMIN_BOX
from skewmon.culprit.last_step import LastStep
from skewmon.culprit.upstreams import is_synchronized, sources_of
from skewmon.culprit.vote import Ballot, vote
from skewmon.model import CulpritVerdict, Vote
from skewmon.timesync.findings.evidence import ClusterEvidence, NodeEvidence
from skewmon.timesync.roots import roots

NO_CULPRIT = Vote(CulpritVerdict.NONE, (), evidence.ALL_AGREE)


def decide(
    cluster: ClusterEvidence,
    limit_ns: int,
    *,
    admin: NodeEvidence | None = None,
    missing: Collection[str] = (),
) -> Vote:
    """Return which nodes of a cluster are wrong, by distances that are proven beyond the line.

    ``admin`` is the admin box's clock on the axis of the nodes' offsets; it votes while its time daemon is
    synchronized. ``missing`` are nodes that are not measured for a moment.
    """
    clocks = dict(cluster)
    if admin is not None and is_synchronized(admin.status, limit_ns):
        clocks[ADMIN_BOX] = admin
    offsets = {name: one.offset for name, one in clocks.items() if one.offset is not None}
    ballot = vote(offsets, {name: one.boot_id for name, one in clocks.items()}, missing, limit_ns)
    apart = evidence.count_apart(ballot)
    if not apart:
        return NO_CULPRIT
    if ballot.outliers <= {ADMIN_BOX} or not ballot.has_majority:
        return Vote(CulpritVerdict.UNDETERMINED, (), evidence.no_majority(ballot, apart))
    known = roots(clocks)
    return _of_camps(ballot, {name: sources_of(one, known, limit_ns) for name, one in clocks.items()})


def _of_camps(ballot: Ballot, sources: Sources) -> Vote:
    """Name the outliers, except those in disputed camps."""
    others = Others(ballot.others, sources, ballot.missing, ballot.limit_ns)
    named, disputed = list[Camp](), list[Camp]()
    for camp in camps(ballot.outlying, ballot.limit_ns):
        (disputed if others.dispute(camp) else named).append(camp)
    withheld = ballot.outliers.intersection(name for camp in disputed for name in camp.names)
    names = ballot.outliers - withheld - {ADMIN_BOX}
    culprits = tuple(name for name in ballot.clocks if name in names)  # in the inventory's order
    return Vote(
        CulpritVerdict.NAMED if culprits else CulpritVerdict.UNDETERMINED,
        culprits,
        evidence.of_camps(ballot, culprits, named, disputed, others),
        tuple(name for name in ballot.clocks if name in withheld),
    )


def with_last_step(found: Vote, step: LastStep | None, base_wall_ns: int, limit_ns: int) -> Vote:
    """Add the last step of the worst pair to the evidence of an undetermined vote.

    ``base_wall_ns`` is the wall time at the zero of the base.
    """
    if step is None or found.verdict != CulpritVerdict.UNDETERMINED:
        return found
    return replace(found, evidence=f"{found.evidence} {evidence.moved(step, base_wall_ns, limit_ns)}")

"""The decision: the rows of the table in the package's docstring, in its order."""

from collections.abc import Collection
from dataclasses import replace

from skewmon.culprit import against_utc, evidence
from skewmon.culprit.against_utc import AgainstUtc, UtcLine
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
    limit_ns: int | None,
    *,
    admin: NodeEvidence | None = None,
    missing: Collection[str] = (),
    utc: UtcLine | None = None,
) -> Vote:
    """Return which nodes of a cluster are wrong, by distances that are proven beyond the line.

    ``admin`` is the admin box's clock on the axis of the nodes' offsets; it votes while its time daemon is
    synchronized. ``missing`` are nodes that are not measured for a moment. ``utc`` is the line against
    confirmed UTC, which decides first. Without ``limit_ns`` the nodes do not vote.
    """
    clocks = dict(cluster)
    if admin is not None and limit_ns is not None and is_synchronized(admin.status, limit_ns):
        clocks[ADMIN_BOX] = admin
    judged = against_utc.against_utc(clocks, utc)
    left = {name: one for name, one in clocks.items() if name not in judged.wrong}
    found = NO_CULPRIT if limit_ns is None else _by_vote(left, limit_ns, missing, judged, utc)
    wrong = {name: cluster[name] for name in judged.wrong if name != ADMIN_BOX}
    if utc is None or not wrong:
        return found
    rest = "" if found.verdict == CulpritVerdict.NONE else f" {found.evidence}"
    named = wrong.keys() | set(found.culprits)
    return Vote(
        CulpritVerdict.NAMED,
        tuple(name for name in cluster if name in named),  # in the inventory's order
        f"{against_utc.evidence(wrong, utc)}{rest}",
        found.disputed,
    )


def _by_vote(
    clocks: ClusterEvidence, limit_ns: int, missing: Collection[str], judged: AgainstUtc, utc: UtcLine | None
) -> Vote:
    """Return the decision of the clocks that UTC does not prove wrong, among themselves."""
    offsets = {name: one.offset for name, one in clocks.items() if one.offset is not None}
    ballot = vote(offsets, {name: one.boot_id for name, one in clocks.items()}, missing, limit_ns)
    apart = evidence.count_apart(ballot)
    if not apart:
        return NO_CULPRIT
    spared = tuple(name for name in ballot.clocks if name in ballot.outliers & judged.right - {ADMIN_BOX})
    protection = against_utc.protected(spared, utc) if utc is not None else ""
    if ballot.outliers <= {ADMIN_BOX} or not ballot.has_majority:
        found = Vote(CulpritVerdict.UNDETERMINED, (), evidence.no_majority(ballot, apart))
    else:
        known = roots(clocks)
        sources = {name: sources_of(one, known, limit_ns) for name, one in clocks.items()}
        found = _of_camps(ballot, sources, frozenset(spared))
    return replace(found, evidence=" ".join(filter(None, (found.evidence, protection))))


def _of_camps(ballot: Ballot, sources: Sources, spared: frozenset[str]) -> Vote:
    """Name the outliers, except those in disputed camps and those that UTC proves right."""
    others = Others(ballot.others, sources, ballot.missing, ballot.limit_ns)
    named, disputed = list[Camp](), list[Camp]()
    for camp in camps(ballot.outlying, ballot.limit_ns):
        (disputed if others.dispute(camp) else named).append(camp)
    withheld = ballot.outliers.intersection(name for camp in disputed for name in camp.names)
    names = ballot.outliers - withheld - spared - {ADMIN_BOX}
    culprits = tuple(name for name in ballot.clocks if name in names)  # in the inventory's order
    return Vote(
        CulpritVerdict.NAMED if culprits else CulpritVerdict.UNDETERMINED,
        culprits,
        evidence.of_camps(
            ballot, culprits, [one for one in named if not names.isdisjoint(one.names)], disputed, others
        ),
        tuple(name for name in ballot.clocks if name in withheld),
    )


def with_last_step(found: Vote, step: LastStep | None, base_wall_ns: int, limit_ns: int) -> Vote:
    """Add the last step of the worst pair to the evidence of an undetermined vote.

    ``base_wall_ns`` is the wall time at the zero of the base.
    """
    if step is None or found.verdict != CulpritVerdict.UNDETERMINED:
        return found
    return replace(found, evidence=f"{found.evidence} {evidence.moved(step, base_wall_ns, limit_ns)}")

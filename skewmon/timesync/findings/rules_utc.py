"""Findings from the references: a cluster that is off UTC as a whole, and references that cannot prove it."""

from collections.abc import Collection, Iterator, Mapping

from skewmon.model import Finding, FindingKind, Interval, Utc, UtcReason, UtcState
from skewmon.text import at_least, names
from skewmon.timesync.findings import advice
from skewmon.timesync.findings.catalogue import finding
from skewmon.timesync.findings.evidence import ClusterEvidence
from skewmon.timesync.roots import NOWHERE, roots
from skewmon.timesync.source import source_key

#: How a state of UTC that decides nothing is described.
_STATES: Mapping[UtcState, str] = {
    UtcState.UNCONFIRMED: "is not confirmed",
    UtcState.AMBIGUOUS: "is ambiguous",
    UtcState.NONE: "is unknown",
}

#: What each reason means, as the rest of the sentence.
_REASONS: Mapping[str, str] = {
    UtcReason.NO_ANSWER: "no reference can be used now",
    UtcReason.FEW_REFERENCES: "fewer than three independent references can be used",
    UtcReason.NO_MAJORITY: "no majority of the independent references agrees",
    UtcReason.LEAP: "the references apply a leap second at different times, or some of them smear it",
}


def utc_rules(cluster: ClusterEvidence, utc: Utc, limit_ns: int | None) -> Iterator[Finding]:
    """Yield the findings of a cluster with references; ``limit_ns`` is the line against UTC, if any."""
    if not utc.references:
        return
    if utc.state is UtcState.CONFIRMED:
        if limit_ns is not None:
            yield from _cluster_off(cluster, utc, limit_ns)
    else:
        yield _unconfirmed(cluster, utc)
    yield from _falsetickers(cluster, utc)
    for one in utc.references:
        if one.early_leap:
            yield finding(
                FindingKind.REFERENCE_EARLY_LEAP,
                f"The reference {one.name} announces a leap second, which can only come at the end of a "
                "month of UTC; the announcement is ignored until the day before",
            )


def off_together(offsets: Collection[Interval], limit_ns: int) -> bool:
    """Return whether two clocks or more are all proven beyond the line from UTC, on one side of it."""
    ahead = all(offset.lower_ns > limit_ns for offset in offsets)
    return len(offsets) >= 2 and (ahead or all(offset.upper_ns < -limit_ns for offset in offsets))


def _cluster_off(cluster: ClusterEvidence, utc: Utc, limit_ns: int) -> Iterator[Finding]:
    """Report that all measured clocks are off together, and the upstream that they share."""
    offsets = {name: one.utc_offset for name, one in cluster.items() if one.utc_offset is not None}
    if not off_together(offsets.values(), limit_ns):
        return
    nearest = min(offsets.values(), key=lambda offset: offset.proven_ns)
    side = "ahead of" if nearest.lower_ns > 0 else "behind"
    agreeing = [one.name for one in utc.references if one.agrees]
    yield finding(
        FindingKind.CLUSTER_OFF_UTC,
        f"All {len(offsets)} measured clocks are at least {at_least(nearest.proven_ns)} {side} UTC, which "
        f"{names(agreeing)} confirm{_followed(cluster, offsets)}",
        advice.sources(cluster[next(iter(offsets))]),
    )


def _followed(cluster: ClusterEvidence, offsets: Mapping[str, Interval]) -> str:
    """Return the one upstream from which all of these nodes get their time, if their daemons name one."""
    known = roots(cluster)
    keys = {source_key(cluster[name].status, name) for name in offsets}
    followed = {None if key is None else known.root(key) for key in keys}
    root = followed.pop() if len(followed) == 1 else None
    return "" if root is None or root == NOWHERE else f"; all of them follow {known.name(root)}"


def _check(cluster: ClusterEvidence) -> str | None:
    """Return the command that queries every reference once."""
    return next((node.check for node in cluster.values()), None)


def _unconfirmed(cluster: ClusterEvidence, utc: Utc) -> Finding:
    """Report that nothing is judged against UTC, with the state of each reference that cannot be used."""
    faults = [f"{one.name} ({one.reason})" for one in utc.references if one.offset is None and one.reason]
    unusable = f"; not usable: {names(faults)}" if faults else ""
    shared = _shared(utc) if utc.reason == UtcReason.FEW_REFERENCES else ""
    why = _REASONS.get(utc.reason, utc.reason) + shared
    return finding(
        FindingKind.UTC_UNCONFIRMED,
        f"UTC {_STATES[utc.state]}, so no clock is judged against it: {why}{unusable}",
        _check(cluster),
    )


def _shared(utc: Utc) -> str:
    """Return which references have one vote together, as they rest on one source."""
    by_upstream: dict[str, list[str]] = {}
    for one in utc.references:
        if one.upstream:
            by_upstream.setdefault(one.upstream, []).append(one.name)
    together = ((upstream, same) for upstream, same in by_upstream.items() if len(same) > 1)
    return "".join(f"; {names(same)} have one vote, that of {upstream}" for upstream, same in together)


def _falsetickers(cluster: ClusterEvidence, utc: Utc) -> Iterator[Finding]:
    for one in utc.references:
        if not one.falseticker:
            continue
        off = "disagrees with the other references"
        if one.offset is not None and one.offset.proven_ns > 0:
            side = "ahead of" if one.offset.lower_ns > 0 else "behind"
            least = at_least(one.offset.proven_ns)
            off = f"is at least {least} {side} the others, beyond its own claim of error"
        yield finding(
            FindingKind.REFERENCE_FALSETICKER,
            f"The reference {one.name} {off}; it has no vote on UTC",
            _check(cluster),
        )

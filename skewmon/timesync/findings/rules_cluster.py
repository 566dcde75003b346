"""Findings that only all nodes together show."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from skewmon.model import NS_PER_S, CulpritVerdict, Finding, FindingKind, Interval, Vote
from skewmon.text import at_least, names, span
from skewmon.timesync.findings import advice
from skewmon.timesync.findings.catalogue import finding
from skewmon.timesync.findings.evidence import ClusterEvidence, NodeEvidence
from skewmon.timesync.refid import of_address
from skewmon.timesync.roots import NOWHERE, Roots, roots
from skewmon.timesync.source import is_free_running, peer_key, source_key, usable

#: A smear is larger than ordinary error, and never more than one second.
SMEAR_LEAST_NS = 10_000_000
SMEAR_MOST_NS = NS_PER_S

#: Nodes of one camp agree this much better with each other than with the other camp.
CAMP_RATIO = 4


def cluster_rules(cluster: ClusterEvidence, vote: Vote, limit_ns: int | None) -> Iterator[Finding]:
    """Yield the findings about one cluster as a whole, after its vote."""
    nodes = [cluster[name] for name in sorted(cluster)]
    if limit_ns is not None:
        known = roots(cluster)
        yield from _common_wrong_source(nodes, known, vote, limit_ns)
        yield from _two_sources(nodes, known, vote, limit_ns)
    yield from _boot_id_shared(nodes)
    yield from _leap_smear_split(nodes)
    yield from _no_common_reference(cluster, nodes)
    yield from _mixed_daemons(nodes)


def _key(node: NodeEvidence) -> str | None:
    return source_key(node.status, node.name)


def _root(node: NodeEvidence, known: Roots) -> str | None:
    key = _key(node)
    return None if key is None or _is_free_running(node) else known.root(key)


def _is_free_running(node: NodeEvidence) -> bool:
    return node.status is not None and is_free_running(node.status)


def _upstreams(node: NodeEvidence, known: Roots) -> frozenset[str]:
    """Return all that a node follows or could follow at once, with their own upstreams."""
    return frozenset(one for each in _direct_upstreams(node) for one in known.above(each)) - {NOWHERE}


def _direct_upstreams(node: NodeEvidence) -> frozenset[str]:
    """Return all that a node follows or could follow at once."""
    key = _key(node)
    listed = () if node.status is None else usable(node.status)
    return frozenset([*(peer_key(peer, node.name) for peer in listed), *([key] if key else ())])


def _common_wrong_source(
    nodes: Sequence[NodeEvidence], known: Roots, vote: Vote, limit_ns: int
) -> Iterator[Finding]:
    """Report an upstream that all culprits use and no other node does."""
    culprits = frozenset(vote.culprits)
    wrong = [node for node in nodes if node.name in culprits]
    right = [node for node in nodes if node.offset is not None and node.name not in culprits]
    direct, root = _shared([_key(node) for node in wrong]), _shared([_root(node, known) for node in wrong])
    shared = root if direct is None else direct
    if shared is None or root in {None, NOWHERE} or any(shared in _upstreams(node, known) for node in right):
        return
    lowers_ns = sorted(node.offset.lower_ns for node in right if node.offset is not None)
    uppers_ns = sorted(node.offset.upper_ns for node in right if node.offset is not None)
    if all(_tells_right_time(node, lowers_ns, uppers_ns, limit_ns) for node in wrong):
        return
    # If every node follows its own source, one node always follows another; that proves nothing.
    if len(wrong) == 1 and len({_key(node) for node in right}) == len(right):
        return
    s = "s" if len(wrong) == 1 else ""
    how = f"get{s} {'its' if s else 'their'} time from" if direct is None else f"follow{s}"
    yield finding(
        FindingKind.COMMON_WRONG_SOURCE,
        f"{names([node.name for node in wrong])} deviate{s} and {how} {known.name(shared)}, "
        "which no other node uses",
        advice.sources(wrong[0]),
    )


def _tells_right_time(
    node: NodeEvidence, lowers_ns: Sequence[int], uppers_ns: Sequence[int], limit_ns: int
) -> bool:
    """Return whether a node's source agrees with most of the nodes that are right, given their sorted ends.

    A daemon that reports the error of its clock has it from its source, which is right then.
    """
    if node.offset is None or node.status is None or not node.status.offset_s:
        return False
    source = node.offset.shifted(-round(node.status.offset_s * NS_PER_S))
    ahead = len(lowers_ns) - bisect_right(lowers_ns, source.upper_ns + limit_ns)
    behind = bisect_left(uppers_ns, source.lower_ns - limit_ns)
    return (ahead + behind) * 2 < len(lowers_ns)


def _two_sources(nodes: Sequence[NodeEvidence], known: Roots, vote: Vote, limit_ns: int) -> Iterator[Finding]:
    """Report two camps that follow one source each, of which either may be wrong."""
    if vote.verdict != CulpritVerdict.UNDETERMINED:
        return
    measured = [node for node in nodes if node.offset is not None]
    by_root = {node.name: _root(node, known) for node in measured}
    keys = sorted({root or NOWHERE for root in by_root.values()}, key=known.name)
    if len(keys) != 2 or NOWHERE in keys or len(measured) == 2:
        return
    first, second = ([node for node in measured if by_root[node.name] == key] for key in keys)
    apart_ns = _gap_ns(first, second)
    crossed = any(_upstreams(node, known) >= set(keys) for node in measured)
    if apart_ns <= limit_ns or crossed:
        return
    camps = " and ".join(
        f"{names([node.name for node in camp])} with {known.name(key)}"
        for camp, key in zip((first, second), keys, strict=True)
    )
    yield finding(
        FindingKind.COMMON_WRONG_SOURCE,
        f"Two camps stand at least {at_least(apart_ns)} apart, {camps}: "
        "which of the two sources is wrong cannot be known from the nodes alone",
        advice.sources(first[0]),
    )


def _shared(keys: Sequence[str | None]) -> str | None:
    different = set(keys)
    return different.pop() if len(different) == 1 else None


def _gap_ns(one: Sequence[NodeEvidence], other: Sequence[NodeEvidence]) -> int:
    """Return how far every node of one camp is proven to be from every node of the other; else negative."""
    first = [node.offset for node in one if node.offset is not None]
    second = [node.offset for node in other if node.offset is not None]
    return max(
        min(offset.lower_ns for offset in high) - max(offset.upper_ns for offset in low)
        for low, high in ((first, second), (second, first))
    )


def admin_box_rule(cluster: ClusterEvidence, admin: NodeEvidence, line_ns: int) -> Iterator[Finding]:
    """Report an admin box that is proven beyond the line from most nodes, all on the same side of it."""
    measured = {name: node.offset for name, node in cluster.items() if node.offset is not None}
    own = admin.offset
    if own is None or len(measured) < 2:
        return
    sides = {
        "ahead of": [name for name, one in measured.items() if own.lower_ns - one.upper_ns > line_ns],
        "behind": [name for name, one in measured.items() if one.lower_ns - own.upper_ns > line_ns],
    }
    for side, far in sides.items():
        if len(far) * 2 > len(measured):
            least_ns = min((own - measured[name]).proven_ns for name in far)
            far.sort()
            yield finding(
                FindingKind.ADMIN_BOX_OFF,
                f"The clock of the admin box is at least {at_least(least_ns)} {side} {names(far)} "
                f"({len(far)} of {len(measured)} nodes): either it is wrong, or all of these are. "
                "The offsets between nodes do not depend on it",
                "timedatectl",
            )


def _boot_id_shared(nodes: Sequence[NodeEvidence]) -> Iterator[Finding]:
    """Report equal boot ids on clocks that are proven apart: one kernel has one wall clock."""
    by_boot_id: dict[str, list[NodeEvidence]] = {}
    for node in nodes:
        if node.boot_id and node.offset is not None:
            by_boot_id.setdefault(node.boot_id, []).append(node)
    for same in by_boot_id.values():
        if len(same) == 1:
            continue
        offsets = [node.offset for node in same if node.offset is not None]
        apart_ns = max(one.lower_ns for one in offsets) - min(one.upper_ns for one in offsets)
        if apart_ns > 0:
            yield finding(
                FindingKind.BOOT_ID_SHARED,
                f"{names([node.name for node in same])} show one boot id, yet their clocks are at least "
                f"{at_least(apart_ns)} apart: copies of one virtual machine's memory, or a node "
                "that lies; each of these clocks has a vote",
                same[0].on_node("cat /proc/sys/kernel/random/boot_id"),
            )


def _leap_smear_split(nodes: Sequence[NodeEvidence]) -> Iterator[Finding]:
    offsets = sorted(
        ((node.offset, node) for node in nodes if node.offset is not None),
        key=lambda pair: pair[0].estimate_ns,
    )
    if len(offsets) < 2:
        return
    gaps = [after[0].estimate_ns - before[0].estimate_ns for before, after in pairwise(offsets)]
    cut = gaps.index(max(gaps)) + 1
    low, high = offsets[:cut], offsets[cut:]
    if not any(_speaks_of_leap(node) for _, node in offsets) and not any(map(_inserted, (low, high))):
        return
    apart = _apart([offset for offset, _ in low], [offset for offset, _ in high])
    if apart is None or not _differ([node for _, node in low], [node for _, node in high]):
        return
    yield finding(
        FindingKind.LEAP_SMEAR_SPLIT,
        f"The nodes stand in two camps {span(apart)} apart with different upstreams "
        f"({names([node.name for _, node in low])} against {names([node.name for _, node in high])}): "
        "around this leap second one side smears it",
        advice.state(high[0][1]),
    )


def _speaks_of_leap(node: NodeEvidence) -> bool:
    status = node.status
    return status is not None and (status.leap in {"insert", "delete"} or bool(status.smear_s))


def _inserted(camp: Sequence[tuple[Interval, NodeEvidence]]) -> bool:
    """Return whether a whole camp went back by a second; one node alone may have been set by hand."""
    steps = [node.history.step_s or 0.0 for _, node in camp]
    return len(steps) > 1 and all(-1.1 < step_s < -0.9 for step_s in steps)


def _apart(low: Sequence[Interval], high: Sequence[Interval]) -> int | None:
    """Return the proven distance of two camps, if a smear explains it."""
    gap = min(offset.lower_ns for offset in high) - max(offset.upper_ns for offset in low)
    widest = max(camp[-1].estimate_ns - camp[0].estimate_ns for camp in (low, high))
    most = max(offset.upper_ns for offset in high) - min(offset.lower_ns for offset in low)
    fits = gap >= SMEAR_LEAST_NS and most <= SMEAR_MOST_NS + SMEAR_LEAST_NS and widest * CAMP_RATIO <= gap
    return gap if fits else None


def _differ(low: Sequence[NodeEvidence], high: Sequence[NodeEvidence]) -> bool:
    camps = [{_key(node) for node in camp} - {None} for camp in (low, high)]
    return bool(camps[0] and camps[1]) and not camps[0] & camps[1]


def _no_common_reference(cluster: ClusterEvidence, nodes: Sequence[NodeEvidence]) -> Iterator[Finding]:
    # In most clusters two of the first nodes have a server in common, and no further look is needed.
    if _is_shared((_direct_upstreams(node), node) for node in nodes if _follows_another(node)):
        return
    known, following = roots(cluster), [node for node in nodes if _follows_another(node)]
    if len(following) > 1 and not _is_shared((_upstreams(node, known), node) for node in following):
        yield finding(
            FindingKind.NO_COMMON_REFERENCE,
            f"No two of {names([node.name for node in following])} share an upstream by address; "
            "each is only as right as its own",
            advice.sources(following[0]),
        )


def _is_shared(upstreams: Iterable[tuple[frozenset[str], NodeEvidence]]) -> bool:
    """Return whether two nodes have an upstream in common, or one is the other's."""
    seen: set[str] = set()
    for of_node, node in upstreams:
        places = of_node | {of_address(node.address) or node.name}
        if seen & places:
            return True
        seen |= places
    return False


def _follows_another(node: NodeEvidence) -> bool:
    key = _key(node)
    return key is not None and not key.endswith(f" of {node.name}")


def _mixed_daemons(nodes: Sequence[NodeEvidence]) -> Iterator[Finding]:
    by_daemon: dict[str, list[str]] = {}
    for node in nodes:
        if node.status is not None and node.status.daemon not in {"none", "unknown", "ntp"}:
            by_daemon.setdefault(node.status.daemon, []).append(node.name)
    if len(by_daemon) > 1:
        camps = "; ".join(f"{daemon} on {names(camp)}" for daemon, camp in sorted(by_daemon.items()))
        rarest = min(by_daemon.values(), key=len)[0]
        command = advice.units(next(node for node in nodes if node.name == rarest))
        yield finding(FindingKind.MIXED_DAEMONS, f"The nodes run different time daemons: {camps}", command)

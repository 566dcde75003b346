"""Who is wrong: measured offsets, claims, the admin box and who moved, put together."""

from dataclasses import replace

from skewmon.clock.steps import Kind, Movement
from skewmon.hearing import Bystander, Hearing
from skewmon.model import NS_PER_S, Interval, Pair, Peer, SyncStatus, Vote
from skewmon.timesync.evidence import NodeEvidence
from tests.timesync.test_claim import HELD

LIMIT_NS = NS_PER_S // 20
AT_NS, AT_WALL_NS = 10**15, 1_790_000_000 * NS_PER_S

OFFSETS = {"n1": Interval.around(0, 1_000), "n2": Interval.around(70 * NS_PER_S, 1_000)}
WORST = Pair("n2", "n1", OFFSETS["n2"] - OFFSETS["n1"])


def followers(**servers: str) -> dict[str, NodeEvidence]:
    """Return n1 and n2, 70 s apart, of which these follow a server."""
    return {
        name: NodeEvidence(name, held(servers[name]) if name in servers else None, offset)
        for name, offset in OFFSETS.items()
    }


def held(server: str) -> SyncStatus:
    """Return the status of a clock that a server holds."""
    return SyncStatus(HELD.daemon, synchronized=True, source=server, refid=server, root_distance_s=0.005)


def verdict(
    cluster: dict[str, NodeEvidence], bystander: Bystander | None = None, jump: Movement | None = None
) -> Vote:
    """Hear the two nodes, of which n2 may have jumped."""
    jumps = {"n2": [jump]} if jump else {}
    return Hearing(cluster, bystander, jumps, AT_NS, AT_WALL_NS).verdict(LIMIT_NS, WORST)


def test_the_admin_box_breaks_a_tie_where_a_source_of_its_own_holds_its_clock() -> None:
    """Two clocks from two sources agree; the third is wrong."""
    admin = Bystander(Interval.around(NS_PER_S // 1_000, 500), held("192.0.2.9"))
    found = verdict(followers(n1="192.0.2.1"), admin)
    assert (found.verdict, found.culprits) == ("named", ("n2",))
    assert "n1 by 192.0.2.1, the admin box by 192.0.2.9" in found.evidence


def test_an_admin_box_that_nobody_holds_is_no_witness() -> None:
    """Its wall clock is never trusted for itself."""
    for status in (None, SyncStatus("none", synchronized=False)):
        admin = Bystander(Interval.around(0, 500), status)
        assert verdict(followers(n1="192.0.2.1"), admin).verdict == "undetermined"


def test_servers_that_pass_on_one_time_are_one_witness() -> None:
    """The admin box follows another server than n1, and that one follows the same as n1's."""
    cluster = followers(n1="192.0.2.1")
    peer = Peer("192.0.2.1", "system", refid="192.0.2.9", stratum=3)
    cluster["n1"] = replace(cluster["n1"], status=replace(held("192.0.2.1"), peers=(peer,)))
    admin = Bystander(Interval.around(0, 500), held("192.0.2.9"))
    assert verdict(cluster, admin).verdict == "undetermined"


def test_who_moved_is_told_and_not_called_wrong() -> None:
    """It may have jumped to the right time."""
    step = Movement(Kind.STEP, AT_NS - 30 * NS_PER_S, AT_NS - 20 * NS_PER_S, WORST.offset)
    found = verdict(followers(), jump=step)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence.endswith(
        "It was n2 that moved: it jumped forward by 70 s before 2026-09-21 14:13:00 UTC, "
        "and without that the two would agree to within 50 ms. It may have jumped to the right time."
    )

"""Who is wrong: measured offsets, claims, the admin box and who moved, put together."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.steps import Movement, MovementKind
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
    step = Movement(MovementKind.STEP, AT_NS - 30 * NS_PER_S, AT_NS - 20 * NS_PER_S, WORST.offset)
    found = verdict(followers(), jump=step)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence.endswith(
        "It was n2 that moved: it jumped forward by 70 s before 2026-09-21 14:13:00 UTC, "
        "and without that the two would agree to within 50 ms. It may have jumped to the right time."
    )


# --- for which source a clock speaks ------------------------------------------------------------------


def holding(server: str, *others: str) -> SyncStatus:
    """Return the status of a clock that follows one server, and holds others for right as well."""
    candidates = tuple(Peer(other, "candidate", reach=255) for other in others)
    return replace(held(server), peers=(Peer(server, "system", reach=255), *candidates))


def named(offset_s: float, status: SyncStatus | None, name: str) -> NodeEvidence:
    """Return a node so many seconds ahead."""
    return NodeEvidence(name, status, Interval.around(round(offset_s * NS_PER_S), 1_000))


def among(*nodes: NodeEvidence, admin: SyncStatus | None = None) -> Vote:
    """Hear these nodes, beside an admin box that is right."""
    return verdict({one.name: one for one in nodes}, Bystander(Interval.around(0, 500), admin))


def test_the_admin_box_speaks_for_another_source_that_it_holds_for_right() -> None:
    """It follows the same server as n1, and agrees with a second one that nobody else heard."""
    nodes = named(0, held("192.0.2.1"), "n1"), named(70, held("192.0.2.2"), "n2")
    assert among(*nodes, admin=held("192.0.2.1")).verdict == "undetermined"
    found = among(*nodes, admin=holding("192.0.2.1", "192.0.2.9"))
    assert (found.verdict, found.culprits) == ("named", ("n2",))
    assert "n1 by 192.0.2.1, the admin box by 192.0.2.9" in found.evidence


def test_a_source_is_not_left_to_the_one_clock_that_contradicts_its_followers() -> None:
    """n1 lies in the name of its server; n2, which shows what that server says, does not make room for it."""
    nodes = (
        named(-70, holding("192.0.2.3", "192.0.2.2"), "n1"),
        named(0, holding("192.0.2.3", "192.0.2.2"), "n2"),
        named(0, holding("192.0.2.2", "192.0.2.3"), "n4"),
        named(-70, held("192.0.2.1"), "n6"),
    )
    assert among(*nodes, named(-9, None, "n5"), named(-5, None, "n3")).verdict == "undetermined"


def test_who_can_choose_makes_room_for_who_cannot() -> None:
    """Whichever follower of a server comes first, the one that has another source speaks for that."""
    can, cannot = named(0, holding("192.0.2.1", "192.0.2.2"), "n1"), named(0, held("192.0.2.1"), "n2")
    wrong = named(70, held("192.0.2.3"), "n3"), named(-9, None, "n4")
    for first, second in ((can, cannot), (cannot, can)):
        nodes = {one.name: one for one in (first, second, *wrong)}
        assert verdict(nodes).culprits == ("n3", "n4")


SERVERS = [f"192.0.2.{number}" for number in range(1, 6)]
statuses = st.one_of(
    st.none(),
    st.just(SyncStatus("none", synchronized=False)),
    st.lists(st.sampled_from(SERVERS), min_size=1, max_size=4, unique=True).map(lambda some: holding(*some)),
)
clocks = st.tuples(st.sampled_from([0.0, 0.001, 5.0, -70.0]), statuses)


@given(st.lists(clocks, min_size=2, max_size=6), st.one_of(st.none(), clocks), st.data())
def test_the_order_of_the_nodes_decides_nothing(
    found: list[tuple[float, SyncStatus | None]],
    admin: tuple[float, SyncStatus | None] | None,
    data: st.DataObject,
) -> None:
    """A live inventory may list them in another order each time it is read."""
    nodes = [named(*one, f"n{number}") for number, one in enumerate(found)]
    shuffled = data.draw(st.permutations(nodes))
    offset = Interval.around(round((admin[0] if admin else 0.0) * NS_PER_S), 500)
    bystander = Bystander(offset, admin[1]) if admin else None
    one, other = (verdict({node.name: node for node in order}, bystander) for order in (nodes, shuffled))
    assert (one.verdict, sorted(one.culprits)) == (other.verdict, sorted(other.culprits))


def test_a_node_that_is_away_for_a_moment_still_stands_for_its_source() -> None:
    """The others do not become a majority while it reboots."""
    away = replace(named(0, held("192.0.2.2"), "n2"), offset=None)
    wrong = [named(5, held("192.0.2.66"), name) for name in ("n3", "n4", "n5")]
    cluster = {one.name: one for one in (named(0, held("192.0.2.1"), "n1"), away, *wrong)}
    hearing = Hearing(cluster, None, {}, AT_NS, AT_WALL_NS, frozenset({"n2"}))
    assert hearing.verdict(LIMIT_NS, WORST).verdict == "undetermined"
    assert replace(hearing, missed=frozenset()).verdict(LIMIT_NS, WORST).culprits == ("n1",)

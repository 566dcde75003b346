"""The rows of confirmed UTC: it names any number of nodes, decides between two, and protects who is right."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.culprit.against_utc import UtcLine, utc_line
from skewmon.culprit.decide import NO_CULPRIT, decide
from skewmon.culprit.evidence import ADMIN_BOX
from skewmon.culprit.reference import reference_clock
from skewmon.model import AxisOffset, Interval, ReferenceView, Utc, UtcState
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.clock.fleets import around
from tests.culprit.clocks import LIMIT_NS, SECOND, cluster, node
from tests.culprit.test_laws import AXES, FLEETS, RandomFleet

THREE = UtcLine(LIMIT_NS, 3)

#: UTC on the axis of the offsets, as far as three near references know it.
UTC = Interval.around(0, 2_000_000)

REFERENCES = tuple(
    ReferenceView(f"ntp{k}", Interval(-1, 1), success=True, upstream=f"192.0.2.{k}") for k in (1, 2, 3)
)


def seen(*nodes: NodeEvidence, utc: Interval = UTC) -> dict[str, NodeEvidence]:
    """Return nodes with their offsets to UTC."""
    return cluster(*(replace(one, utc_offset=one.offset and one.offset - utc) for one in nodes))


def test_of_two_nodes_the_wrong_one_is_named() -> None:
    """Neither can outvote the other, and no admin box votes."""
    nodes = seen(node("n1", 0), node("n2", 70))
    assert decide(nodes, LIMIT_NS).verdict == "undetermined"
    found = decide(nodes, LIMIT_NS, utc=THREE)
    assert (found.verdict, found.culprits) == ("named", ("n2",))
    assert found.evidence == (
        "n2 is provably at least 69.99 s ahead of UTC, by 3 independent references that agree."
    )


def test_a_majority_on_one_wrong_server_is_named() -> None:
    """Three of five follow it; the two that are right are protected, whatever the three claim."""
    wrong = [node(f"n{k}", -5, "192.0.2.66") for k in (1, 2, 3)]
    nodes = seen(*wrong, node("n4", 0, "192.0.2.1"), node("n5", 0, "192.0.2.2"))
    assert decide(nodes, LIMIT_NS).verdict == "undetermined"
    found = decide(nodes, LIMIT_NS, utc=THREE)
    assert (found.verdict, found.culprits, found.disputed) == ("named", ("n1", "n2", "n3"), ())
    assert found.evidence == (
        "n1, n2, n3 are provably more than 50 ms from UTC, by 3 independent references that agree."
    )


def test_all_nodes_can_be_named() -> None:
    """They agree, so there is no vote among them."""
    nodes = seen(*(node(f"n{k}", 0.2) for k in range(5)))
    assert decide(nodes, None) == NO_CULPRIT
    assert decide(nodes, None, utc=THREE).culprits == tuple(nodes)


def test_nodes_that_utc_leaves_open_vote_without_those_it_names() -> None:
    """Far references: the path proves 70 s, and not whether n3 or the others are right."""
    far = Interval.around(0, SECOND)
    nodes = seen(node("n1", 0), node("n2", 0), node("n3", 0.1), node("n4", 70), node("n5", 70), utc=far)
    found = decide(nodes, LIMIT_NS, utc=THREE)
    assert found.culprits == ("n3", "n4", "n5")
    assert found.evidence.startswith("n4, n5 are provably more than 50 ms from UTC")
    assert found.evidence.endswith(
        "n3 is provably more than 50 ms from both other nodes, which are the majority."
    )
    nodes.pop("n2")
    found = decide(nodes, LIMIT_NS, utc=THREE)
    assert found.culprits == ("n4", "n5")
    assert "2 of 2 nodes are provably apart, and no majority agrees" in found.evidence


def test_a_node_within_the_line_of_utc_is_never_named() -> None:
    """Most nodes are 60 ms ahead, which these references cannot prove; the outlier is right."""
    utc = Interval.around(0, 20_000_000)
    nodes = seen(node("n1", 0.06), node("n2", 0.06), node("n3", 0), utc=utc)
    assert decide(nodes, LIMIT_NS).culprits == ("n3",)
    found = decide(nodes, LIMIT_NS, utc=THREE)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence == "n3 is proven to be within 50 ms of UTC, so is not named."


def test_exactly_the_line_is_not_beyond_it() -> None:
    """One nanosecond more is."""
    for beyond_ns, named in ((0, ()), (1, ("n2",))):
        nodes = seen(node("n1", 0), node("n2", 0))
        nodes["n2"] = replace(nodes["n2"], utc_offset=Interval(LIMIT_NS + beyond_ns, 2 * LIMIT_NS))
        assert decide(nodes, None, utc=THREE).culprits == named


def test_an_admin_box_that_is_off_has_no_vote_and_is_not_named() -> None:
    """It would decide between two nodes that UTC leaves open."""
    nodes = cluster(node("n1", 0), node("n2", 70))
    admin = replace(node(ADMIN_BOX, 70, "192.0.2.1"), utc_offset=Interval(70 * SECOND, 71 * SECOND))
    assert decide(nodes, LIMIT_NS, admin=replace(admin, utc_offset=None), utc=THREE).culprits == ("n1",)
    assert decide(nodes, LIMIT_NS, admin=admin, utc=THREE).verdict == "undetermined"


@pytest.mark.parametrize("state", [one for one in UtcState if one is not UtcState.CONFIRMED])
def test_utc_that_is_not_confirmed_decides_nothing(state: UtcState) -> None:
    """Neither does confirmed UTC without a line."""
    assert utc_line(Utc(state, UTC, references=REFERENCES), LIMIT_NS) is None
    confirmed = Utc(UtcState.CONFIRMED, UTC, references=REFERENCES)
    assert utc_line(confirmed, None) is None
    assert utc_line(confirmed, LIMIT_NS) == THREE


def test_only_references_that_agree_are_counted_by_their_upstreams() -> None:
    """A falseticker, one that is silent, and two that follow one server."""
    more = (
        replace(REFERENCES[0], name="second name"),
        replace(REFERENCES[0], falseticker=True, upstream="192.0.2.9"),
        ReferenceView("silent", upstream="192.0.2.10"),
    )
    assert utc_line(Utc(UtcState.CONFIRMED, UTC, references=(*REFERENCES, *more)), LIMIT_NS) == THREE


def test_findings_compare_with_utc_when_most_nodes_are_wrong() -> None:
    """Also two nodes alone, of which the median proves nothing."""
    wrong = [node(f"n{k}", 5) for k in (1, 2, 3)]
    for nodes in (
        seen(*wrong),
        seen(*wrong, node("n4", 0), node("n5", 0)),
        seen(node("n1", 0), node("n2", 5)),
    ):
        vote = decide(nodes, None, utc=THREE)
        reference = reference_clock(nodes, vote, UTC)
        assert (reference.clock, reference.name) == (UTC, "UTC")
    right = seen(*(node(f"n{k}", 0) for k in (1, 2, 3)), node("n4", 5))
    assert reference_clock(right, decide(right, LIMIT_NS, utc=THREE), UTC).name == "the cluster's median"


# --- laws -----------------------------------------------------------------------------------------------


def to_utc(offset: Interval | None, utc: Interval) -> Interval | None:
    """Return a clock's offset to UTC, which is on the common line of all axes."""
    return None if offset is None else (offset.common if isinstance(offset, AxisOffset) else offset) - utc


def with_utc(fleet: RandomFleet, utc: Interval) -> dict[str, NodeEvidence]:
    """Return the nodes of a fleet, each with its offset to UTC; the admin box gets one, too."""
    if fleet.admin is not None:
        fleet.admin = replace(fleet.admin, utc_offset=to_utc(fleet.admin.offset, utc))
    return {one.name: replace(one, utc_offset=to_utc(one.offset, utc)) for one in fleet.nodes}


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("draw", FLEETS)
@settings(max_examples=100, deadline=None)
@given(dice=st.randoms(use_true_random=False))
def test_no_honest_node_is_named_by_any_row(
    draw: Callable[[Random, int], RandomFleet], axes: int, dice: Random
) -> None:
    """UTC is within the line of every honest clock, and its interval contains it."""
    fleet = draw(dice, axes)
    true_ns = dice.randint(0, fleet.limit_ns)  # honest clocks are from 0 to the line
    utc = Interval(true_ns - dice.choice([0, 1, 40]), true_ns + dice.choice([0, 1, 40]))
    nodes, line = with_utc(fleet, utc), UtcLine(fleet.limit_ns, 3)
    found = decide(nodes, fleet.limit_ns, admin=fleet.admin, utc=line)
    assert fleet.honest.isdisjoint(found.culprits)
    right = {n for n, one in nodes.items() if one.utc_offset and one.utc_offset.furthest_ns <= fleet.limit_ns}
    assert right.isdisjoint(found.culprits)


@settings(deadline=None)
@given(st.lists(st.integers(-99, 99), min_size=1, max_size=9), st.integers(0, 30), st.randoms())
def test_no_right_node_is_named_by_utc_however_few_are_right(
    clocks_ns: list[int], limit_ns: int, dice: Random
) -> None:
    """Any clocks, each somewhere within its interval; UTC is at 0, somewhere within its own."""
    utc = around(dice, 0, 0, 1, limit_ns)
    nodes = cluster(
        *(
            NodeEvidence(f"n{k}", utc_offset=around(dice, clock_ns, 0, 1, limit_ns) - utc)
            for k, clock_ns in enumerate(clocks_ns)
        )
    )
    found = decide(nodes, None, utc=UtcLine(limit_ns, 3))
    assert all(abs(clocks_ns[int(name[1:])]) > limit_ns for name in found.culprits)


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("draw", FLEETS)
def test_no_honest_node_is_named_in_a_hundred_thousand_fleets(
    draw: Callable[[Random, int], RandomFleet],
) -> None:
    """The same, in fleets that each seed draws; some of them name a node."""
    named = 0
    for seed in range(100_000):
        dice = Random(seed)
        fleet = draw(dice, 1 + seed % 3)
        true_ns = dice.randint(0, fleet.limit_ns)
        nodes = with_utc(fleet, Interval(true_ns - dice.choice([0, 40]), true_ns + dice.choice([0, 40])))
        found = decide(nodes, fleet.limit_ns, admin=fleet.admin, utc=UtcLine(fleet.limit_ns, 3))
        named += bool(found.culprits)
        assert fleet.honest.isdisjoint(found.culprits), (seed, found)
    assert named > 1_000


@given(dice=st.randoms(use_true_random=False), nodes=st.integers(2, 9))
def test_neither_number_nor_claims_of_wrong_nodes_clear_them(dice: Random, nodes: int) -> None:
    """From one to all of them are 70 s off."""
    wrong = dice.randint(1, nodes)
    ahead = [70] * wrong + [0] * (nodes - wrong)
    dice.shuffle(ahead)
    servers = [f"192.0.2.{k}" for k in range(1, 7)]
    fleet = seen(*(node(f"n{k}", far, *dice.sample(servers, 2)) for k, far in enumerate(ahead)))
    limit_ns = LIMIT_NS if wrong < nodes else None
    found = decide(fleet, limit_ns, admin=node(ADMIN_BOX, 70, "192.0.2.1"), utc=THREE)
    assert found.culprits == tuple(f"n{k}" for k, far in enumerate(ahead) if far)

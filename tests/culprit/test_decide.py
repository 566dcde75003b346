"""The decision table, row by row, and the sentences that come with it."""

from dataclasses import replace

import pytest

from skewmon.culprit.decide import NO_CULPRIT, decide, with_last_step
from skewmon.culprit.evidence import ADMIN_BOX
from skewmon.culprit.last_step import LastStep
from skewmon.model import NS_PER_S, Interval, SyncStatus
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.culprit.clocks import LIMIT_NS, SECOND, at, cluster, following, node

A, B, C, D, WRONG = (f"192.0.2.{last}" for last in (1, 2, 3, 4, 66))

# --- no two nodes are apart -----------------------------------------------------------------------------


def test_nodes_within_the_line_name_none() -> None:
    """Also none at all, one alone, and clocks whose bounds are wider than their distance."""
    for nodes in (at(0, 0.01, 0), {}, at(5), at(0, 0, 70, bound_ns=40 * SECOND)):
        assert decide(nodes, LIMIT_NS) == NO_CULPRIT


def test_exactly_the_line_is_not_beyond_it() -> None:
    """One nanosecond more is."""
    nodes = at(0, 0, 1, bound_ns=0)
    assert decide(nodes, SECOND) == NO_CULPRIT
    assert decide(nodes, SECOND - 1).culprits == ("n3",)


# --- no majority ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ahead_s",
    [(0, 70), (0, 0, 70, 70), (0, 70, 140), (0, 0, 0, 9, 9, 9), (0, 10, 20, 30, 40)],
    ids=["two", "two camps", "all apart", "three against three", "a ladder"],
)
def test_without_a_majority_no_node_is_named(ahead_s: tuple[float, ...]) -> None:
    """Nor is any withheld."""
    found = decide(at(*ahead_s), SECOND)
    assert (found.verdict, found.culprits, found.disputed) == ("undetermined", (), ())
    assert found.evidence == (
        f"{len(ahead_s)} of {len(ahead_s)} nodes are provably apart, and no majority agrees on who is right."
    )


def test_both_ends_of_a_chain_are_not_outliers() -> None:
    """Neighbors are within the line: most nodes are near either end."""
    assert decide(at(0, 0.8, 1.6), SECOND).evidence.startswith("2 of 3 nodes are provably apart")
    assert decide(at(0, 0.9, 1.8, 2.7), SECOND).verdict == "undetermined"


def test_missing_nodes_may_disagree() -> None:
    """Of three nodes, one reboots: the other two are one word against another."""
    nodes = cluster(node("n1", 0), node("n2", None), node("n3", 70), node("n4", 0), node("n5", None))
    found = decide(nodes, LIMIT_NS, missing={"n2", "n5"})
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence.endswith("Not measured for a moment, and may disagree: n2, n5.")
    assert decide(nodes, LIMIT_NS, missing={"n2"}).culprits == ("n3",)


# --- outliers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead_s", "culprits", "evidence"),
    [
        ((0, 0, 70), "n3", "n3 is provably more than 1 s from both other nodes, which are the majority."),
        ((0, 70, 0, 0, -70), "n2 n5", "n2, n5 are provably more than 1 s from all 3 other nodes, which"),
        ((0, 0, 0, 5, 6), "n4 n5", "n4, n5 are provably more than 1 s from all 3 other nodes, which are the"),
        (
            (0, 0, 0.5, 0, 1.2),
            "n5",
            "n5 is provably more than 1 s from 3 of the 4 other nodes, which are the",
        ),
        (
            (0, 0, 0.5, 1.2, -5),
            "n4 n5",
            "n4, n5 are provably more than 1 s from most other nodes, and those that remain are the",
        ),
        ((*[0] * 20, *[9] * 7), "n21 n22 n23 n24 n25 n26 n27", "n21, n22, n23, n24, n25 and 2 more are"),
    ],
)
def test_a_minority_of_outliers_is_named(ahead_s: tuple[float, ...], culprits: str, evidence: str) -> None:
    """The evidence counts the clocks that are not outliers, and lists five names at most."""
    found = decide(at(*ahead_s), SECOND)
    assert (found.verdict, found.culprits) == ("named", tuple(culprits.split()))
    assert found.evidence.startswith(evidence)


def test_a_single_outlier_is_named_whatever_is_claimed() -> None:
    """Its own sources clear it as little as the one source of all others; the evidence says so."""
    nodes = cluster(node("n1", 0, A), node("n2", 0, A), node("n3", 70, B, C, D))
    found = decide(nodes, LIMIT_NS)
    assert found.culprits == ("n3",)
    assert found.evidence.endswith(f"All of these have one source, {A}, and would share its error.")
    nodes["n3"] = node("n3", 70, A)
    assert "one source" not in decide(nodes, LIMIT_NS).evidence
    lost = cluster(node("n1", 0), node("n2", 0), node("n3", 70, B))
    assert decide(lost, LIMIT_NS).evidence.endswith("None of these has a known source, but the outlier has.")


def test_nodes_of_one_list_of_servers_have_the_same_sources() -> None:
    """Two nodes select other servers of it than the rest; that gives them no source of their own."""
    right = [node(f"n{k}", 0, A, B, C, D) for k in (1, 2, 3)]
    found = decide(cluster(*right, node("n4", 70, B, A, C, D), node("n5", 70, C, A, B, D)), LIMIT_NS)
    assert found.culprits == ("n4", "n5")


# --- disputed camps -------------------------------------------------------------------------------------


def five(majority: str = WRONG, *minority: str) -> dict[str, NodeEvidence]:
    """Return three nodes that follow one server and two, 70 s behind them, that follow these."""
    wrong = [node(f"n{k}", 70, majority) for k in (3, 4, 5)]
    return cluster(node("n1", 0, *minority[:1]), node("n2", 0, *minority[-1:]), *wrong)


def test_three_against_two_on_two_servers_are_two_camps() -> None:
    """Both are reported, with their sources."""
    found = decide(five(WRONG, A), LIMIT_NS)
    assert (found.verdict, found.culprits, found.disputed) == ("undetermined", (), ("n1", "n2"))
    assert found.evidence == (
        f"n1, n2 (source {A}) and n3, n4, n5 (source {WRONG}) are provably more than 50 ms apart, and the "
        "larger camp has no more sources: which camp is right cannot be known from the nodes alone."
    )
    assert decide(five(WRONG, A, B), LIMIT_NS).disputed == ("n1", "n2")


@pytest.mark.parametrize("own", [(), (WRONG,)], ids=["none", "the opponents'"])
def test_a_camp_without_a_source_of_its_own_is_named(own: tuple[str, ...]) -> None:
    """One source of all five, or none of the two."""
    assert decide(five(WRONG, *own), LIMIT_NS).culprits == ("n1", "n2")


def test_a_camp_is_named_by_opponents_with_more_sources() -> None:
    """Three nodes with four servers against two with one."""
    right = [node(f"n{k}", 0, A, B, C, D) for k in (1, 2, 3)]
    found = decide(cluster(*right, node("n4", 70, WRONG), node("n5", 70, WRONG)), LIMIT_NS)
    assert found.culprits == ("n4", "n5")


def test_outliers_that_do_not_agree_are_not_a_camp() -> None:
    """Each of the two is wrong in its own way."""
    right = [node(f"n{k}", 0, A) for k in (1, 2, 3)]
    assert decide(cluster(*right, node("n4", 70, B), node("n5", -70, C)), LIMIT_NS).culprits == ("n4", "n5")


def test_a_disputed_camp_does_not_hide_another_outlier() -> None:
    """One node is far from both camps."""
    found = decide(cluster(*five(WRONG, A).values(), node("n6", 9), node("n7", 70, WRONG)), LIMIT_NS)
    assert (found.verdict, found.culprits, found.disputed) == ("named", ("n6",), ("n1", "n2"))
    assert "n6 is provably" in found.evidence
    assert "n1, n2 (source" in found.evidence


def test_only_opponents_count_for_the_sources_of_the_majority() -> None:
    """A node between the camps is proven apart from neither, and its source speaks against neither."""
    nodes = [*(node(f"n{k}", 0, A) for k in (1, 2, 3)), node("n4", 0.6, B)]
    camp = [node(f"n{k}", 1.2, C) for k in (5, 6)]
    assert decide(cluster(*nodes, *camp), SECOND).disputed == ("n5", "n6")
    nodes[3] = node("n4", 0, B)
    assert decide(cluster(*nodes, *camp), SECOND).culprits == ("n5", "n6")


def test_a_missing_node_with_a_source_of_its_own_may_stand_with_an_outlier() -> None:
    """One of the camp's two nodes reboots: the other is not named because of that."""
    nodes = five(WRONG, A, B)
    nodes["n2"] = replace(nodes["n2"], offset=None)
    found = decide(nodes, LIMIT_NS, missing={"n2"})
    assert (found.verdict, found.disputed) == ("undetermined", ("n1",))
    assert decide(nodes, LIMIT_NS).culprits == ("n1",)


# --- the admin box --------------------------------------------------------------------------------------

TWO = cluster(node("n1", 0, A), node("n2", 70, B))


def test_the_admin_box_decides_between_two_nodes_while_it_is_synchronized() -> None:
    """By whichever source: a single outlier of three machines is named."""
    found = decide(TWO, LIMIT_NS, admin=node(ADMIN_BOX, 0, C))
    assert found.culprits == ("n2",)
    assert found.evidence == (
        "n2 is provably more than 50 ms from the other node and the admin box, which are the majority."
    )
    same = decide(TWO, LIMIT_NS, admin=node(ADMIN_BOX, 0, A))
    assert same.culprits == ("n2",)
    assert same.evidence.endswith(f"All of these have one source, {A}, and would share its error.")


@pytest.mark.parametrize(
    "status",
    [
        None,
        SyncStatus("none", synchronized=False),
        replace(following(A), synchronized=None),
        replace(following(A), refid="LOCL", source="LOCAL(0)", peers=()),
        replace(following(A), last_update_s=64.0 * 9, peers=()),
        replace(following(A), offset_s=1.0),
        SyncStatus("unknown", synchronized=True),
    ],
    ids=["not asked", "no daemon", "unsaid", "island", "stale", "off by its own word", "the kernel's flag"],
)
def test_an_admin_box_that_is_not_synchronized_has_no_vote(status: SyncStatus | None) -> None:
    """Its wall clock is not trusted by itself."""
    admin = replace(node(ADMIN_BOX, 0), status=status)
    assert decide(TWO, LIMIT_NS, admin=admin).verdict == "undetermined"


def test_an_admin_box_that_is_one_of_the_nodes_has_one_vote() -> None:
    """Its kernel's boot id and its clock are those of n1."""
    nodes = cluster(node("n1", 0, A, boot_id="b1"), node("n2", 70, B))
    assert decide(nodes, LIMIT_NS, admin=node(ADMIN_BOX, 0, A, boot_id="b1")).verdict == "undetermined"


def test_an_admin_box_that_is_off_is_not_named() -> None:
    """It is not a node. With two nodes that disagree it leaves three clocks, no two of which agree."""
    admin = node(ADMIN_BOX, -70, A)
    assert decide(TWO, LIMIT_NS, admin=admin).verdict == "undetermined"
    nodes = cluster(*(node(f"n{k}", 0) for k in (1, 2, 3, 4)), node("n5", 70))
    assert decide(nodes, LIMIT_NS, admin=admin).culprits == ("n5",)
    many = cluster(*(node(f"n{k}", 0.03 * k, bound_ns=0) for k in (0, 1, 2)))
    assert decide(many, LIMIT_NS, admin=admin).evidence.startswith("2 of 3 nodes")


# --- one machine under several names --------------------------------------------------------------------


def test_two_names_of_one_machine_do_not_outvote_another() -> None:
    """``db1`` and ``db1.example.com`` are one voter, and the evidence says so."""
    twice = [node(name, -7.8, boot_id="b1") for name in ("db1", "db1.example.com")]
    found = decide(cluster(*twice, node("db2", 0, boot_id="b2")), LIMIT_NS)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence.endswith("db1, db1.example.com show one boot id and have one vote.")
    third = decide(cluster(*twice, node("db2", 0, boot_id="b2"), node("db3", 0, boot_id="b3")), LIMIT_NS)
    assert third.culprits == ("db1", "db1.example.com")


def test_two_names_of_one_machine_are_not_a_camp() -> None:
    """A source of its own does not hide one machine that is wrong."""
    twice = [node(name, 70, WRONG, boot_id="b1") for name in ("w", "w.example.com")]
    right = [node(f"n{k}", 0, A, boot_id=f"r{k}") for k in (1, 2, 3)]
    assert decide(cluster(*twice, *right), LIMIT_NS).culprits == ("w", "w.example.com")


def test_equal_boot_ids_on_clocks_that_are_apart_keep_both_votes() -> None:
    """A liar that copies the boot id of a right node takes nothing from it."""
    nodes = [node("n1", 0, boot_id="b1"), node("n2", 0, boot_id="b2"), node("liar", 70, boot_id="b1")]
    assert decide(cluster(*nodes), LIMIT_NS).culprits == ("liar",)


def test_clones_that_agree_are_not_outvoted() -> None:
    """Three clones of one memory image have one vote, but two nodes are not most of five names."""
    clones = [node(f"c{k}", 0, boot_id="same") for k in (1, 2, 3)]
    wrong = [node(f"w{k}", 70, boot_id=f"w{k}") for k in (1, 2)]
    assert decide(cluster(*clones, *wrong), LIMIT_NS).culprits == ()


# --- the last step --------------------------------------------------------------------------------------


def test_the_last_step_is_added_to_an_undetermined_vote_alone() -> None:
    """It is evidence and no verdict: the clock may have been set right."""
    step = LastStep("n2", "n1", Interval.around(70 * SECOND, 1_000), 10**15)
    base_wall_ns = 1_790_000_000 * NS_PER_S - 10**15
    found = with_last_step(decide(TWO, LIMIT_NS), step, base_wall_ns, LIMIT_NS)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence.endswith(
        "A step of n2 explains its distance to n1: it jumped forward by 70 s before 2026-09-21 14:13:20 UTC, "
        "and without that the two would agree to within 50 ms. It may have jumped to the right time."
    )
    named = decide(at(0, 0, 70), LIMIT_NS)
    assert with_last_step(named, step, base_wall_ns, LIMIT_NS) == named
    assert with_last_step(NO_CULPRIT, step, base_wall_ns, LIMIT_NS) == NO_CULPRIT

"""The clock that findings compare a node with, and the bound of a typical other node."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.culprit.decide import NO_CULPRIT, decide
from skewmon.culprit.reference import reference_clock
from skewmon.model import Interval
from skewmon.timesync.findings.evidence import NO_REFERENCE, NodeEvidence, Reference
from tests.culprit.clocks import LIMIT_NS, SECOND, at, cluster, node


@given(st.lists(st.floats(0, 16), min_size=2, max_size=20), st.data())
def test_the_typical_claim_is_the_median_of_the_others(claims_s: list[float], data: st.DataObject) -> None:
    """Of all claims but a node's own, each counted."""
    own = data.draw(st.integers(0, len(claims_s) - 1))
    others = [*claims_s[:own], *claims_s[own + 1 :]]
    assert Reference(None, claims_s=tuple(sorted(claims_s))).typical_claim_s(claims_s[own]) == median(others)


def test_a_claim_alone_is_not_typical() -> None:
    """The only claim, or none."""
    assert Reference(None, claims_s=(0.5,)).typical_claim_s(0.5) is None
    assert NO_REFERENCE.typical_claim_s(0.5) is None


def test_culprits_do_not_move_the_reference() -> None:
    """The median is that of the other nodes."""
    nodes = at(0, 0, 70)
    found = reference_clock(nodes, decide(nodes, LIMIT_NS))
    assert found.clock == Interval.around(0, 1_000)
    assert found.culprits == {"n3"}
    distance = found.distance(nodes["n3"])
    assert distance is not None
    assert distance.estimate_ns == 70 * SECOND
    assert reference_clock(nodes, NO_CULPRIT).culprits == frozenset()


@pytest.mark.parametrize(
    "nodes",
    [
        at(0, 70),
        at(0, 0, 70, 70),
        cluster(*(node(f"n{k}", 70 * (k < 3), f"192.0.2.{1 + (k < 3)}") for k in range(1, 6))),
    ],
    ids=["two nodes", "no majority", "a disputed camp"],
)
def test_an_undetermined_vote_leaves_no_reference(nodes: dict[str, NodeEvidence]) -> None:
    """No node can be called off."""
    found = decide(nodes, LIMIT_NS)
    assert found.verdict == "undetermined"
    assert reference_clock(nodes, found) == NO_REFERENCE


def test_two_nodes_have_no_median() -> None:
    """It would lie between them."""
    nodes = at(0, 0)
    assert reference_clock(nodes, NO_CULPRIT) == NO_REFERENCE


def test_a_reference_that_is_not_the_clusters_median_is_called_by_its_nodes() -> None:
    """Two names of one wrong machine are half of the names."""
    nodes = cluster(*at(0, 0).values(), *(node(name, 70, boot_id="b") for name in ("w", "w.example.com")))
    found = decide(nodes, LIMIT_NS)
    assert found.culprits == ("w", "w.example.com")
    assert reference_clock(nodes, found).name == "n1, n2"

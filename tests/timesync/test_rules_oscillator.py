"""Oscillators that are off: which one is named, the node's or the admin box's."""

from collections.abc import Sequence

import pytest

from skewmon.culprit.decide import NO_CULPRIT
from skewmon.model import FindingKind, Interval, SyncStatus
from skewmon.timesync.findings.derive import NO_REFERENCE, base_rate_ppb, cluster_findings, node_findings
from skewmon.timesync.findings.evidence import NodeEvidence

HELD = SyncStatus("chronyd", synchronized=True)


def node(
    name: str, ppm: float, *, wall_ppm: float | None = None, half_ppm: float = 5, held: bool = False
) -> NodeEvidence:
    """Return a node whose oscillator, and whose wall clock, run at such a rate against the admin box's."""
    half_ppb = round(half_ppm * 1000)
    wall = None if wall_ppm is None else Interval.around(round(wall_ppm * 1000), half_ppb)
    rate = Interval.around(round(ppm * 1000), half_ppb)
    return NodeEvidence(name, HELD if held else None, rate_ppb=rate, wall_rate_ppb=wall)


def named(nodes: Sequence[NodeEvidence]) -> list[str]:
    """Return the nodes whose oscillator is named, and ``admin`` for the admin box's."""
    base_ppb = base_rate_ppb(nodes)
    cluster = {one.name: one for one in nodes}
    found = cluster_findings(cluster, NO_CULPRIT, None, base_ppb)
    off = ["admin" for one in found if one.kind is FindingKind.OSCILLATOR_OFF]
    for one in nodes:
        findings = node_findings(one, NO_REFERENCE, (), base_ppb)
        off += [one.name for finding in findings if finding.kind is FindingKind.OSCILLATOR_OFF]
    return off


@pytest.mark.parametrize(
    ("ppm", "half_ppm", "off"),
    [(300, 5, True), (-150, 45, True), (100, 0, False), (97, 5, False), (-150, 60, False), (0, 5, False)],
)
def test_an_oscillator_is_named_only_if_its_rate_is_proven(ppm: float, half_ppm: float, off: bool) -> None:
    """Both ends of the rate must lie beyond 100 ppm."""
    assert named([node("n1", ppm, half_ppm=half_ppm), node("n2", 3), node("n3", -12)]) == ["n1"] * off


def test_a_node_without_a_known_rate_has_no_finding() -> None:
    """Before the second round, or if its RAW cannot be read."""
    assert named([NodeEvidence("n1"), NodeEvidence("n2")]) == []
    assert named([]) == []


def test_nodes_that_all_run_off_by_one_rate_have_a_bad_base_in_common() -> None:
    """The admin box is named, and no node; one that is off on its own account is named beside it."""
    same = [node(f"n{number}", 290 + number, wall_ppm=292) for number in range(4)]
    assert named(same) == ["admin"]
    assert named([*same, node("n9", 700, wall_ppm=292)]) == ["admin", "n9"]
    assert named([*same, node("n9", 0, wall_ppm=292)]) == ["admin", "n9"]


def test_nodes_whose_daemons_correct_one_rate_are_off_themselves() -> None:
    """Virtual machines of one host share a calibration: their wall clocks do not run away from the base."""
    assert named([node(f"n{number}", 300, wall_ppm=0) for number in range(3)]) == ["n0", "n1", "n2"]


def test_different_rates_are_not_the_bases() -> None:
    """Two of three are off, each by another rate."""
    assert named([node("n1", 300), node("n2", 700), node("n3", 0)]) == ["n1", "n2"]


def test_one_node_alone_is_believed_against_the_base_only_if_a_daemon_holds_its_clock() -> None:
    """A free node that is 300 ppm off the base may be the bad one."""
    assert named([node("n1", 300)]) == ["n1"]
    assert named([node("n1", 300, wall_ppm=300)]) == ["n1"]
    assert named([node("n1", 300, wall_ppm=300, held=True)]) == ["admin"]
    assert named([node("n1", 300, wall_ppm=1, held=True)]) == ["n1"]


def test_findings_have_the_rate_and_the_next_command() -> None:
    """Rounded outwards, with the side, and a command for the machine that is named."""
    (found,) = node_findings(node("n1", -303.2, half_ppm=2.3), NO_REFERENCE, ())
    assert found.message.startswith("The oscillator of n1 runs 300 to 306 ppm slow against the admin box's: ")
    assert found.severity == "warning"
    assert str(found.next).startswith("ssh n1 'cat /sys/")
    slow = [node(f"n{number}", 300, wall_ppm=300) for number in range(3)]
    cluster = {one.name: one for one in slow}
    (found,) = cluster_findings(cluster, NO_CULPRIT, None, base_rate_ppb(slow))
    assert found.message.startswith("The oscillator of the admin box runs 295 to 305 ppm slow against ")
    assert str(found.next).startswith("cat /sys/")

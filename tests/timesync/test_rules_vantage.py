"""Findings about vantages: each has its evidence, and none is made while a relay is being started."""

import pytest

from skewmon.errors import Failed, Reason
from skewmon.model import FindingKind
from skewmon.timesync.findings.derive import NO_REFERENCE, node_findings
from skewmon.timesync.findings.evidence import NodeEvidence, VantageEvidence

NO_PROGRAM = Failed(Reason.NO_PROGRAM, "It has neither python3 nor perl.", "Install one.")


@pytest.mark.parametrize(
    ("seen", "kind", "words"),
    [
        (
            VantageEvidence("bastion.eu", contradicts=True),
            "vantage-contradiction",
            "stamps of bastion.eu for n1",
        ),
        (VantageEvidence("bastion.eu", failed=NO_PROGRAM), "vantage-unavailable", "neither python3 nor perl"),
        (VantageEvidence("bastion.eu", failed=Failed(Reason.CONNECTING, "It is being started.")), "", ""),
        (None, "", ""),
    ],
    ids=["contradiction", "no program", "starting", "direct"],
)
def test_a_vantage_that_is_not_used_is_a_finding(seen: VantageEvidence | None, kind: str, words: str) -> None:
    """With the reason, and the command that shows more."""
    found = node_findings(NodeEvidence("n1", vantage=seen), NO_REFERENCE, ())
    assert [one.kind for one in found] == ([FindingKind(kind)] if kind else [])
    for one in found:
        assert words in one.message
        assert one.next == "skewmon probe n1 -v"

"""UTC in the verdict's sentence and in the Nagios line."""

from dataclasses import replace

import pytest

from skewmon.cli.outputs import nagios
from skewmon.culprit.against_utc import UtcLine
from skewmon.culprit.decide import decide
from skewmon.export.status import cluster_status, status
from skewmon.model import ClusterView, Snapshot, Utc, UtcReason, UtcState, Verdict
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.alert.test_conditions_utc import CONFIRMED, off
from tests.alert.views import MS, WALL_NS, S
from tests.export.pages import overview


def judged(seen: ClusterView, verdict: Verdict, limit_ns: int | None = None) -> ClusterView:
    """Return a cluster after its decision by UTC."""
    evidence = {
        one.name: NodeEvidence(one.name, offset=one.offset, utc_offset=one.utc_offset) for one in seen.nodes
    }
    return replace(seen, verdict=verdict, vote=decide(evidence, limit_ns, utc=UtcLine(50 * MS, 3)))


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (
            judged(off(a=200 * MS, b=200 * MS, c=200 * MS), Verdict.CRITICAL),
            (
                "The 3 clocks measured agree to within 2 ms, below the line of 1 s. "
                "All of them are at least 199 ms ahead of UTC."
            ),
        ),
        (
            judged(off(a=0, b=0, c=-200 * MS), Verdict.CRITICAL),
            (
                "The 3 clocks measured agree to within 202 ms, below the line of 1 s. "
                "c is at least 199 ms behind UTC."
            ),
        ),
        (
            judged(off(a=0, b=70 * S), Verdict.CRITICAL, S),
            (
                "The clocks are at least 69.99 s apart: b is ahead of a. "
                "b is provably at least 69.99 s ahead of UTC, by 3 independent references that agree."
            ),
        ),
        (
            off(a=0, b=0),
            "The 2 clocks measured agree to within 2 ms, below the line of 1 s. They are within 1 ms of UTC.",
        ),
        (
            off(bound_ns=30 * MS, a=40 * MS, b=40 * MS),
            (
                "The 2 clocks measured agree to within 60 ms, below the line of 1 s. They are up to 70 ms "
                "from UTC as far as is known, and the critical line of 50 ms cannot be proven."
            ),
        ),
        (
            off(replace(CONFIRMED, state=UtcState.UNCONFIRMED), a=0, b=0),
            (
                "The 2 clocks measured agree to within 2 ms, below the line of 1 s. "
                "The line of 50 ms to UTC cannot be judged: the references do not confirm UTC."
            ),
        ),
        (
            off(Utc(), a=0, b=0),
            (
                "The 2 clocks measured agree to within 2 ms, below the line of 1 s. "
                "The line of 50 ms to UTC is not judged: no references are configured."
            ),
        ),
        (
            off(),
            (
                "Fewer than two nodes were measured, so no skew is known. "
                "The line of 50 ms to UTC cannot be judged: no clock's offset to UTC is known."
            ),
        ),
    ],
    ids=["together", "one", "apart", "right", "unclear", "unconfirmed", "no references", "no clock"],
)
def test_the_verdict_says_how_far_the_clocks_are_from_utc(seen: ClusterView, sentence: str) -> None:
    """After what it says of the distance between them."""
    assert cluster_status(seen)["message"] == sentence


def test_the_nagios_line_has_the_distance_to_utc(capsys: pytest.CaptureFixture[str]) -> None:
    """Proven, with the line as the limit; nothing while UTC is not confirmed."""
    seen = judged(off(a=200 * MS, b=200 * MS), Verdict.CRITICAL)
    nagios(status(Snapshot(WALL_NS, (seen,))))
    line = capsys.readouterr().out
    assert line.startswith("SKEW CRITICAL: prod 0 ns..2 ms, 2/2 nodes, 199 ms off UTC, wrong: a,b | ")
    assert "'prod_utc_proven'=0.199000000s;;0.05;0 'prod_utc_upper'=0.201000000s;;0.05;0" in line
    nagios(status(Snapshot(WALL_NS, (replace(seen, utc=Utc()),))))
    assert "utc" not in capsys.readouterr().out
    unsure = replace(CONFIRMED, state=UtcState.UNCONFIRMED, reason=UtcReason.FEW_REFERENCES)
    nagios(status(Snapshot(WALL_NS, (replace(off(unsure, a=0, b=0), verdict=Verdict.UNKNOWN),))))
    assert ", 2/2 nodes, UTC not confirmed (few-references) | " in capsys.readouterr().out


def test_the_page_has_the_distance_to_utc_with_the_line() -> None:
    """Beside the state; unconfirmed UTC has no distance."""
    seen = judged(off(a=200 * MS, b=200 * MS), Verdict.CRITICAL)
    shown = overview(status(Snapshot(WALL_NS, (seen,))))
    assert "confirmed, clocks at least 199 ms and at most 201 ms off; line 50 ms critical" in shown
    unsure = replace(seen, utc=replace(CONFIRMED, state=UtcState.UNCONFIRMED, reason="few-references"))
    assert "<dd>unconfirmed</dd>" in overview(status(Snapshot(WALL_NS, (unsure,))))

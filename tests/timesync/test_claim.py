"""How fresh a daemon's claim is, and which error bound it makes."""

from dataclasses import replace

import pytest

from skewmon.model import Peer, SyncStatus
from skewmon.timesync.claim import STALE_POLLS, is_stale
from skewmon.timesync.findings.evidence import UNSAID_BOUND_S, claimed_bound_s

HELD = SyncStatus(
    "chronyd",
    synchronized=True,
    stratum=3,
    source="192.0.2.1",
    refid="192.0.2.1",
    offset_s=-0.002,
    root_distance_s=0.005,
    last_update_s=30.0,
    poll_s=64.0,
)

#: Seconds after which a daemon that polls every 64 s is stale.
SILENT_S = STALE_POLLS * 64.0


def test_the_claimed_bound_includes_the_offset() -> None:
    """|offset| + root delay / 2 + root dispersion."""
    assert claimed_bound_s(HELD) == 0.007


def test_a_daemon_without_a_bound_has_the_one_that_no_synchronized_clock_exceeds() -> None:
    """OpenNTPD and timesyncd print none."""
    assert claimed_bound_s(replace(HELD, offset_s=None, root_distance_s=None)) == UNSAID_BOUND_S


@pytest.mark.parametrize(("last_s", "stale"), [(SILENT_S, False), (SILENT_S + 1, True)])
def test_a_daemon_that_missed_too_many_polls_is_stale(last_s: float, stale: bool) -> None:
    """It repeats a claim that it can no longer check."""
    assert is_stale(replace(HELD, last_update_s=last_s)) is stale


def test_a_source_that_answers_keeps_an_old_update_fresh() -> None:
    """It is what ntpd does: it may use an older sample of a source that it hears."""
    alive = Peer("192.0.2.1", "system", last_heard_s=5.0)
    assert not is_stale(replace(HELD, last_update_s=9_000.0, peers=(alive,)))

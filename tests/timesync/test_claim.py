"""What a daemon's word is worth as testimony of true time."""

from dataclasses import replace

import pytest

from skewmon.model import Peer, SyncStatus
from skewmon.timesync.claim import STALE_POLLS, Claim, claim_of
from skewmon.timesync.evidence import UNSAID_BOUND_S

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


def test_a_claim_is_the_upstream_and_the_bound_with_the_offset() -> None:
    """|offset| + root delay / 2 + root dispersion."""
    assert claim_of(HELD, "n1") == Claim("192.0.2.1", 0.007)


def test_a_daemon_without_a_bound_has_the_one_that_no_held_clock_exceeds() -> None:
    """OpenNTPD and timesyncd state none."""
    assert claim_of(replace(HELD, offset_s=None, root_distance_s=None), "n1") == Claim(
        "192.0.2.1", UNSAID_BOUND_S
    )


@pytest.mark.parametrize(
    "status",
    [
        None,
        replace(HELD, synchronized=False),
        replace(HELD, synchronized=None),
        replace(HELD, refid="LOCL", source="LOCAL(0)"),
        replace(HELD, last_update_s=STALE_POLLS * 64.0 + 1),
        replace(HELD, root_distance_s=16.0),
        replace(HELD, root_distance_s=1e305),
    ],
    ids=["not asked", "unsynchronized", "unsaid", "island", "stale", "unbounded", "nonsense"],
)
def test_who_does_not_know_the_time_claims_nothing(status: SyncStatus | None) -> None:
    """Nor does one that only knows its own oscillator, or what it once heard."""
    assert claim_of(status, "n1") is None


def test_a_source_that_is_alive_keeps_an_old_update_fresh() -> None:
    """What ntpd does: it may use an older sample of a source that it hears."""
    alive = Peer("192.0.2.1", "system", last_heard_s=5.0)
    assert claim_of(replace(HELD, last_update_s=9_000.0, peers=(alive,)), "n1") is not None

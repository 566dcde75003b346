"""Who is wrong: measured offsets, claims, the admin box and who moved, put together."""

from skewmon.clock.steps import Kind, Movement
from skewmon.jury import Bystander, Jury
from skewmon.ledger import Record
from skewmon.model import NS_PER_S, Interval, Pair, SyncStatus
from tests.timesync.test_claim import HELD

LIMIT_NS = NS_PER_S // 20
AT_NS, AT_WALL_NS = 10**15, 1_790_000_000 * NS_PER_S

OFFSETS = {"n1": Interval.around(0, 1_000), "n2": Interval.around(70 * NS_PER_S, 1_000)}
WORST = Pair("n2", "n1", OFFSETS["n2"] - OFFSETS["n1"])


def followers(**servers: str) -> dict[str, Record]:
    """Return the records of n1 and n2, of which these follow a server."""
    return {name: Record(timesync=held(servers[name]) if name in servers else None) for name in ("n1", "n2")}


def held(server: str) -> SyncStatus:
    """Return the status of a clock that a server holds."""
    return SyncStatus(HELD.daemon, synchronized=True, source=server, refid=server, root_distance_s=0.005)


def jury(records: dict[str, Record], bystander: Bystander | None = None) -> Jury:
    """Return the jury of two nodes 70 s apart."""
    return Jury(OFFSETS, records, bystander, AT_NS, AT_WALL_NS)


def test_the_admin_box_breaks_a_tie_where_a_source_of_its_own_holds_its_clock() -> None:
    """Two clocks from two sources agree; the third is wrong."""
    admin = Bystander(Interval.around(NS_PER_S // 1_000, 500), held("192.0.2.9"))
    found = jury(followers(n1="192.0.2.1"), admin).verdict(LIMIT_NS, WORST)
    assert (found.verdict, found.culprits) == ("named", ("n2",))
    assert "n1 by 192.0.2.1, the admin box by 192.0.2.9" in found.evidence


def test_an_admin_box_that_nobody_holds_is_no_witness() -> None:
    """Its wall clock is never trusted for itself."""
    for status in (None, SyncStatus("none", synchronized=False)):
        admin = Bystander(Interval.around(0, 500), status)
        assert jury(followers(n1="192.0.2.1"), admin).verdict(LIMIT_NS, WORST).verdict == "undetermined"


def test_who_moved_is_told_and_not_called_wrong() -> None:
    """It may have jumped to the right time."""
    records = followers()
    step = Movement(Kind.STEP, AT_NS - 30 * NS_PER_S, AT_NS - 20 * NS_PER_S, WORST.offset)
    records["n2"].recent = ((AT_NS - 15 * NS_PER_S, step),)
    found = jury(records).verdict(LIMIT_NS, WORST)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence.endswith(
        "It was n2 that moved: it jumped forward by 70 s before 2026-09-21 14:13:00 UTC, "
        "and without that the two would agree to within 50 ms. It may have jumped to the right time."
    )


def test_a_slew_or_a_sleep_is_no_jump() -> None:
    """Only what set the clock counts."""
    records = followers()
    records["n2"].recent = ((AT_NS, Movement(Kind.SUSPEND, 0, AT_NS, WORST.offset)),)
    assert "moved" not in jury(records).verdict(LIMIT_NS, WORST).evidence

"""Rounds are folded into minutes: extremes, counts, and the time that two rounds in a row prove."""

import time
from dataclasses import replace
from functools import reduce

from skewmon.cli.reporting.pictures import spark
from skewmon.export.status import encode, status
from skewmon.journal.record.figures import ClusterFigures, JournalEvents
from skewmon.journal.record.sums import SpanSums
from skewmon.journal.record.tally import Tally, period
from skewmon.model import (
    Interval,
    ReferenceView,
    Snapshot,
    Threshold,
    ThresholdKind,
    UtcState,
    Verdict,
    Vote,
)
from skewmon.model.record import VERDICTS, ClusterRow, EndRange, Line, LineTime, Period, stepped
from tests.export.samples import thousand
from tests.journal.rounds import CRITICAL, HOUR_S, MS, REFERENCES, WARNING, a_round, offsets

WARNING_LINE = Line("skew", "warning", WARNING.limit_ns)
CRITICAL_LINE = Line("skew", "critical", CRITICAL.limit_ns)


def _minutes(*views: object) -> list[Period]:
    tally = Tally()
    for view in views:
        tally.add(view, "digest")  # type: ignore[arg-type]  # views
    return [period(start_s, minute) for start_s, minute in tally.take(None)]


def _whole(*views: object) -> ClusterRow:
    minutes = _minutes(*views)
    return reduce(Period.folded, minutes[1:], minutes[0]).clusters["prod"]


def _figures(minutes: list[Period], length_s: int) -> ClusterFigures:
    sums = SpanSums(HOUR_S, HOUR_S + length_s)
    for minute in minutes:
        sums.add(minute)
    (found,) = sums.figures(JournalEvents(), {})
    return found


def _time(row: ClusterRow, verdict: Verdict) -> int:
    return row.verdict_ms[VERDICTS.index(verdict)]


def test_a_minute_has_the_extremes_of_both_ends() -> None:
    """Of every node and of the skew; what happened between the extremes is lost, they are not."""
    row = _whole(
        a_round(0, offsets(10, a=0, b=100)),
        a_round(15, offsets(30, a=0, b=-50)),
        a_round(30, offsets(5, a=0, b=7)),
    )
    assert row.nodes["b"].offset == EndRange(-80, 90, -20, 110)
    assert row.nodes["b"].offset.hull == Interval(-80, 110)
    assert row.nodes["b"].offset.proven_ns == 90
    assert row.nodes["b"].offset.furthest_ns == 110
    assert row.skew == EndRange(0, 80, 17, 120)
    assert (row.rounds, row.nodes["a"].measured, row.configs) == (3, 3, ("digest",))


def test_time_beyond_a_line_is_proven_by_two_rounds() -> None:
    """Between a round beyond and a round within nothing is proven: that time is open."""
    near, far = offsets(a=0, b=0), offsets(a=0, b=200 * MS)
    row = _whole(*(a_round(15 * number, one) for number, one in enumerate([near, far, far, far, near, near])))
    assert row.lines == {WARNING_LINE: LineTime(30_000, 30_000)}
    assert row.nodes["b"].lines == {WARNING_LINE: LineTime(30_000, 30_000)}
    assert row.nodes["a"].lines == {}
    assert row.nodes["b"].measured_ms == 75_000
    assert (_time(row, Verdict.OK), _time(row, Verdict.WARNING)) == (30_000, 45_000)


def test_rounds_further_apart_than_a_minute_are_one_excess() -> None:
    """Its window is as long as the time that was proven in it, and contains it."""
    far = offsets(a=0, b=200 * MS)
    minutes = _minutes(*(a_round(300 * number, far, interval_s=300) for number in range(5)))
    (node,) = (one for one in _figures(minutes, 1_260).nodes if one.name == "b")
    (excess,) = node.excesses
    assert excess.at_least_ms == 1_200_000
    assert (excess.since_s, excess.until_s) == (HOUR_S, HOUR_S + 1_260)


def test_the_picture_of_a_long_span_is_no_larger_than_it_can_be_seen() -> None:
    """Neighbors become one band that has the extremes of both, as in a year of hours."""
    minutes = _minutes(
        *(a_round(60 * number, offsets(a=0, b=number * MS), interval_s=60) for number in range(420))
    )
    (_, node) = _figures(minutes, 25_200).nodes
    drawn = spark(node, [], (HOUR_S, HOUR_S + 25_200))
    assert drawn is not None
    assert 200 < drawn.count("<rect") < 260
    assert len(drawn) < 30_000


def test_an_ambiguous_round_leaves_the_time_open() -> None:
    """The line lies within the bounds."""
    wide = offsets(30 * MS, a=0, b=40 * MS)
    row = _whole(a_round(0, wide), a_round(15, wide))
    assert row.lines == {WARNING_LINE: LineTime(0, 15_000)}
    assert _time(row, Verdict.AMBIGUOUS) == 15_000


def test_rounds_far_apart_say_nothing_about_the_time_between() -> None:
    """Neither a verdict nor a line gets it."""
    far = offsets(a=0, b=200 * MS)
    row = _whole(a_round(0, far), a_round(3600, far))
    assert row.observed_ms == 0
    assert row.lines == row.nodes["b"].lines == {}
    assert row.nodes["b"].measured_ms == row.nodes["b"].missed_ms == 0


def test_a_node_that_is_not_measured_proves_nothing() -> None:
    """Its time is missed, and a line of the cluster is open without it, unless the others pass the line."""
    seen, gone = offsets(a=0, b=0, c=0), {**offsets(a=0, b=0), "c": None}
    row = _whole(a_round(0, seen), a_round(15, gone), a_round(30, gone))
    assert (row.nodes["c"].measured, row.nodes["c"].missed, row.nodes["c"].missed_ms) == (1, 2, 30_000)
    assert row.nodes["c"].lines == {}
    assert row.lines == {WARNING_LINE: LineTime(0, 30_000), CRITICAL_LINE: LineTime(0, 30_000)}
    beyond = {**offsets(a=0, b=2_000 * MS), "c": None}
    assert _whole(a_round(0, beyond), a_round(15, beyond)).lines[CRITICAL_LINE] == LineTime(15_000, 0)


def test_lines_on_nodes_count_for_node_and_cluster() -> None:
    """One node ahead puts its cluster beyond the line."""
    lines = (Threshold("warning", 10 * MS, ThresholdKind.AHEAD),)
    rounds = [a_round(at_s, offsets(a=-20 * MS, b=0, c=20 * MS), lines=lines) for at_s in (0, 15)]
    row = _whole(*rounds)
    ahead = Line("ahead", "warning", 10 * MS)
    assert row.lines == {ahead: LineTime(15_000, 0)}
    assert {name: node.lines for name, node in row.nodes.items() if node.lines} == {
        "c": {ahead: LineTime(15_000, 0)}
    }


def test_offsets_to_confirmed_utc_have_extremes_of_their_own() -> None:
    """Beside those to the cluster's reference; what is not confirmed proves nothing."""
    utc = {"a": Interval(5, 9)}
    row = _whole(a_round(0, offsets(a=0, b=0), utc=utc), a_round(15, offsets(a=0, b=0), utc=utc))
    assert row.nodes["a"].utc == EndRange(5, 5, 9, 9)
    assert row.nodes["b"].utc is None
    assert (row.confirmed_ms, row.references) == (15_000, ("ntp1",))
    row = _whole(a_round(0, offsets(a=0, b=0), utc=utc, state=UtcState.UNCONFIRMED))
    assert row.nodes["a"].utc is None


def test_a_falseticker_is_marked_among_the_references() -> None:
    """The name alone is that of a server that answered."""
    before, during = (a_round(at_s, offsets(a=0, b=0), utc={"a": Interval(5, 9)}) for at_s in (0, 15))
    liar = ReferenceView("ntp2", success=True, falseticker=True)
    during = replace(during, utc=replace(during.utc, references=(*REFERENCES[:1], liar)))
    row = _whole(before, during)
    assert row.references == ("ntp1", "ntp2 (falseticker)")
    assert (row.answered, row.falsetickers) == (["ntp1", "ntp2"], ["ntp2"])


def test_culprits_are_counted_by_round() -> None:
    """Each round that names a node counts."""
    vote = Vote("named", ("b",), "evidence")
    row = _whole(a_round(0, offsets(a=0, b=0)), a_round(15, offsets(a=0, b=0), vote=vote))
    assert (row.nodes["a"].named, row.nodes["b"].named) == (0, 1)


def test_other_lines_are_other_lines() -> None:
    """Between two configurations nothing is proven, and each line keeps its own time."""
    far, strict = offsets(a=0, b=200 * MS), (Threshold("warning", 10 * MS),)
    row = _whole(a_round(0, far), a_round(15, far, lines=strict), a_round(30, far, lines=strict))
    assert row.lines == {Line("skew", "warning", 10 * MS): LineTime(15_000, 15_000)}


def test_minutes_fold_into_the_same_hour_as_their_rounds() -> None:
    """In any grouping."""
    views = [a_round(at_s, offsets(at_s + 1, a=0, b=at_s * MS)) for at_s in range(0, 900, 15)]
    minutes = _minutes(*views)
    assert [one.start_s for one in minutes] == list(range(HOUR_S, HOUR_S + 900, 60))
    (hour,) = stepped(minutes, 3_600)
    (again,) = stepped(stepped(minutes, 300), 3_600)
    assert hour == again
    assert hour.clusters["prod"].rounds == 60
    assert hour.clusters["prod"].nodes["b"].offset == EndRange(-1, 885 * MS - 886, 1, 885 * MS + 886)


def test_adding_a_round_costs_less_than_encoding_it() -> None:
    """At 1,000 nodes, on the event loop; compared in one run, since the tests share the machine."""
    view, tally = thousand().clusters[0], Tally()
    adding, encoding = [], []
    for number in range(12):
        moved = replace(view, at_ns=view.at_ns + number * 15_000_000_000)
        began = time.thread_time()
        tally.add(moved, "digest")
        adding.append(time.thread_time() - began)
        began = time.thread_time()
        encode(status(Snapshot(view.at_wall_ns, (moved,))))
        encoding.append(time.thread_time() - began)
    print(f"adding a round of 1,000 nodes: {min(adding[1:]) * 1e3:.1f} ms of processor time")
    assert min(adding[1:]) < 0.5 * min(encoding)


def test_the_running_minute_stays() -> None:
    """All others are taken, also those that a clock stepping back left in the future."""
    tally = Tally()
    for at_s in (7_200, 0, 60):
        tally.add(a_round(at_s, offsets(a=0, b=0)), "")
    assert [start_s - HOUR_S for start_s, _ in tally.take(HOUR_S + 60)] == [7_200, 0]
    assert [start_s - HOUR_S for start_s, _ in tally.take(None)] == [60]

"""Since when a clock is wrong, and the order of clocks in the matrix."""

from dataclasses import replace

from skewmon.export.page.camps import camps, natural
from skewmon.export.page.matrix import matrix
from skewmon.export.page.past import JournalDay
from skewmon.export.page.recent import SPAN_S, STEP_S, Recent, RecentStep
from skewmon.export.page.since import beyond_since, wrong_since
from skewmon.export.pairs import measured_offsets
from skewmon.export.status import status
from skewmon.model import AxisOffset, Interval
from skewmon.model.record import EndRange
from tests.export import samples

(ONE,) = status(samples.jumped())["clusters"]

#: The end of a step, 12:39 of the samples.
NOW_S = samples.WALL_NS // 1_000_000_000 // STEP_S * STEP_S + STEP_S - 1

BEYOND = RecentStep(EndRange.of(Interval.around(samples.JUMP_NS, samples.US)), 0)
BELOW = RecentStep(EndRange.of(Interval.around(0, samples.US)), 0)
MISSED = RecentStep(None, 3)


def recent(*steps: RecentStep) -> Recent:
    """Return the last steps of the wrong clock."""
    begin_s = NOW_S // STEP_S * STEP_S - (len(steps) - 1) * STEP_S
    return Recent(
        NOW_S, {begin_s + number * STEP_S: {samples.JUMPED: step} for number, step in enumerate(steps)}
    )


def culprits(time: str, *names: str) -> dict[str, object]:
    """Return an event that names culprits."""
    return {"kind": "culprits", "cluster": "etcd-prod", "time": time, "detail": {"culprits": list(names)}}


def test_a_culprit_is_wrong_since_it_was_first_named_without_a_break() -> None:
    """A later event that names it again does not count, one that clears it does."""
    events = (
        culprits("2026-11-22T12:30:00Z", samples.JUMPED, "etcd1"),
        culprits("2026-11-22T12:20:00Z", samples.JUMPED),
        culprits("2026-11-22T12:10:00Z"),
        culprits("2026-11-22T12:00:00Z", samples.JUMPED),
    )
    assert wrong_since(JournalDay(events), ONE) == {samples.JUMPED: "wrong since 12:20 UTC, for 19 min"}
    assert wrong_since(JournalDay(events[-2:-1]), ONE) == {samples.JUMPED: "wrong for more than a day"}
    assert wrong_since(JournalDay(), ONE) == {samples.JUMPED: ""}
    damaged = {**events[0], "detail": {"culprits": 3}}
    assert wrong_since(JournalDay((damaged,)), ONE) == {samples.JUMPED: "wrong for more than a day"}


def test_without_a_culprit_the_record_has_since_when_a_line_is_passed() -> None:
    """A missed step does not end it; a step that was below the line does."""
    begun = f"beyond a line since {12}:{36 - 3:02} UTC"
    assert beyond_since(recent(BELOW, BEYOND, MISSED, BEYOND), ONE) == {samples.JUMPED: begun}
    assert beyond_since(recent(BEYOND, MISSED, BEYOND), ONE) == {samples.JUMPED: f"{begun} or earlier"}
    assert beyond_since(Recent(), ONE) == {}


def test_the_steps_of_a_node_cover_three_hours() -> None:
    """The newest last; a step without a round has none."""
    steps = recent(BEYOND, BELOW).of(samples.JUMPED)
    assert len(steps) == SPAN_S // STEP_S
    assert steps[-2:] == [BEYOND, BELOW]
    assert set(steps[:-2]) == {None}


def test_clocks_that_agree_stand_together() -> None:
    """Camps from behind to ahead; within one by name, and those with wide bounds last."""
    nodes = (
        samples.node("n10"),
        samples.node("far", samples.JUMP_NS),
        samples.node("n9", 3 * samples.US),
        samples.node("wide", 0, 60 * samples.MS),
        samples.node("behind", -samples.JUMP_NS),
    )
    view = samples.cluster_view(nodes)
    (one,) = status(samples.snapshot(view))["clusters"]
    assert [[node["name"] for node, _ in camp] for camp in camps(one, measured_offsets(view))] == [
        ["behind"],
        ["n9", "n10", "wide"],
        ["far"],
    ]
    assert sorted(["n10", "n9", "a", "10", "n9b"], key=natural) == ["a", "n9", "n9b", "n10", "10"]


def test_pairs_of_one_axis_are_as_narrow_as_there() -> None:
    """The matrix subtracts on the axis that two clocks share, as the API does."""
    own = Interval.around(0, 70 * samples.US)
    wide = AxisOffset(-40 * samples.MS, 40 * samples.MS, "b", own, Interval.around(0, 40 * samples.MS))
    nodes = tuple(replace(samples.node(name), offset=wide) for name in ("n1", "n2", "n3"))
    view = samples.cluster_view(nodes)
    (one,) = status(samples.snapshot(view))["clusters"]
    assert {pair["verdict"] for pair in one["pairs"]} == {"ok"}
    drawn = matrix(one, measured_offsets(view), "c0").partition('<ul class="legend"')[0]
    assert 'class="ok tint0"' in drawn
    assert 'class="ambiguous"' not in drawn

"""Scenarios of the alert machine, as an operator meets them."""

import pytest

from skewmon.alert.alerts import Cause, ConditionSample, ConditionState, Observation, Texts
from skewmon.alert.machine import PENDING_FORGOTTEN_AFTER_NS, Phase, State, step, withdraw
from skewmon.model import NS_PER_S, Threshold
from tests.alert.samples import INTERVAL_S, LINE, Timeline, firing, key, restarted, seen

PROVEN, SHARED, CLEAR = ConditionState.PROVEN, ConditionState.SHARED, ConditionState.CLEAR
AMBIGUOUS, UNKNOWN = ConditionState.AMBIGUOUS, ConditionState.UNKNOWN

FOREVER = 100


def test_a_culprit_fires_after_the_lines_patience_and_ends_after_its_quiet() -> None:
    """The simplest case: three rounds to fire, three rounds of health to end."""
    timeline = Timeline()
    assert timeline.rounds(2, SHARED, a=PROVEN) == []
    assert timeline.rounds(1, SHARED, a=PROVEN) == [(30, "firing", "a", Cause.PROVEN_FOR)]
    assert timeline.rounds(FOREVER, SHARED, a=PROVEN) == []
    assert timeline.rounds(2, CLEAR, a=CLEAR) == []
    assert timeline.rounds(1, CLEAR, a=CLEAR) == [(1575, "ended", "a", Cause.CLEAR_FOR)]
    assert timeline.firing == []


def test_without_patience_the_first_proof_fires() -> None:
    """``for: 0s`` means at once, and ``clear_for: 0s`` means with the first healthy round."""
    timeline = Timeline(Threshold("critical", 1, "skew"))
    assert timeline.rounds(1, SHARED, a=PROVEN) == [(0, "firing", "a", Cause.PROVEN_FOR)]
    assert timeline.rounds(1, CLEAR, a=CLEAR) == [(15, "ended", "a", Cause.CLEAR_FOR)]


@pytest.mark.parametrize("condition", [AMBIGUOUS, UNKNOWN, CLEAR])
def test_nothing_fires_without_proof(condition: ConditionState) -> None:
    """Slow links and dead nodes raise no alert about skew."""
    timeline = Timeline()
    assert timeline.rounds(FOREVER, condition, a=condition) == []


@pytest.mark.parametrize("condition", [AMBIGUOUS, UNKNOWN])
def test_an_alert_holds_through_doubt_and_silence(condition: ConditionState) -> None:
    """A node that was 70 s off and fell silent is not healthy."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN)
    assert timeline.rounds(FOREVER, condition, a=condition) == []
    assert timeline.firing == ["a"]


def test_doubt_pauses_the_count_and_health_resets_it() -> None:
    """Proof counts only between two proofs in a row."""
    timeline = Timeline()
    assert timeline.rounds(2, SHARED, a=PROVEN) == []  # 15 s proven
    assert timeline.rounds(5, AMBIGUOUS, a=AMBIGUOUS) == []
    assert timeline.rounds(1, SHARED, a=PROVEN) == []  # still 15 s
    assert timeline.rounds(1, CLEAR, a=CLEAR) == []  # none
    assert timeline.rounds(2, SHARED, a=PROVEN) == []
    assert [change[1:3] for change in timeline.rounds(1, SHARED, a=PROVEN)] == [("firing", "a")]


def test_doubt_resets_the_quiet_and_silence_pauses_it() -> None:
    """An end is proven, too: silence in between neither counts nor undoes."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN)
    assert timeline.rounds(2, CLEAR, a=CLEAR) == []  # 15 s clear
    assert timeline.rounds(5, UNKNOWN, a=UNKNOWN) == []
    assert timeline.rounds(1, CLEAR, a=CLEAR) == []  # still 15 s
    assert timeline.rounds(1, AMBIGUOUS, a=AMBIGUOUS) == []  # none
    assert timeline.rounds(2, CLEAR, a=CLEAR) == []
    assert [change[1:3] for change in timeline.rounds(1, CLEAR, a=CLEAR)] == [("ended", "a")]


def test_old_evidence_is_forgotten() -> None:
    """A proof before a long time of doubt does not count towards a new alert."""
    timeline = Timeline()
    timeline.rounds(2, SHARED, a=PROVEN)
    timeline.rounds(PENDING_FORGOTTEN_AFTER_NS // (INTERVAL_S * NS_PER_S) + 1, AMBIGUOUS, a=AMBIGUOUS)
    assert timeline.state.slots == {}


def test_two_nodes_that_disagree_raise_the_clusters_alert() -> None:
    """No node can be blamed, and the skew is still reported."""
    timeline = Timeline()
    assert timeline.rounds(3, PROVEN, a=SHARED, b=SHARED) == [(30, "firing", None, Cause.PROVEN_FOR)]


def test_a_name_that_is_found_later_takes_over_without_a_gap() -> None:
    """The third node comes back, the vote is clear: one alert ends and the other begins in the same round."""
    timeline = Timeline()
    timeline.rounds(5, PROVEN, a=SHARED, b=SHARED, c=UNKNOWN)
    assert timeline.rounds(1, SHARED, a=PROVEN, b=CLEAR, c=CLEAR) == [
        (75, "firing", "a", Cause.PROVEN_FOR),
        (75, "ended", None, Cause.SUPERSEDED),
    ]
    assert timeline.firing == ["a"]


def test_a_name_that_is_lost_again_changes_nothing() -> None:
    """The culprit's alert holds while its clock is beyond the line, also without a culprit."""
    timeline = Timeline()
    timeline.rounds(5, SHARED, a=PROVEN, b=CLEAR, c=CLEAR)
    assert timeline.rounds(FOREVER, PROVEN, a=SHARED, b=SHARED, c=UNKNOWN) == []
    assert timeline.firing == ["a"]


def test_a_second_fault_is_not_hidden_by_a_silent_culprit() -> None:
    """A fires and falls silent; b and c disagree: the cluster's alert joins in."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN, b=CLEAR, c=CLEAR)
    timeline.rounds(3, PROVEN, a=UNKNOWN, b=SHARED, c=SHARED)
    assert timeline.firing == [None, "a"]


def test_when_blame_moves_something_always_fires() -> None:
    """A is exonerated, b is to blame: from the first firing on, no round is without an alert."""
    timeline = Timeline(Threshold("critical", 1, "skew", for_s=120.0, clear_for_s=15.0))
    timeline.rounds(9, SHARED, a=PROVEN, b=CLEAR, c=CLEAR)
    assert timeline.firing == ["a"]
    for _ in range(20):
        timeline.rounds(1, SHARED, a=CLEAR, b=PROVEN, c=CLEAR)
        assert timeline.firing
    assert timeline.firing == ["b"]


def test_a_vote_that_flips_each_round_still_fires() -> None:
    """Neither a nor b is blamed twice in a row, but the skew is proven all the time."""
    timeline = Timeline()
    for _ in range(3):
        timeline.rounds(1, SHARED, a=PROVEN, b=CLEAR)
        timeline.rounds(1, SHARED, a=CLEAR, b=PROVEN)
    assert timeline.firing == [None]


def test_a_superseded_alert_that_was_clear_starts_from_zero() -> None:
    """Sights that contradict each other, as after a change of lines, leave no stale proof behind."""
    timeline = Timeline()
    timeline.rounds(3, PROVEN, a=SHARED, b=SHARED)
    timeline.rounds(1, CLEAR, a=PROVEN, b=SHARED)
    assert timeline.firing == ["a"]
    assert timeline.state.slots[key()].phase is Phase.QUIET


def test_a_node_that_is_gone_takes_its_alert_with_it() -> None:
    """Removed from the inventory: the alert ends at once, with the cause."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN, b=CLEAR)
    assert timeline.rounds(1, CLEAR, b=CLEAR) == [(45, "ended", "a", Cause.WITHDRAWN)]


def test_a_pending_alert_of_a_node_that_is_gone_is_dropped_in_silence() -> None:
    """An alert that never fired needs no end."""
    timeline = Timeline()
    timeline.rounds(1, SHARED, a=PROVEN)
    assert timeline.rounds(1, CLEAR) == []
    assert timeline.state.slots == {}


def test_a_cluster_that_is_gone_ends_its_firing_alerts() -> None:
    """A pending one was never reported, so it needs no end."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN)
    timeline.rounds(1, SHARED, a=PROVEN, b=PROVEN)
    (ended,) = withdraw(timeline.state, 2**61)
    assert (ended.alert.key, ended.cause, ended.alert.ended_wall_ns) == (key("a"), Cause.WITHDRAWN, 2**61)


def test_a_flapping_alert_has_to_be_quiet_longer_each_time() -> None:
    """A node that flaps is reported less and less often."""
    timeline = Timeline()
    quiet = []
    for _ in range(6):
        timeline.rounds(3, SHARED, a=PROVEN)
        assert timeline.firing == ["a"]
        start = timeline.now_ns
        while timeline.firing:
            timeline.rounds(1, CLEAR, a=CLEAR)
        quiet.append((timeline.now_ns - start) // NS_PER_S)
    assert quiet == [45, 75, 135, 255, 495, 915]
    assert [change[3] for change in timeline.changes if change[1] == "firing"][1:] == [Cause.PROVEN_AGAIN] * 5


def test_an_alert_that_stayed_away_is_new_again() -> None:
    """After a quarter of an hour of quiet the past is forgiven."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN)
    timeline.rounds(80, CLEAR, a=CLEAR)
    assert timeline.state.slots == {}
    assert timeline.rounds(3, SHARED, a=PROVEN)[0][3] is Cause.PROVEN_FOR


def test_a_blip_that_does_not_fire_does_not_forgive_flapping() -> None:
    """One round beyond the line during the quiet time keeps the flap count."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN)
    timeline.rounds(4, CLEAR, a=CLEAR)
    timeline.rounds(1, SHARED, a=PROVEN)
    timeline.rounds(1, CLEAR, a=CLEAR)
    slot = timeline.state.slots[key("a")]
    assert (slot.phase, slot.flaps) == (Phase.QUIET, 1)


def test_the_texts_are_those_of_the_last_proof() -> None:
    """An alert that holds through silence keeps the texts of the last proof, and its start."""
    timeline = Timeline()
    timeline.rounds(4, SHARED, a=PROVEN)
    timeline.rounds(2, UNKNOWN, a=UNKNOWN)
    (alert,) = firing(timeline.state)
    assert (alert.started_wall_ns, alert.description) == (30 * NS_PER_S, f"at {45 * NS_PER_S}")


def test_texts_are_built_when_an_alert_changes_and_not_each_round() -> None:
    """At its start, at the end of the proof, and for a reader; never while it is pending or holds."""
    built: list[int] = []
    state = State()

    def a_round(number: int, condition: ConditionState) -> None:
        nonlocal state

        def describe() -> Texts:
            built.append(number)
            return Texts(f"round {number}")

        sample = ConditionSample(key("a"), LINE, condition, describe)
        state, _ = step(state, Observation("prod", 0, (sample,)), number * 15 * NS_PER_S)

    for number in range(6):  # it fires in the third
        a_round(number, PROVEN)
    assert built == [2]
    assert state.alert(key("a")).summary == "round 5"
    a_round(6, UNKNOWN)
    a_round(7, CLEAR)
    assert built == [2, 5, 5]
    assert state.alert(key("a")).summary == "round 5"
    assert built == [2, 5, 5]


def test_an_end_is_never_before_its_start() -> None:
    """The wall clock of the admin box may be set back while an alert fires."""
    line = Threshold("critical", 1, "skew")
    state, _ = step(State(), seen({"a": PROVEN}, line, wall_ns=1_000), 0)
    _, (transition,) = step(state, seen({"a": CLEAR}, line, wall_ns=10), NS_PER_S)
    assert transition.alert.ended_wall_ns == 1_000


def test_a_base_that_runs_backwards_counts_nothing() -> None:
    """No clock can fire an alert by jumping."""
    timeline = Timeline()
    timeline.rounds(2, SHARED, a=PROVEN)
    timeline.now_ns = 0
    timeline.rounds(1, SHARED, a=PROVEN)
    assert timeline.firing == []


def test_a_restart_neither_repeats_nor_forgets() -> None:
    """A firing alert stays without a transition, and a count continues."""
    timeline = Timeline()
    timeline.rounds(3, SHARED, a=PROVEN, b=CLEAR)
    timeline.rounds(2, SHARED, a=PROVEN, b=PROVEN)
    timeline.state = restarted(timeline.state)
    timeline.now_ns = 7  # another boot: the base starts again
    assert timeline.rounds(1, SHARED, a=PROVEN, b=PROVEN) == []
    assert [change[1:3] for change in timeline.rounds(1, SHARED, a=PROVEN, b=PROVEN)] == [("firing", "b")]
    assert timeline.firing == ["a", "b"]


def test_two_lines_of_one_cluster_are_two_alerts() -> None:
    """Warning and critical live apart."""
    warning = Threshold("warning", 1, "skew")
    state, first = step(State(), seen({"a": PROVEN}, warning), 0)
    assert [one.alert.key.severity for one in first] == ["warning"]
    state, second = step(state, seen({"a": PROVEN}, LINE), 0)
    assert [(one.cause, one.alert.key.severity) for one in second] == [(Cause.WITHDRAWN, "warning")]

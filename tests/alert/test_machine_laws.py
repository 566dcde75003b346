"""Laws of the alert machine, for any history that rounds, restarts and reconfigurations can make."""

from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from skewmon.alert.alerts import Cause, ConditionState, Key, Transition
from skewmon.alert.machine import BEYOND, FLAP_CLEAR_MAX_NS, PENDING_FORGOTTEN_AFTER_NS, State, step
from skewmon.model import NS_PER_S, Threshold
from tests.alert.samples import firing, key, restarted, seen

NODES = ("a", "b", "c")
LINE = Threshold("critical", 1, "skew", for_s=40.0, clear_for_s=25.0)

node_conditions = st.fixed_dictionaries({name: st.sampled_from(ConditionState) for name in NODES})
gaps_s = st.integers(0, 45)


class Bookkeeper:
    """An independent account of one alert: the proven durations, by the simplest possible rule."""

    def __init__(self) -> None:
        self.beyond_ns = 0
        self.doubt_ns = 0
        self.clear_ns = 0
        self.superseded = False
        self.last: ConditionState | None = None

    def see(self, condition: ConditionState, gap_ns: int) -> None:
        """Add a round."""
        if condition in BEYOND:
            self.beyond_ns += gap_ns if self.last in BEYOND else 0
            self.doubt_ns = 0
        elif condition is not ConditionState.CLEAR:
            self.doubt_ns += gap_ns
        if condition is ConditionState.CLEAR or self.doubt_ns >= PENDING_FORGOTTEN_AFTER_NS:
            self.beyond_ns = 0
            self.superseded = False
        if condition is ConditionState.CLEAR:
            self.clear_ns += gap_ns if self.last is ConditionState.CLEAR else 0
        elif condition is not ConditionState.UNKNOWN:
            self.clear_ns = 0
        self.last = condition


class AlertLaws(RuleBasedStateMachine):
    """Any sequence of rounds of one cluster with one line."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.now_ns = 0
        self.restarted = False
        self.books: dict[Key, Bookkeeper] = {}
        self.alive: dict[Key, int] = {}  # alerts that started and have not ended, with their starts

    @rule(cluster=st.sampled_from(ConditionState), nodes=node_conditions, gap_s=gaps_s)
    def one_round(self, cluster: ConditionState, nodes: Mapping[str, ConditionState], gap_s: int) -> None:
        """Any conditions at all, even ones that no real cluster has."""
        self._live({None: cluster, **nodes}, gap_s)

    @rule(culprits=st.sets(st.sampled_from(NODES), max_size=2), gap_s=gaps_s, rounds=st.integers(1, 4))
    def a_breach(self, culprits: set[str], gap_s: int, rounds: int) -> None:
        """Show a proven skew, with or without named culprits."""
        for _ in range(rounds):
            nodes = dict.fromkeys(NODES, ConditionState.CLEAR if culprits else ConditionState.SHARED)
            nodes |= dict.fromkeys(culprits, ConditionState.PROVEN)
            self._live({None: ConditionState.SHARED if culprits else ConditionState.PROVEN, **nodes}, gap_s)

    @rule(gap_s=gaps_s, rounds=st.integers(1, 4))
    def health(self, gap_s: int, rounds: int) -> None:
        """Everything proven to be within the line."""
        for _ in range(rounds):
            self._live(dict.fromkeys((None, *NODES), ConditionState.CLEAR), gap_s)

    @rule(boot_ns=st.integers(0, 10**15))
    def restart(self, boot_ns: int) -> None:
        """Convert the state to JSON and back, and start the base again."""
        before = self.state.firing
        self.state = restarted(self.state)
        assert self.state.firing == before
        self.now_ns = boot_ns
        self.restarted = True

    @invariant()
    def the_transitions_add_up_to_the_firing_alerts(self) -> None:
        """Compare the firing alerts with the sum of all transitions, by identity and start."""
        assert {alert.key: alert.started_wall_ns for alert in firing(self.state)} == self.alive

    @invariant()
    def identities_stay(self) -> None:
        """Keep the alert of a key in its slot for all its life."""
        assert all(identity == slot.alert.key for identity, slot in self.state.slots.items())

    @invariant()
    def a_proven_skew_always_has_an_alert(self) -> None:
        """Once the cluster was beyond the line for its patience, some alert of the line fires."""
        book = self.books.get(key(line=LINE))
        if book is not None and book.last in BEYOND and book.beyond_ns >= LINE.for_s * NS_PER_S:
            assert self.state.firing

    def teardown(self) -> None:
        """Whatever has happened, health ends every alert."""
        for _ in range(3 + FLAP_CLEAR_MAX_NS // (45 * NS_PER_S)):
            self.health(gap_s=45, rounds=1)
        assert self.state.firing == []
        assert self.alive == {}

    def _live(self, conditions: Mapping[str | None, ConditionState], gap_s: int) -> None:
        self.now_ns += gap_s * NS_PER_S
        gap_ns = 0 if self.restarted else gap_s * NS_PER_S
        self.restarted = False
        for node, condition in conditions.items():
            self.books.setdefault(key(node, line=LINE), Bookkeeper()).see(condition, gap_ns)
        observation = seen(conditions, LINE, wall_ns=self.now_ns)
        self.state, transitions = step(self.state, observation, self.now_ns)
        for transition in transitions:
            (self._fired if transition.alert.firing else self._ended)(transition)

    def _fired(self, transition: Transition) -> None:
        """Refuse an alert that fires twice, unproven, or too early; a superseded one may come back."""
        identity = transition.alert.key
        book = self.books[identity]
        assert identity not in self.alive
        assert book.last is ConditionState.PROVEN or (identity.node is None and book.last in BEYOND)
        assert book.superseded or book.beyond_ns >= LINE.for_s * NS_PER_S
        self.alive[identity] = transition.alert.started_wall_ns

    def _ended(self, transition: Transition) -> None:
        """Refuse an end without proof of health, unless another alert answers for the same line."""
        identity = transition.alert.key
        book = self.books[identity]
        assert self.alive.pop(identity) == transition.alert.started_wall_ns
        if transition.cause is Cause.SUPERSEDED:
            book.superseded = book.last is not ConditionState.CLEAR
            assert identity.node is None
            assert any(identity.node is not None for identity in self.state.firing)
        else:
            assert transition.cause is Cause.CLEAR_FOR
            assert book.last is ConditionState.CLEAR
            assert book.clear_ns >= LINE.clear_for_s * NS_PER_S


AlertLaws.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAlertLaws = AlertLaws.TestCase


@pytest.mark.prove
def test_the_laws_hold_for_many_long_histories() -> None:
    """Look harder: more histories, and longer ones."""
    longer = settings(max_examples=5_000, stateful_step_count=80, deadline=None)
    run_state_machine_as_test(AlertLaws, settings=longer)

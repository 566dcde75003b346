"""The state of a node between rounds, by its endpoint."""

from random import Random

from skewmon.clock.burst import estimate
from skewmon.errors import Reason
from skewmon.model import Cluster, Failed, Measured, Node, SshSettings, SyncStatus
from skewmon.monitor.node_state import MISSED_ANSWERS
from skewmon.monitor.state import MonitorState
from tests.clock.simulator import Machine, holds
from tests.monitor.rounds import take_in

NODE = Node("n1", "10.0.0.1")
PLACE = NODE.endpoint
DOWN = Failed(Reason.NO_ANSWER, "No answer.")


def rounds(count: int) -> list[tuple[Measured, int]]:
    """Return a machine's outcomes of many rounds, each with the truth in units."""
    machine = Machine(Random(1), network="spikes", rate_ppt=5_000_000)
    found = []
    for _ in range(count):
        machine.rest_until(machine.at_ns + 15 * 10**9)
        seen = machine.observe(machine.at_ns, samples=1)
        found.append((Measured(seen.burst, estimate(seen.burst, seen.tau_ns)), seen.truth.wall_units))
    return found


def test_a_place_is_an_address_and_the_way_to_it() -> None:
    """Another name is the same endpoint, another port is not."""
    assert Node("alias", "10.0.0.1").endpoint == PLACE
    assert Node("n1", "10.0.0.1", SshSettings(port=2222)).endpoint != PLACE


def test_history_narrows_and_never_misses() -> None:
    """The result lies inside the interval of this round alone, and contains the truth."""
    state, narrowed = MonitorState(), 0
    for outcome, truth in rounds(400):
        told = take_in(state, PLACE, outcome, 1)
        assert isinstance(told, Measured)
        assert holds(told.estimate.wall, truth)
        assert told.estimate.wall.width_ns <= outcome.estimate.wall.width_ns
        narrowed += told.estimate.wall.width_ns < outcome.estimate.wall.width_ns
    assert narrowed


def test_rounds_that_overlap_are_remembered_in_their_order() -> None:
    """One that another cluster's round overtook contradicts no node, and counts as it is."""
    state = MonitorState()
    *before, overtaken, newer, after = (outcome for outcome, _ in rounds(12))
    for outcome in (*before, newer):
        take_in(state, PLACE, outcome, 1)
    record = state.node(PLACE)
    memory, rates = record.clock_state, record.clock_update.rates
    assert take_in(state, PLACE, overtaken, 2) is overtaken
    assert (record.clock_state, record.clock_update.rates) == (memory, rates)
    assert (record.clock_update.movements, record.clock_update.reset) == ((), None)
    assert record.last_success_wall_ns == 2
    take_in(state, PLACE, after, 3)
    assert not record.resets
    assert record.clock_state != memory


def test_failures_are_counted_by_reason_and_the_last_success_is_kept() -> None:
    """A failure hides no earlier count."""
    state = MonitorState()
    (outcome, _), (again, _) = rounds(2)
    take_in(state, PLACE, outcome, 111)
    assert take_in(state, PLACE, DOWN, 222) is DOWN
    take_in(state, PLACE, Failed(Reason.NO_REPLY, ""), 333)
    take_in(state, PLACE, DOWN, 444)
    record = state.node(PLACE)
    assert record.failures == {Reason.NO_ANSWER: 2, Reason.NO_REPLY: 1}
    assert record.last_success_wall_ns == 111
    take_in(state, PLACE, again, 555)
    assert record.last_success_wall_ns == 555


def test_unparsed_lines_add_up() -> None:
    """The status itself is only the last."""
    state = MonitorState()
    for _ in range(3):
        state.note_status(PLACE, SyncStatus("chronyd", unparsed=("what", "else")))
    assert state.node(PLACE).unparsed_lines == 6
    assert state.node(PLACE).timesync is not None


def test_nodes_that_left_are_forgotten() -> None:
    """Memory does not grow with every name that ever was."""
    state = MonitorState()
    others = [Node(f"n{number}", f"10.0.1.{number}").endpoint for number in range(50)]
    for endpoint in (PLACE, *others):
        take_in(state, endpoint, DOWN, 1)
    state.adopt((Cluster("c", (NODE,)),))
    assert set(state.nodes) == {PLACE}


def test_one_missing_answer_keeps_the_last_one() -> None:
    """The failure is shown; the vote uses the last answer for a moment."""
    state, held = MonitorState(), SyncStatus("chronyd", synchronized=True, refid="192.0.2.1")
    silent = SyncStatus("unknown", failures=("chronyc timed out",))
    state.note_status(PLACE, held)
    record = state.node(PLACE)
    for _ in range(MISSED_ANSWERS):
        state.note_status(PLACE, silent)
        assert (record.timesync, record.last_answer.status) == (silent, held)
    state.note_status(PLACE, silent)
    assert record.last_answer.status == silent


def test_an_answer_that_is_heard_replaces_the_last_one_at_once() -> None:
    """A daemon that says that it has lost its source says so."""
    state = MonitorState()
    state.note_status(PLACE, SyncStatus("chronyd", synchronized=True))
    lost = SyncStatus("chronyd", synchronized=False, failures=("ntpq timed out",))
    state.note_status(PLACE, lost)
    assert state.node(PLACE).last_answer.status == lost

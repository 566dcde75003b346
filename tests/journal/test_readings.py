"""Saved readings: a step that happened while no daemon ran is reported by the next one, once."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from skewmon.clock.bracket import Bracket
from skewmon.clock.burst import estimate
from skewmon.clock.checkpoint import Checkpoint, checkpoint_from
from skewmon.journal import Journal
from skewmon.journal.detect import clock_events
from skewmon.journal.read import FILE_NAME
from skewmon.journal.readings import KEY, SAVE_EVERY_S, WATCHED, SavedReadings
from skewmon.journal.store import MAX_AGE_NS, JournalFile
from skewmon.model import NS_PER_S, Cluster, Event, Measured, Node
from skewmon.monitor.state import MonitorState
from tests.clock.simulator import MS, Happening, Machine, Reboot, Step, Suspend
from tests.monitor.rounds import round_of

NODE = Node("n1", "10.0.0.1")
CLUSTER = Cluster("lab", (NODE,))
WALL_NS = 1_790_000_000 * NS_PER_S


class Life:
    """One daemon's life: its state of its single node."""

    def __init__(self, journal: Journal, machine: Machine, wall_ns: int = WALL_NS) -> None:
        self.machine = machine
        self.wall_ns = wall_ns
        self.state = MonitorState()
        self.saved = SavedReadings(self.state, journal)
        self.saved.restore(WALL_NS)
        self.state.adopt((CLUSTER,))

    def round(self) -> list[Event]:
        """Measure the node once; return the journal's events."""
        self.machine.rest_until(self.machine.at_ns + 15 * NS_PER_S)
        seen = self.machine.observe(self.machine.at_ns)
        found = Measured(seen.burst, estimate(seen.burst, seen.tau_ns))
        return list(clock_events(round_of(self.state, CLUSTER, {"n1": found}, seen.tau_ns, self.wall_ns)))


async def across(tmp_path: Path, *happenings: Happening, rung: str = "python3") -> list[list[Event]]:
    """Let movements happen between two daemons' lives; return the events of each round of the second."""
    machine = Machine(Random(7), rung=rung)
    async with Journal.open(str(tmp_path)) as journal:
        first = Life(journal, machine)
        assert [first.round() for _ in range(3)] == [[], [], []]
        first.saved.save(0.0, WALL_NS)
    for number, happening in enumerate(happenings, 1):
        machine.schedule(machine.at_ns + number * NS_PER_S, happening)
    async with Journal.open(str(tmp_path)) as journal:
        second = Life(journal, machine, WALL_NS + NS_PER_S)
        return [second.round() for _ in range(3)]


@pytest.mark.parametrize("size_ns", [-20 * MS, 31_000, 3 * NS_PER_S])
async def test_a_step_between_two_daemons_is_reported_once(tmp_path: Path, size_ns: int) -> None:
    """With its size to a microsecond, and the two instants between which it happened."""
    (told, *rest) = await across(tmp_path, Step(size_ns))
    (event,) = told
    assert rest == [[], []]
    assert event.kind == "step"
    assert abs(event.detail["seconds"] - size_ns / 1e9) < 1e-6
    assert (event.detail["since"], event.detail["until"]) == (
        "2026-09-21T14:13:20.000Z",
        "2026-09-21T14:13:21.000Z",
    )
    direction = "forward" if size_ns > 0 else "back"
    assert f"jumped {direction} by " in event.message
    assert event.message.endswith(
        " while skewmon was not watching, between 2026-09-21T14:13:20.000Z and 2026-09-21T14:13:21.000Z."
    )


async def test_a_restart_without_a_movement_has_no_event(tmp_path: Path) -> None:
    """A restart alone is not an event of a node."""
    assert await across(tmp_path) == [[], [], []]


async def test_a_sleep_and_a_reboot_are_not_steps(tmp_path: Path) -> None:
    """They are reported as such, even if REALTIME came back at another time."""
    (slept, *_) = await across(tmp_path / "slept", Suspend(60 * NS_PER_S))
    (booted, *_) = await across(tmp_path / "booted", Reboot(error_ns=5 * NS_PER_S))
    assert [event.kind for event in slept] == ["suspend"]
    assert [event.kind for event in booted] == ["reboot"]


async def test_a_step_in_a_sleep_is_an_event_of_its_own(tmp_path: Path) -> None:
    """It is the movement of REALTIME beyond the time slept."""
    (told, *_) = await across(tmp_path, Suspend(60 * NS_PER_S), Step(-2 * NS_PER_S))
    assert [event.kind for event in told] == ["suspend", "step"]
    assert abs(told[1].detail["seconds"] + 2) < 1e-3


async def test_a_node_with_one_clock_has_nothing_to_keep(tmp_path: Path) -> None:
    """Its steps are known against the base alone, and that may be another one now."""
    assert await across(tmp_path, Step(3 * NS_PER_S), rung="bash") == [[], [], []]


async def test_a_node_that_is_down_at_first_is_compared_when_it_answers(tmp_path: Path) -> None:
    """Its saved readings are kept over as many restarts as its outage takes."""
    machine = Machine(Random(7))
    async with Journal.open(str(tmp_path)) as journal:
        life = Life(journal, machine)
        life.round()
        life.saved.save(0.0, WALL_NS)
    machine.schedule(machine.at_ns + NS_PER_S, Step(MS))
    for _ in range(2):
        async with Journal.open(str(tmp_path)) as journal:
            life = Life(journal, machine)
            life.state.node(NODE.endpoint)
            life.saved.save(0.0, WALL_NS)
    async with Journal.open(str(tmp_path)) as journal:
        assert [event.kind for event in Life(journal, machine).round()] == ["step"]


KEPT = Checkpoint(WALL_NS, "boot", 5, 6, Bracket(1, 2), Bracket(3, 4))


def test_saved_readings_are_restored() -> None:
    """With or without a BOOTTIME."""
    for one in (KEPT, KEPT._replace(slept=None)):
        assert checkpoint_from(one.to_json()) == one


@pytest.mark.parametrize(
    "kept",
    [
        None,
        {},
        "boot",
        [],
        [1, "boot", 2, 3],
        ["1", "boot", 2, 3, [1, 2], None],
        [1, "", 2, 3, [1, 2], None],
        [1, "boot", 2, 3, None, None],
        [1, "boot", 2, 3, [2, 1], None],
        [1, "boot", 2, 3, [1, 2], [1]],
        [1, "boot", 2.5, 3, [1, 2], None],
        [10**40, "boot", 2, 3, [1, 2], None],
        [1, "boot", 2, 3, [-(10**40), 2], None],
    ],
)
def test_anything_else_is_nothing(kept: Any) -> None:
    """A journal may be damaged or of another version."""
    assert checkpoint_from(kept) is None


@pytest.mark.parametrize("text", ["", "[", "7", '{"10.0.0.1:22": 7}', '["10.0.0.1:22"]'])
async def test_a_damaged_bookmark_is_passed_over(tmp_path: Path, text: str) -> None:
    """The daemon starts as if there had never been one."""
    file = JournalFile(tmp_path)
    file.write((), {KEY: text}, {KEY})
    file.close()
    async with Journal.open(str(tmp_path)) as journal:
        assert Life(journal, Machine(Random(1))).round() == []
    assert (tmp_path / FILE_NAME).exists()


async def test_an_old_bookmark_is_passed_over(tmp_path: Path) -> None:
    """As old as the events that the journal prunes."""
    state = MonitorState()
    for age_ns, expected in ((MAX_AGE_NS, {"10.0.0.1:22": KEPT}), (MAX_AGE_NS + 1, {})):
        async with Journal.open(str(tmp_path)) as journal:
            journal.save(KEY, {"10.0.0.1:22": KEPT.to_json()})
            SavedReadings(state, journal).restore(WALL_NS + age_ns)
            assert state.checkpoints() == expected


async def test_it_is_written_at_a_modest_pace(tmp_path: Path) -> None:
    """Once a minute, but at once after a reported step."""
    async with Journal.open(str(tmp_path)) as journal:
        life, kept = Life(journal, Machine(Random(1))), []
        for now_s in (0.0, 1.0, SAVE_EVERY_S - 1, SAVE_EVERY_S, SAVE_EVERY_S + 1):
            life.round()
            before = journal.load(KEY)
            life.saved.save(now_s, WALL_NS)
            kept.append(journal.load(KEY) != before)
        assert kept == [True, False, False, True, False]
        life.saved.save(SAVE_EVERY_S + 2, WALL_NS, at_once=True)
        assert journal.load(KEY) == {name: one.to_json() for name, one in life.state.checkpoints().items()}


@pytest.mark.parametrize("ended", [False, True], ids=["killed", "stopped"])
async def test_the_next_start_has_the_time_that_was_not_watched(tmp_path: Path, *, ended: bool) -> None:
    """After a kill it is known to a minute; the first daemon of a journal follows no other."""
    async with Journal.open(str(tmp_path)) as journal:
        life = Life(journal, Machine(Random(7)))
        assert life.saved.unwatched(WALL_NS) == ("", {})
        life.saved.save(0.0, WALL_NS, ended=ended)
    async with Journal.open(str(tmp_path)) as journal:
        message, detail = SavedReadings(MonitorState(), journal).unwatched(WALL_NS + 300 * NS_PER_S)
    since, until = "2026-09-21T14:13:20.000Z", "2026-09-21T14:18:20.000Z"
    assert detail == {"since": since, "until": until, "killed": not ended}
    assert ("killed" in message, "or up to 60 s later" in message) == (not ended, not ended)
    assert message.endswith(f" and {until}.")


@pytest.mark.parametrize(
    "text", ["[", "7", "{}", '{"wall_ns": "1"}', '{"wall_ns": 1e99}', f'{{"wall_ns": {10**40}}}']
)
async def test_a_damaged_time_of_the_last_round_is_passed_over(tmp_path: Path, text: str) -> None:
    """The start is reported without it."""
    file = JournalFile(tmp_path)
    file.write((), {WATCHED: text}, {WATCHED})
    file.close()
    async with Journal.open(str(tmp_path)) as journal:
        assert SavedReadings(MonitorState(), journal).unwatched(WALL_NS) == ("", {})

"""Vantages that lie, sleep, jump or are lost: no miss, no blame for their nodes, no harm elsewhere."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from skewmon.clock.oscillator import Constraint, LearnedRate
from skewmon.clock.utc import ReferenceClock
from skewmon.errors import Failed, Reason
from skewmon.journal.detect import clock_events
from skewmon.model import (
    NS_PER_S,
    Burst,
    ClusterView,
    Exchange,
    Interval,
    Measured,
    ReferenceFault,
    TimeServer,
    Utc,
    UtcState,
    VantageStamps,
)
from skewmon.monitor.against_utc import UtcOfRound
from skewmon.monitor.reference_state import References
from skewmon.monitor.round import Round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep
from tests.clock.simulator import (
    MS,
    PPM,
    US,
    Machine,
    Pause,
    RateJump,
    Reboot,
    Step,
    Suspend,
    pause_base,
    queueing,
)
from tests.monitor.sites import START_NS, Site, Sites, misses, node, outcome, round_of

NO_PROGRAM = Failed(Reason.NO_PROGRAM, "It has neither python3 nor perl.", "Install one.")


def two_sites(seed: int = 1, nodes: int = 4) -> Sites:
    """Return a site beside the admin box and one that is 40 ms away each way."""
    dice = Random(seed)
    return Sites(
        [
            Site(seed, "", queueing(dice, 100 * US, 100 * US, 20 * US), 3),
            Site(seed + 9, "eu", queueing(dice, 40 * MS, 40 * MS, MS), nodes, rate_ppt=30 * PPM),
        ]
    )


async def rounds(
    sites: Sites, count: int, act: Callable[[int], None], state: MonitorState | None = None
) -> list[Round]:
    """Run rounds with an act before each; every one is compared with the truth."""
    state, found = state or MonitorState(), list[Round]()
    for number in range(count):
        act(number)
        sites.rest(START_NS + number * 15 * NS_PER_S)
        found.append(await round_of(sites.cluster, sites.sweep(), state))
        assert not misses(found[-1].views[0], sites), number
    return found


def events_of(found: list[Round]) -> list[tuple[str, str | None]]:
    """Return the kind and the node of every event."""
    return [(event.kind.value, event.node) for one in found for event in clock_events(one)]


def falsified(sweep: Sweep, name: str, by_ns: int) -> Sweep:
    """Return a sweep in which the vantage shifts all stamps of one node, or of all with an empty name."""

    def shifted(one: Exchange) -> Exchange:
        stamps = one.vantage
        if stamps is None:
            return one
        return replace(one, vantage=VantageStamps(stamps.sent_ns + by_ns, stamps.received_ns + by_ns))

    def burst(one: Burst) -> Burst:
        closing = one.closing and shifted(one.closing)
        return replace(one, opening=tuple(map(shifted, one.opening)), closing=closing)

    outcomes = {
        endpoint: outcome(burst(one.burst), sweep.at_ns)
        if isinstance(one, Measured) and name in ("", endpoint.address.split(".")[0])
        else one
        for endpoint, one in sweep.outcomes.items()
    }
    return replace(sweep, outcomes=outcomes)


def kinds(view: ClusterView, name: str) -> list[str]:
    """Return the kinds of a node's findings about its vantage."""
    found = next(one for one in view.nodes if one.name == name).findings
    return [one.kind.value for one in found if one.kind.value.startswith("vantage")]


@pytest.mark.parametrize("by_ns", [90 * MS, -90 * MS, NS_PER_S, 3600 * NS_PER_S, -3600 * NS_PER_S])
async def test_falsified_stamps_of_one_node_are_dropped_in_that_round(by_ns: int) -> None:
    """Beyond the round trip to the vantage: the node is as wide as its path, all others are narrow."""
    sites, state = two_sites(), MonitorState()
    for number in range(4):
        sites.rest(START_NS + number * 15 * NS_PER_S)
        sweep = sites.sweep()
        sweep = falsified(sweep, "eu-1", by_ns) if number >= 2 else sweep
        (view,) = (await round_of(sites.cluster, sweep, state)).views
        assert not misses(view, sites), number
        assert kinds(view, "eu-1") == ["vantage-contradiction"] * (number >= 2)
        assert [kinds(view, f"eu-{other}") for other in (0, 2, 3)] == [[], [], []]
        axes = {one.name: one.axis for one in view.nodes}
        assert axes["eu-1"] == ("" if number >= 2 else "eu")
        assert axes["eu-0"] == "eu"
        assert view.vantages[0].contradicting == (("eu-1",) if number >= 2 else ())


@pytest.mark.parametrize("by_ns", [-79 * MS, -60 * MS, -20 * MS, 20 * MS, 60 * MS, 79 * MS])
async def test_one_shifted_stream_moves_no_other_node_on_the_axis(by_ns: int) -> None:
    """A shift by less than the path is not found, but every other clock is enclosed at the axis's instant."""
    sites, state = two_sites(), MonitorState()
    for number in range(6):
        sites.rest(START_NS + number * 15 * NS_PER_S)
        for other in (0, 2, 3):  # while the requests are on their way, and at the vantage
            machine = sites.machines[f"eu-{other}"]
            machine.schedule(sites.at_ns + 30 * MS + other * 4 * MS, Step(MS))
        (view,) = (await round_of(sites.cluster, falsified(sites.sweep(), "eu-1", by_ns), state)).views
        assert not [
            name for name in misses(view, sites) if name in ("eu-0 there", "eu-2 there", "eu-3 there")
        ]
        for shown in view.nodes:
            local = shown.outcome.local if isinstance(shown.outcome, Measured) else None
            if local is not None and shown.name != "eu-1":
                assert local.burst.closing is not None
                last_ns = local.burst.opening[-1].received_ns
                assert last_ns <= local.axis.at_ns <= local.burst.closing.sent_ns


async def test_a_shift_that_all_stamps_of_a_vantage_share_changes_nothing() -> None:
    """Its epoch is arbitrary, and its own readings are shifted like the others."""
    sites = two_sites()
    sites.rest(START_NS)
    sweep = sites.sweep()
    reading = sweep.vantages["eu"]
    assert not isinstance(reading, Failed)

    def shifted(one: Exchange) -> Exchange:
        assert one.raw_in_ns is not None
        assert one.raw_out_ns is not None
        return replace(one, raw_in_ns=one.raw_in_ns + NS_PER_S, raw_out_ns=one.raw_out_ns + NS_PER_S)

    moved = replace(
        reading.burst,
        opening=tuple(map(shifted, reading.burst.opening)),
        closing=reading.burst.closing and shifted(reading.burst.closing),
    )
    lying = replace(falsified(sweep, "", NS_PER_S), vantages={"eu": replace(reading, burst=moved)})
    (view,) = (await round_of(sites.cluster, sweep, MonitorState())).views
    (other,) = (await round_of(sites.cluster, lying, MonitorState())).views
    assert view.skew == other.skew
    assert view.pairs == other.pairs
    assert [one.offset for one in view.nodes] == [one.offset for one in other.nodes]


async def test_stamps_that_contradict_the_vantages_own_exchanges_are_not_used() -> None:
    """All streams shifted alike, but not its own readings: the streams agree, and the vantage is outvoted."""
    sites = two_sites(nodes=1)
    sites.rest(START_NS)
    (view,) = (await round_of(sites.cluster, falsified(sites.sweep(), "", NS_PER_S), MonitorState())).views
    assert not misses(view, sites)
    assert kinds(view, "eu-0") == ["vantage-contradiction"]  # one claim against one


@pytest.mark.parametrize(
    "happening",
    [Suspend(5 * NS_PER_S), Pause(3 * MS), Pause(NS_PER_S), Reboot(), RateJump(400 * PPM), Step(NS_PER_S)],
    ids=lambda one: type(one).__name__,
)
async def test_a_vantage_that_moves_is_no_event_of_its_nodes(happening: Suspend | Pause | Reboot) -> None:
    """Neither a jump nor a step; nodes elsewhere keep their past."""
    sites, state = two_sites(), MonitorState()
    vantage = sites.sites[1].vantage

    def act(number: int) -> None:
        if number == 4:
            vantage.schedule(vantage.at_ns + NS_PER_S, happening)

    found = await rounds(sites, 8, act, state)
    assert events_of(found) == []
    assert not any(state.node(node(name).endpoint).resets for name in sites.sites[0].nodes)
    assert {one.axis for one in found[-1].views[0].nodes} == {"", "eu"}


async def test_a_lone_node_is_not_blamed_for_its_vantage() -> None:
    """Which of the two jumped cannot be known."""
    sites = two_sites(nodes=1)
    vantage = sites.sites[1].vantage

    def act(number: int) -> None:
        if number == 4:
            vantage.schedule(vantage.at_ns + NS_PER_S, Pause(5 * MS))

    assert events_of(await rounds(sites, 7, act)) == []


async def test_a_pause_of_the_admin_box_leaves_the_axes_of_vantages_alone() -> None:
    """It is one event; nodes behind the vantage keep their past."""
    sites, state = two_sites(), MonitorState()

    def act(number: int) -> None:
        if number == 4:
            everyone: list[Machine] = [*sites.machines.values(), sites.sites[1].vantage]
            pause_base(everyone, sites.at_ns + NS_PER_S, 20 * MS)

    found = await rounds(sites, 7, act, state)
    assert events_of(found) == [("admin-box-paused", None)]
    resets = {name: dict(state.node(node(name).endpoint).resets) for name in sites.machines}
    assert [resets[name] for name in sites.sites[0].nodes] == [{"base-paused": 1}] * 3
    assert [resets[name] for name in sites.sites[1].nodes] == [{}] * 4


async def test_a_step_of_a_node_is_its_own_event_with_its_time() -> None:
    """The span on the base contains the step, although the node is watched on the axis of its vantage."""
    sites, size_ns, stepped_ns = two_sites(), 7 * MS, 0

    def act(number: int) -> None:
        nonlocal stepped_ns
        if number == 4:
            stepped_ns = sites.at_ns + 3 * NS_PER_S
            sites.machines["eu-2"].schedule(stepped_ns, Step(size_ns))

    found = await rounds(sites, 6, act)
    assert events_of(found) == [("step", "eu-2")]
    (moved,) = found[4].movements.values()
    (step,) = moved.movements
    assert step.after_ns <= stepped_ns <= step.before_ns
    assert step.before_ns - step.after_ns < 16 * NS_PER_S
    assert step.size is not None
    assert size_ns in step.size


async def test_nodes_of_a_lost_vantage_are_measured_over_the_path_and_come_back() -> None:
    """With the reason; a step meanwhile is found, and none is made up by the change of axes."""
    sites, state, found = two_sites(), MonitorState(), list[Round]()
    for number in range(9):
        if number == 5:
            sites.machines["eu-0"].schedule(sites.at_ns + NS_PER_S, Step(NS_PER_S))
        sites.rest(START_NS + number * 15 * NS_PER_S)
        sweep = sites.sweep()
        lost = 3 <= number < 6
        if lost:
            sweep = replace(sites.bare(sweep), vantages={"eu": NO_PROGRAM}, vantage_of=sweep.vantage_of)
        found.append(await round_of(sites.cluster, sweep, state))
        (view,) = found[-1].views
        assert not misses(view, sites), number
        assert kinds(view, "eu-1") == ["vantage-unavailable"] * lost
        assert {one.axis for one in view.nodes} == ({""} if lost else {"", "eu"})
        assert view.axis == ("" if lost else "eu" if number < 3 else "")
    assert events_of(found) == [("step", "eu-0")]
    assert state.node(node("eu-1").endpoint).resets == {"axis": 2}


async def test_a_missed_reading_of_a_vantage_costs_its_nodes_no_history() -> None:
    """They are wide in that round; histories and the cluster.s reference go on, and no step is missed."""
    sites, state, found = two_sites(), MonitorState(), list[Round]()
    sites.sites.pop(0)
    learned = list[LearnedRate]()
    for number in range(9):
        if number == 6:
            sites.machines["eu-0"].schedule(sites.at_ns + NS_PER_S, Step(MS))
        sites.rest(START_NS + number * 15 * NS_PER_S)
        sweep = sites.sweep()
        if number in (3, 6):
            late = Failed(Reason.LATE, "The relay on eu did not answer in time.")
            sweep = replace(sites.bare(sweep), vantages={"eu": late}, vantage_of=sweep.vantage_of)
        found.append(await round_of(sites.cluster, sweep, state))
        (view,) = found[-1].views
        assert not misses(view, sites), number
        assert view.axis == ("" if number in (3, 6) else "eu")
        known = state.node(node("eu-1").endpoint).clock_state
        assert known is not None
        assert known.history is not None
        learned.append(known.history.learned)
    assert learned[3] == learned[2]
    assert learned[8].readings[0] == learned[0].readings[0]
    assert not any(one.resets for one in state.nodes.values())
    assert events_of(found) == [("step", "eu-0")]


async def test_utc_by_a_vantage_that_stood_still_since_is_not_used() -> None:
    """It was queried before: then it contradicts UTC as the admin box knows it."""
    sites = two_sites()
    sites.rest(START_NS)
    (view,) = (await round_of(sites.cluster, sites.sweep(), MonitorState())).views
    (seen,) = (one.outcome for one in view.nodes if one.name == "eu-1")
    assert isinstance(seen, Measured)
    assert seen.local is not None

    def utc(wall: Interval, by_ns: int = 0) -> Utc:
        return Utc(UtcState.CONFIRMED, wall.widened(MS).shifted(by_ns), "", ())

    near, there = utc(seen.estimate.wall), utc(seen.local.estimate.wall)
    stale = utc(seen.local.estimate.wall, 600 * NS_PER_S)
    wide = UtcOfRound(near, {}).offset_of(seen)
    narrow = UtcOfRound(near, {"eu": there}).offset_of(seen)
    assert wide is not None
    assert narrow is not None
    assert narrow.width_ns < wide.width_ns
    assert UtcOfRound(near, {"eu": stale}).offset_of(seen) == wide


async def test_references_queried_from_a_vantage_are_forgotten_once_it_slept() -> None:
    """UTC moved on meanwhile, and its oscillator did not; until the next reply nothing is known there."""
    sites, state, known = two_sites(), MonitorState(), list[bool]()
    there = state.axis_references["eu"] = References()
    there.adopt([TimeServer("ntp1", "192.0.2.1")])
    there.states[0].fault = ReferenceFault.MALFORMED  # so that it has no vote

    def act(number: int) -> None:
        if number == 2:
            there.states[0].clock = ReferenceClock.begun(Constraint(0, 0, 1))
        known.append(there.states[0].clock is not None)
        if number == 4:
            vantage = sites.sites[1].vantage
            vantage.schedule(vantage.at_ns + NS_PER_S, Suspend(5 * NS_PER_S))

    await rounds(sites, 6, act, state)
    assert known == [False, False, True, True, True, False]


async def test_a_pause_of_the_admin_box_is_no_past_of_any_vantage() -> None:
    """Not even of one that no node of that round is measured from."""
    sites, state = two_sites(), MonitorState()
    await rounds(sites, 2, lambda _: None, state)
    assert state.vantages["eu"].history is not None
    state.forget_axes({None})
    assert state.vantages["eu"].history is None

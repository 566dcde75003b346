"""One round: with any answers of nodes, every cluster is evaluated, and each node is measured once."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.clock.burst import estimate
from skewmon.clock.oscillator import Constraint
from skewmon.clock.utc import ReferenceClock
from skewmon.errors import ProbeError, Reason
from skewmon.export.status import encode, status
from skewmon.journal.detect import clock_events
from skewmon.model import (
    NS_PER_S,
    Burst,
    Cluster,
    ClusterView,
    Endpoint,
    Exchange,
    Failed,
    Interval,
    Measured,
    Node,
    Outcome,
    Program,
    Quantum,
    Snapshot,
    SyncStatus,
    Threshold,
    TimeServer,
)
from skewmon.monitor.round import Round, run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep
from skewmon.timesync import ntp_packet
from tests.clock.simulator import PPM, Machine, Observation, RateJump, Step, holds, observe_round, pause_base
from tests.clock.test_oscillator import wander_ppt

LINES = (Threshold("warning", 50_000_000), Threshold("critical", NS_PER_S))
DOWN = Failed(Reason.NO_ANSWER, "It did not answer.", "Look at it.")


class Canned:
    """A sweeper that returns prepared outcomes."""

    def __init__(self, outcomes: dict[str, Outcome], at_ns: int = 10**15) -> None:
        self.outcomes = outcomes
        self.at_ns = at_ns
        self.asked: list[str] = []

    async def sweep(self, links: dict[Endpoint, str], *_: object) -> Sweep:
        self.asked = list(links.values())
        return Sweep(
            self.at_ns,
            Interval(0, 1_000),
            0.25,
            {endpoint: self.outcomes[name] for endpoint, name in links.items()},
        )


def node(name: str) -> Node:
    return Node(name, f"{name}.example.com")


async def run(
    clusters: list[Cluster], sweeper: Canned, state: MonitorState | None = None
) -> tuple[ClusterView, ...]:
    """Run one round over prepared outcomes and return its views."""
    return (await found(clusters, sweeper, state or MonitorState())).views


async def found(clusters: list[Cluster], sweeper: Canned, state: MonitorState) -> Round:
    """Run one round over prepared outcomes; a link is the name of its node."""
    links = {one.endpoint: one.name for cluster in clusters for one in cluster.nodes}
    return await run_round(clusters, links, sweeper, state)  # type: ignore[arg-type]  # canned


def answers(*ahead_ns: int, seed: int = 1) -> tuple[dict[str, Outcome], int]:
    """Return simulated nodes n1, n2, … that are ahead by so much, at one common instant."""
    machines = [
        Machine(Random(seed + number), wall_ns=1_790_000_000 * NS_PER_S + ahead)
        for number, ahead in enumerate(ahead_ns)
    ]
    for machine in machines:
        machine._mono = 0  # its REALTIME is exactly as requested
    seen = observe_round(machines, 10**15)
    outcomes: dict[str, Outcome] = {}
    for number, one in enumerate(seen, 1):
        found = estimate(one.burst, one.tau_ns)
        assert holds(found.wall, one.truth.wall_units)
        outcomes[f"n{number}"] = Measured(one.burst, found)
    return outcomes, seen[0].tau_ns


async def test_a_node_of_two_clusters_is_measured_once() -> None:
    """And appears in both, with an offset to the reference of each."""
    outcomes, at_ns = answers(0, 0, 0, 70 * NS_PER_S, 70 * NS_PER_S)
    one = Cluster("one", (node("n1"), node("n2"), node("n4")), thresholds=LINES)
    two = Cluster("two", (node("n4"), node("n5"), node("n3")), thresholds=LINES)
    sweeper = Canned(outcomes, at_ns)
    views = await run([one, two], sweeper)
    assert sorted(sweeper.asked) == ["n1", "n2", "n3", "n4", "n5"]
    assert [view.vote.culprits for view in views] == [("n4",), ("n3",)]
    assert views[0].nodes[2].offset is not None
    assert views[1].nodes[0].offset is not None
    assert views[0].nodes[2].offset.lower_ns > 69 * NS_PER_S
    assert abs(views[1].nodes[0].offset.estimate_ns) < NS_PER_S


def outcomes_of(seen: list[Observation], first: int = 0) -> dict[str, Outcome]:
    """Return outcomes of simulated nodes as a sweep would, by names that count from ``first``."""
    return {
        f"n{number}": Measured(one.burst, estimate(one.burst, one.tau_ns))
        for number, one in enumerate(seen, first)
    }


def steps_of(rounds: int, step_at: int) -> list[tuple[dict[str, Outcome], int]]:
    """Return rounds of n1 and n2, with n1 stepping by a second before one of them."""
    machines, found = [Machine(Random(1)), Machine(Random(2))], []
    for number in range(rounds):
        start_ns = 10**15 + number * 15 * NS_PER_S
        if number == step_at:
            machines[0].schedule(machines[0].at_ns + NS_PER_S, Step(NS_PER_S))
        for machine in machines:
            machine.rest_until(start_ns)
        seen = observe_round(machines, start_ns)
        outcomes = outcomes_of(seen, first=1)
        found.append((outcomes, seen[0].tau_ns))
    return found


@pytest.mark.parametrize("slow_s", [15.0, 60.0])
async def test_a_step_reaches_every_cluster_of_the_node_and_is_one_event(slow_s: float) -> None:
    """Also one whose rounds are further apart: its page and alerts know, and the journal has it once."""
    quick = Cluster("quick", (node("n1"), node("n2")), thresholds=LINES)
    slow = Cluster("slow", (node("n1"),), interval_s=slow_s, thresholds=LINES)
    state, events, stepped = MonitorState(), [], []
    state.adopt((quick, slow))
    for number, (outcomes, at_ns) in enumerate(steps_of(rounds=13, step_at=6)):
        due = [quick, slow] if number * 15 % slow_s == 0 else [quick]
        result = await found(due, Canned(outcomes, at_ns), state)
        events += clock_events(result)
        for view in result.views:
            stepped += [(view.name, number) for one in view.nodes if one.stepped]
            if number > 9:
                first = view.nodes[0]
                assert first.steps == 1
                assert first.last_step is not None
                assert NS_PER_S in first.last_step
                age_s = (view.at_ns - first.last_step_at_ns) / NS_PER_S
                assert age_s == pytest.approx((number - 6) * 15, abs=0.1)
    assert stepped == [("quick", 6), ("slow", 6 if slow_s == 15 else 8)]
    (event,) = events
    assert (event.kind, event.node, event.cluster) == ("step", "n1", "quick")
    assert event.detail["clusters"] == ["quick", "slow"]


@pytest.mark.parametrize(("clocksource", "missed"), [("tsc", True), ("kvm-clock", False), ("", False)])
async def test_a_base_that_may_stand_still_has_no_past(
    monkeypatch: pytest.MonkeyPatch, clocksource: str, missed: bool
) -> None:
    """A pause of 40 ms is silent if replies take 75 ms; only a clock that no hypervisor stops has none.

    The least width of a conclusion would hide it: without that, history misses the truth.
    """
    monkeypatch.setattr("skewmon.clock.history.LEAST_SHARE", (0, 1))
    monkeypatch.setattr("skewmon.monitor.round.own_clocksource", lambda: clocksource)
    machines = [Machine(Random(seed), network="wan-5-75") for seed in range(3)]
    cluster, state = Cluster("c", tuple(node(f"n{number}") for number in range(3))), MonitorState()
    misses = 0
    for number in range(6):
        start_ns = 10**15 + number * 15 * NS_PER_S
        if number == 3:
            pause_base(machines, start_ns - NS_PER_S, 40_000_000)
        for machine in machines:
            machine.rest_until(start_ns)
        seen = observe_round(machines, start_ns)
        outcomes = outcomes_of(seen)
        (view,) = await run([cluster], Canned(outcomes, seen[0].tau_ns), state)
        for shown, one in zip(view.nodes, seen, strict=True):
            assert isinstance(shown.outcome, Measured)
            misses += not holds(shown.outcome.estimate.wall, one.truth.wall_units)
    assert (misses > 0) == missed


@pytest.mark.parametrize("others", [1, 2])
async def test_a_forecast_has_the_time_until_the_skew_passes_the_line(others: int) -> None:
    """Also of two nodes, whose reference lies midway: 50 ppm apart they are a second apart in 20,000 s."""
    machines = [
        Machine(Random(seed), network="loopback", rate_ppt=0 if seed else 50_000_000)
        for seed in range(1 + others)
    ]
    for machine in machines:
        machine._mono = machine._mono_rest = 0  # they agree at first
    cluster = Cluster("c", tuple(node(f"n{number}") for number in range(1 + others)), thresholds=LINES[1:])
    state, apart_s = MonitorState(), 0.0
    views: tuple[ClusterView, ...] = ()
    for number in range(40):
        start_ns = 10**15 + number * 15 * NS_PER_S
        for machine in machines:
            machine.rest_until(start_ns)
        seen = observe_round(machines, start_ns)
        outcomes = outcomes_of(seen)
        views += await run([cluster], Canned(outcomes, seen[0].tau_ns), state)
        apart_s = (seen[0].truth.wall_ns - seen[1].truth.wall_ns) / NS_PER_S
    outlook = views[-1].nodes[0].forecast
    assert outlook is not None
    assert outlook.ahead
    (line,) = outlook.passings
    assert line.earliest_s <= (1 - apart_s) / 50e-6 <= line.latest_s
    assert line.earliest_s > 18_000
    assert line.latest_s < 22_000


@pytest.mark.parametrize("before_ns", [NS_PER_S, -40_000_000], ids=["between rounds", "amid a round"])
@pytest.mark.parametrize("rung", ["python3", "bash"])
async def test_sleep_of_the_admin_box_is_detected_by_its_own_clocks(
    monkeypatch: pytest.MonkeyPatch, rung: str, before_ns: int
) -> None:
    """With one node there is no majority, and after an hour its connections may all be gone."""
    slept_ns, hour_ns = 5 * NS_PER_S, 3600 * NS_PER_S
    monkeypatch.setattr("skewmon.monitor.round.own_sleep_ns", lambda: slept_ns)
    machine = Machine(Random(1), rung=rung, rate_ppt=20_000_000)
    cluster, state = Cluster("c", (node("n1"),)), MonitorState()
    paused, events = [], []
    for number in range(6):
        start_ns = 10**15 + number * 15 * NS_PER_S
        if number == 3:
            pause_base([machine], start_ns - before_ns, hour_ns)
            slept_ns += hour_ns
        machine.rest_until(start_ns)
        seen = machine.observe(start_ns, tau_ns=start_ns + 50_000_000)
        one: Outcome = Measured(seen.burst, estimate(seen.burst, seen.tau_ns))
        result = await found([cluster], Canned({"n1": one}, seen.tau_ns), state)
        paused += [result.base_pause]
        events += [event.kind for event in clock_events(result)]
    assert events == ["admin-box-paused"]
    (asleep,) = filter(None, paused)
    assert paused.index(asleep) == 3
    assert hour_ns in asleep
    assert +state.node(node("n1").endpoint).resets == {"base-paused": 1}


async def test_two_names_of_one_place_are_one_measurement() -> None:
    """Reached at the same address in the same way."""
    outcomes, at_ns = answers(0, 0)
    twin = Node("twin", "n1.example.com")
    views = await run([Cluster("c", (node("n1"), node("n2")))], Canned(outcomes, at_ns))
    assert twin.endpoint == node("n1").endpoint
    assert views[0].measured == 2


async def test_a_node_that_failed_is_absent_at_once() -> None:
    """From offsets, pairs and skew; its failure is counted by reason."""
    outcomes, at_ns = answers(0, 0, 70 * NS_PER_S)
    cluster, state = Cluster("c", tuple(map(node, outcomes)), thresholds=LINES), MonitorState()
    (before,) = await run([cluster], Canned(outcomes, at_ns), state)
    assert before.verdict == "critical"
    (after,) = await run([cluster], Canned({**outcomes, "n3": DOWN}, at_ns), state)
    assert after.nodes[2].offset is None
    assert after.nodes[2].failures == {Reason.NO_ANSWER: 1}
    assert {pair.node for pair in after.pairs} | {pair.peer for pair in after.pairs} == {"n1", "n2"}
    assert after.skew is not None
    assert after.skew.upper_ns < NS_PER_S
    assert after.verdict == "unknown"
    assert after.rounds == 2


@pytest.mark.parametrize("up", [0, 1])
async def test_nothing_to_compare_is_unknown(up: int) -> None:
    """No node, or one alone."""
    outcomes, at_ns = answers(0, 0)
    for name in list(outcomes)[up:]:
        outcomes[name] = DOWN
    (view,) = await run([Cluster("c", tuple(map(node, outcomes)), thresholds=LINES)], Canned(outcomes, at_ns))
    assert view.verdict == "unknown"
    assert view.skew is None
    assert view.pairs == ()
    assert view.worst is None


# --- any answer of a node ----------------------------------------------------------------------------

extremes = st.one_of(
    st.integers(-(10**20) + 1, 10**20 - 1),
    st.sampled_from([0, 1, -1, 10**18, -(10**18), 10**20 - 1, 1 - 10**20, 2**63, -(2**63)]),
)
quanta = st.builds(Quantum, st.integers(0, 10**9), st.integers(0, 10**9))


@st.composite
def bursts(draw: st.DrawFn, start_ns: int) -> tuple[Burst, int]:
    """Draw any reply that the session accepts: any clocks, but RAW never backwards in one reply."""
    plain = draw(st.booleans())
    quantum = draw(quanta)
    program = Program(
        draw(st.sampled_from(["python3", "bash", "date-s"])),
        draw(st.sampled_from(["", "b1", "b2"])),
        draw(st.sampled_from(["", "tsc", "kvm-clock"])),
        quantum,
        *((None, None, None) if plain else (quantum, quantum, quantum)),
    )
    now_ns, exchanges = start_ns, []
    steady = draw(st.booleans())
    base = draw(extremes)
    for _ in range(draw(st.integers(2, 4))):
        sent_ns, now_ns = now_ns, now_ns + draw(st.integers(0, 10**10))
        clock = (lambda at=sent_ns: base + at) if steady else (lambda: draw(extremes))
        raws = sorted((clock(), clock()))
        rest = (None,) * 4 if plain else (*raws, clock(), clock())
        exchanges.append(Exchange(sent_ns, now_ns, clock(), clock(), *rest))
    return Burst(program, tuple(exchanges[:-1]), exchanges[-1]), exchanges[-1].sent_ns


@settings(max_examples=150)
@given(st.data())
async def test_no_clock_that_a_node_can_show_breaks_a_round(data: st.DataObject) -> None:
    """Through history, drift, findings, verdict and JSON; the healthy nodes stay measured."""
    state, start_ns = MonitorState(), 10**15
    healthy, _ = answers(0, 0)
    for _ in range(data.draw(st.integers(1, 3))):
        burst, at_ns = data.draw(bursts(start_ns))
        start_ns = at_ns + data.draw(st.integers(10**10, 10**12))
        try:
            wild: Outcome = Measured(burst, estimate(burst, at_ns))
        except ProbeError as error:
            wild = error.failed
        cluster = Cluster("c", (node("n1"), node("n2"), node("wild")), thresholds=LINES)
        views = await run([cluster], Canned({**healthy, "wild": wild}, at_ns), state)
        assert views[0].nodes[0].offset is not None
        text = encode(status(Snapshot(NS_PER_S, tuple(views))))
        assert b"NaN" not in text
        assert b"Infinity" not in text
        assert views[0].skew is not None
        assert math.isfinite(views[0].skew.upper_ns / NS_PER_S)


async def test_a_missing_answer_and_a_missing_node_turn_no_vote() -> None:
    """Three of five nodes follow one server. First the daemon of n2 misses an answer, then n2 itself."""
    outcomes, at_ns = answers(0, 0, *[5 * NS_PER_S] * 3)
    cluster, state = Cluster("five", tuple(map(node, outcomes)), thresholds=LINES), MonitorState()
    for one, server in zip(cluster.nodes, ("1", "2", "66", "66", "66"), strict=True):
        state.note_status(one.endpoint, SyncStatus("chronyd", synchronized=True, refid=f"192.0.2.{server}"))
    (view,) = await run([cluster], Canned(outcomes, at_ns), state)
    assert (view.vote.verdict, view.vote.disputed) == ("undetermined", ("n1", "n2"))
    silent = SyncStatus("unknown", failures=("The time tools did not end.",))
    state.note_status(cluster.nodes[1].endpoint, silent)
    (view,) = await run([cluster], Canned(outcomes, at_ns), state)
    assert (view.vote.verdict, view.vote.disputed) == ("undetermined", ("n1", "n2"))
    assert view.nodes[1].timesync == silent
    (view,) = await run([cluster], Canned({**outcomes, "n2": DOWN}, at_ns), state)
    assert (view.vote.verdict, view.vote.disputed) == ("undetermined", ("n1",))


async def test_one_machine_under_two_names_has_one_vote() -> None:
    """The names show one boot id; without that they outvote the third."""
    outcomes, at_ns = answers(0, -8 * NS_PER_S)
    twice = {"db1": outcomes["n2"], "db1.example.com": outcomes["n2"], "db2": outcomes["n1"]}
    cluster = Cluster("db", tuple(map(node, twice)), thresholds=LINES)
    (view,) = await run([cluster], Canned(twice, at_ns))
    assert (view.vote.verdict, view.vote.culprits) == ("undetermined", ())
    assert "db1, db1.example.com show one boot id and have one vote." in view.vote.evidence
    unknown = answers(0, -8 * NS_PER_S, -8 * NS_PER_S, seed=5)[0]
    (view,) = await run([Cluster("db", tuple(map(node, unknown)), thresholds=LINES)], Canned(unknown, at_ns))
    assert view.vote.culprits == ("n1",)


async def test_a_rate_that_jumps_is_one_event_of_the_journal() -> None:
    """With its size, but not as a step: the wall clock was not set."""
    machine = Machine(Random(3), network="loopback", rate_ppt=90 * PPM)
    machine.schedule(10**15 + 95 * NS_PER_S, RateJump(-200 * PPM))
    cluster, state, events = Cluster("c", (node("n1"),)), MonitorState(), []
    for number in range(12):
        start_ns = 10**15 + number * 15 * NS_PER_S
        machine.rest_until(start_ns)
        seen = machine.observe(start_ns)
        one: Outcome = Measured(seen.burst, estimate(seen.burst, seen.tau_ns))
        result = await found([cluster], Canned({"n1": one}, seen.tau_ns), state)
        events += clock_events(result)
    (event,) = events
    assert (event.kind, event.node) == ("oscillator-jump", "n1")
    assert event.message.startswith("The oscillator of n1 left its course, by 2.0")
    assert result.views[0].nodes[0].steps == 0


@pytest.mark.parametrize("interval_s", [2, 15])
@pytest.mark.parametrize(("ppm", "off"), [(90, False), (-150, True), (300, True), (-800, True)])
async def test_an_oscillator_that_is_off_is_named_within_five_rounds(
    interval_s: int, ppm: int, off: bool
) -> None:
    """From 150 ppm on, and never at 90, while rates wander by 15 ppm within minutes."""
    machines = [
        Machine(Random(seed), network="loopback", rate_ppt=rate_ppm * PPM)
        for seed, rate_ppm in enumerate((ppm, 20, -20))
    ]
    cluster, state = Cluster("c", tuple(node(f"n{number}") for number in range(3))), MonitorState()
    named = []
    for number in range(40):
        start_ns = 10**15 + number * interval_s * NS_PER_S
        for machine in machines:
            machine.rest_until(start_ns, wander_ppt=wander_ppt(machine.at_ns, start_ns - machine.at_ns))
        seen = observe_round(machines, start_ns)
        (view,) = await run([cluster], Canned(outcomes_of(seen), seen[0].tau_ns), state)
        named.append([one.name for one in view.nodes for found in one.findings if "oscillator" in found.kind])
        assert view.findings == ()
        shown = view.nodes[0].oscillator
        assert shown is not None
        assert (shown.ageing_ns is None) == (number > 1)  # the cost of the first rounds
        assert shown.lower < ppm * 1e-6 < shown.upper
    assert shown.upper - shown.lower < 60e-6
    assert named[5:] == [["n0"] * off] * 35
    assert all(names in ([], ["n0"] * off) for names in named)


async def test_a_rate_of_the_admin_box_that_jumps_is_one_event_and_no_nodes() -> None:
    """Its oscillator speeds up by 200 ppm, and all nodes seem to fall behind alike; UTC's rate is lost."""
    machines = [Machine(Random(seed), network="loopback", rate_ppt=seed * 10 * PPM) for seed in range(4)]
    cluster, state, events = (
        Cluster("c", tuple(node(f"n{number}") for number in range(4))),
        MonitorState(),
        [],
    )
    state.references.adopt([TimeServer("utc", "192.0.2.1")])
    (reference,), known = state.references.states, []
    before, after = (Constraint(10**15 - age_s * NS_PER_S, 0, 1000) for age_s in (64, 0))
    reference.clock = ReferenceClock.begun(before).after(after, steady=True)
    reference.reply = ntp_packet.parse(bytes([4 << 3 | 4]) + bytes(47))
    for number in range(12):
        start_ns = 10**15 + number * 15 * NS_PER_S
        for machine in machines:
            if number == 6:
                machine.schedule(start_ns - 10 * NS_PER_S, RateJump(-200 * PPM))
            machine.rest_until(start_ns)
        seen = observe_round(machines, start_ns)
        events += clock_events(await found([cluster], Canned(outcomes_of(seen), seen[0].tau_ns), state))
        known.append(reference.clock.learned.mean is not None)
    (event,) = events
    assert known[:6] == [True] * 6
    assert not known[-1]
    assert (event.kind, event.node, event.cluster) == ("oscillator-jump", None, None)
    assert event.message.startswith("The oscillator of the admin box left its course, by 2")
    assert " ms forward: " in event.message

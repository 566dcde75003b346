"""Real SSH servers with known clocks: every interval holds the truth, no proven skew exceeds it."""

import asyncio
import socket
import statistics
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

from skewmon.cli.main import run
from skewmon.model import NS_PER_S, Cluster, ClusterView, Measured, Threshold
from skewmon.monitor.check import check, opened
from skewmon.probe.sweep import Sweeper
from tests.fleet.relay import Relay
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import (
    TIMEOUT_S,
    assert_inside,
    assert_true,
    in_order,
    measured,
    measured_once,
    node_of,
    nodes_of,
)

DAY_NS = 86_400 * NS_PER_S
HOUR_NS = 3_600 * NS_PER_S

LINES = (Threshold("warning", 50_000_000), Threshold("critical", NS_PER_S))


def random_offset_ns(rng: Random) -> int:
    """Draw from three days behind to an hour ahead, in whole microseconds; most nodes are nearly right."""
    if rng.random() < 0.5:
        return rng.randrange(-100_000, 100_000) * 1_000
    return rng.randrange(-3 * DAY_NS // 1_000, HOUR_NS // 1_000) * 1_000


def assert_honest(fleet: Fleet, view: ClusterView) -> None:
    """Every pair of a cluster holds the true difference; the skew claims no more than is true."""
    ats = {one.outcome.estimate.at_ns for one in view.nodes if isinstance(one.outcome, Measured)}
    assert view.measured == len(fleet), [one.outcome for one in view.nodes]
    assert len(ats) == 1
    truth = {node.name: node.clock.truth_offset_at(next(iter(ats))) for node in fleet.nodes}
    assert len(view.pairs) == len(fleet) * (len(fleet) - 1) // 2
    for pair in view.pairs:
        assert truth[pair.node] - truth[pair.peer] in pair.offset, (pair, truth)
    assert view.skew is not None
    largest = max(abs(truth[one] - truth[other]) for one, other in combinations(truth, 2))
    assert view.skew.lower_ns <= largest <= view.skew.upper_ns


async def measure_random_fleet(seed: int) -> None:
    """Start a fleet of random size, offsets and drifts, check it and compare with the truth."""
    rng = Random(seed)
    count = rng.randint(3, 8)
    async with Fleet(count, offsets_ns=[random_offset_ns(rng) for _ in range(count)]) as fleet:
        for node in fleet.nodes:
            node.clock.drift(rng.randint(-50, 50))
        cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES)
        snapshot = await check([cluster], rounds=2, timeout_s=TIMEOUT_S)
        assert_honest(fleet, snapshot.clusters[0])


@pytest.mark.parametrize("seed", range(4))
async def test_a_random_fleet_is_measured_truly(seed: int) -> None:
    """From three days behind to an hour ahead."""
    await measure_random_fleet(seed)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 150))
async def test_fifty_random_fleets_are_measured_truly(seed: int) -> None:
    """The same, many times over."""
    await measure_random_fleet(seed)


async def test_the_node_that_is_ahead_is_named_with_its_sign() -> None:
    """Seventy seconds ahead: a positive offset, two proven pairs, one culprit."""
    async with Fleet(3, offsets_ns=[0, 70 * NS_PER_S, 2_000_000]) as fleet:
        cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES)
        view = (await check([cluster], rounds=1, timeout_s=TIMEOUT_S)).clusters[0]
    assert view.verdict == "critical"
    assert view.vote.culprits == ("n2",)
    ahead = view.nodes[1].offset
    assert ahead is not None
    assert 69 * NS_PER_S < ahead.lower_ns < 71 * NS_PER_S
    assert view.skew is not None
    assert 70 * NS_PER_S - view.skew.lower_ns < 5_000_000


def test_check_judges_by_the_profile_below_its_options(tmp_path: Path) -> None:
    """``-w`` replaces the profile's warning alone: 70 s are critical for the profile, as for the daemon."""
    with Fleet(3, offsets_ns=[0, 70 * NS_PER_S]) as fleet:
        nodes = [f"{node.user}@{node.address}:{node.port}" for node in fleet.nodes]
        keys = ["-i", str(fleet.identity), "--known-hosts", str(fleet.known_hosts)]
        assert run(["check", "--profile", "cockroachdb", "-w", "10ms", *keys, *nodes]) == 2
        config = str(fleet.write_config(tmp_path / "skewmon.yml", cluster={"profile": "cockroachdb"}))
        assert run(["check", "--config.file", config, "-w", "10ms"]) == 2
        assert run(["check", "-w", "10ms", *keys, *nodes]) == 1


async def test_many_rounds_of_moving_clocks_hold_the_truth() -> None:
    """Steps, slews at the limit, drifts and pauses while rounds are under way."""
    rng = Random(11)
    async with Fleet(4) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        sweeper, seen = Sweeper(), 0
        for _ in range(150):
            node = rng.choice(fleet.nodes)
            rng.choice(
                (
                    lambda n: n.clock.step(rng.randrange(-(10**9), 10**9)),
                    lambda n: n.clock.slew(rng.choice((0, 500, -500, "83333.333", "-83333.333"))),
                    lambda n: n.clock.drift(rng.randint(-45, 45)),
                    lambda n: n.clock.suspend(rng.randint(1, 30)),
                    lambda n: n.clock.pause(1),
                )
            )(node)
            sweep = await sweeper.sweep(links, 8)
            for one, outcome in zip(fleet.nodes, sweep.outcomes.values(), strict=True):
                assert_inside(one, outcome)
                seen += 1
        assert seen == 600


async def test_a_clock_set_during_a_burst_is_never_reported_wrongly() -> None:
    """A step in the middle of a burst is enclosed or refused."""
    rng = Random(12)
    async with Fleet(2) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        sweeper, rounds, told = Sweeper(), 0, 0
        moving = asyncio.create_task(shake(fleet, rng))
        try:
            # On a quick machine 200 rounds are over before the clocks have moved often enough.
            while rounds < 200 or steps_of(fleet) <= 20:
                rounds += 1
                sweep = await sweeper.sweep(links, 8)
                for node, outcome in zip(fleet.nodes, sweep.outcomes.values(), strict=True):
                    if isinstance(outcome, Measured):
                        assert_inside(node, outcome)
                        told += 1
        finally:
            moving.cancel()
        assert told > 200
        assert steps_of(fleet) > 20


def steps_of(fleet: Fleet) -> int:
    """Return how often clocks of the fleet were changed."""
    return sum(node.clock.changes for node in fleet.nodes)


async def shake(fleet: Fleet, rng: Random) -> None:
    """Step a clock now and then, never twice in one round."""
    while True:
        await asyncio.sleep(rng.uniform(0.02, 0.06))
        rng.choice(fleet.nodes).clock.step(rng.choice((-1, 1)) * 10 ** rng.randrange(3, 12))


async def test_the_bound_on_loopback_is_tens_of_microseconds() -> None:
    """Far below any relevant skew; a machine under load is granted twenty times more."""
    async with Fleet(2) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        sweeps = [await Sweeper().sweep(links, 8) for _ in range(20)]
    bounds = [measured(one).estimate.wall.bound_ns for sweep in sweeps for one in sweep.outcomes.values()]
    assert statistics.median(bounds) < 1_000_000


# --- paths ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["forward", "backward"])
async def test_delay_on_one_way_only_costs_half_of_it_and_never_the_truth(way: str) -> None:
    """0 to 200 ms: the bound grows by half a second for each second of round trip."""
    async with Fleet(1, offsets_ns=[-123_456_789]) as fleet:
        node = fleet["n1"]
        with Relay.before(fleet, node) as relay:
            through = replace(node_of(fleet, node, port=relay.port), address=relay.address)
            points = []
            async with opened([through], TIMEOUT_S) as links:
                for delay_s in (0.0, 0.02, 0.05, 0.1, 0.2):
                    relay.delay(way, delay_s=delay_s)
                    outcome = in_order(await Sweeper().sweep(links, 4))[0]
                    assert_inside(node, outcome)
                    estimate = measured(outcome).estimate
                    assert estimate.round_trip_ns >= delay_s * NS_PER_S
                    points.append((estimate.round_trip_ns, estimate.wall.bound_ns))
    slope = statistics.linear_regression(*zip(*points, strict=True)).slope
    assert abs(slope - 0.5) <= 0.01, points


async def test_jitter_and_one_sided_queues_hold_the_truth() -> None:
    """Each way waits for another random time."""
    async with Fleet(1) as fleet:
        node = fleet["n1"]
        with Relay.before(fleet, node) as relay:
            through = replace(node_of(fleet, node, port=relay.port), address=relay.address)
            async with opened([through], TIMEOUT_S) as links:
                relay.delay("forward", delay_s=0.001, jitter_s=0.03)
                relay.delay("backward", delay_s=0.0, jitter_s=0.002)
                for _ in range(10):
                    assert_inside(node, in_order(await Sweeper().sweep(links, 8))[0])


async def test_one_slow_node_does_not_widen_the_others() -> None:
    """Near nodes are measured again when the far one has answered at last."""
    async with Fleet(3) as fleet:
        slow = fleet["n3"]
        with Relay.before(fleet, slow) as relay:
            relay.delay("forward", delay_s=0.15)
            far = replace(node_of(fleet, slow, port=relay.port), address=relay.address)
            nodes = [*nodes_of(fleet)[:2], far]
            async with opened(nodes, TIMEOUT_S) as links:
                sweeper = Sweeper()
                await sweeper.sweep(links, 8)  # learns which nodes are near and which are far
                sweep = await sweeper.sweep(links, 8)
    bounds = [measured(one).estimate.wall.bound_ns for one in sweep.outcomes.values()]
    assert max(bounds[:2]) < 5_000_000 < 70_000_000 < bounds[2]


@pytest.mark.parametrize("hops", [1, 2])
async def test_nodes_behind_bastions_are_measured(hops: int) -> None:
    """ProxyJump through one real sshd and through two; the stamps are those of the outer socket."""
    async with Fleet(4, offsets_ns=[0, 0, 5 * NS_PER_S, -7 * NS_PER_S]) as fleet:
        jump = tuple(f"{node.user}@{node.address}:{node.port}" for node in fleet.nodes[:hops])
        inner = fleet.nodes[2:]
        nodes = [node_of(fleet, node, jump=jump) for node in inner]
        sweep = await measured_once(nodes)
        for node, outcome in zip(inner, sweep.outcomes.values(), strict=True):
            assert_inside(node, outcome)
        # One login at each bastion, however many nodes are behind it.
        assert [fleet.nodes[hop].log.count("Accepted publickey") for hop in range(hops)] == [1] * hops


async def test_a_node_at_an_ipv6_address_is_measured() -> None:
    """::1, with brackets in known_hosts."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        port = probe.getsockname()[1]
    login = Login(sshd_lines=(f"ListenAddress [::1]:{port}",))
    async with Fleet(1, login=login, offsets_ns=[NS_PER_S]) as fleet:
        fleet.trust("::1", port, fleet["n1"])
        node = node_of(fleet, fleet["n1"], port=port)
        sweep = await measured_once([replace(node, address="::1")])
        assert_inside(fleet["n1"], in_order(sweep)[0])


async def test_a_node_that_reboots_between_rounds_is_measured_again() -> None:
    """Other boot, other oscillator: a new program on a new connection."""
    async with Fleet(1) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        assert_true(fleet, await Sweeper().sweep(links, 8))
        fleet["n1"].clock.reboot()
        assert_true(fleet, await Sweeper().sweep(links, 8))

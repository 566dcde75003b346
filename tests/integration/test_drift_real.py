"""A clock that drifts: its published rate, and when it will pass the line."""

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest

from skewmon.clock.burst import estimate
from skewmon.export.status import status
from skewmon.model import NS_PER_S, Cluster, Measured, Node, Outcome, Snapshot, Threshold
from skewmon.monitor.state import MonitorState
from tests.clock.simulator import PPM, Machine, holds, observe_round
from tests.fleet.sshd import Fleet
from tests.integration.running import Running
from tests.monitor.rounds import round_of

RATE_PPM = 50
LIMIT_S = 1.0

#: The time in which a free clock 50 ppm fast gains a second: five and a half hours.
WHOLE_S = LIMIT_S / RATE_PPM * 1e6

#: The promise after ten minutes of rounds every ten seconds.
ROUNDS, INTERVAL_NS = 60, 10 * NS_PER_S
PROMISED = 0.5e-6


def assert_foreseen(node: dict[str, Any], breach_s: float, *, accuracy: float) -> None:
    """Compare a node's published drift and breach with the truth."""
    drift = node["drift"]
    assert drift is not None
    assert drift["lower"] <= RATE_PPM * 1e-6 <= drift["upper"]
    assert abs(drift["ratio"] - RATE_PPM * 1e-6) <= accuracy
    left_s = WHOLE_S - node["offset"]["seconds"] / RATE_PPM * 1e6
    assert abs(breach_s - left_s) <= left_s / 10
    foreseen = node["forecast"]
    assert foreseen["direction"] == "ahead"
    (line,) = foreseen["thresholds"]
    assert line["seconds"] == LIMIT_S
    assert line["earliest_seconds"] == pytest.approx(breach_s)
    assert line["earliest_seconds"] <= left_s <= line["latest_seconds"]


@pytest.mark.parametrize("network", ["loopback", "lan", "lan-loaded", "lan-forward"])
def test_ten_minutes_of_drift_are_known_to_half_a_ppm(network: str) -> None:
    """The rate to the cluster's reference and the forecast of a second, at full length in simulation."""
    machines = [
        Machine(Random(f"{network}-{number}"), network=network, rate_ppt=rate_ppm * PPM)
        for number, rate_ppm in enumerate((RATE_PPM, 0, 0))
    ]
    for machine in machines:
        machine._mono = 0  # all three begin together
    nodes = tuple(Node(f"n{number}", f"10.0.0.{number}") for number in (1, 2, 3))
    cluster = Cluster("c", nodes, interval_s=10, thresholds=(Threshold("critical", NS_PER_S),))
    state, published = MonitorState(), 0
    for number in range(1, ROUNDS + 1):
        start_ns = 10**15 + number * INTERVAL_NS
        for machine in machines:
            machine.rest_until(start_ns)
        outcomes: dict[str, Outcome] = {}
        truths: dict[str, int] = {}
        for node, seen in zip(nodes, observe_round(machines, start_ns), strict=True):
            plain = Measured(seen.burst, estimate(seen.burst, seen.tau_ns))
            outcomes[node.name] = plain
            truths[node.name] = seen.truth.wall_units
        (view,) = round_of(state, cluster, outcomes, seen.tau_ns, number * INTERVAL_NS).views
        for one in view.nodes:
            assert isinstance(one.outcome, Measured)
            assert holds(one.outcome.estimate.wall, truths[one.name])
        drift = view.nodes[0].drift
        if drift is not None:  # from the first moment on, not only in the end
            assert drift.lower <= RATE_PPM * 1e-6 <= drift.upper
            published += 1
    assert published > ROUNDS // 2
    (found,) = status(Snapshot(0, (view,)))["clusters"]
    coming = view.nodes[0].forecast
    assert coming is not None
    breach_s = coming.passings[0].earliest_s
    assert_foreseen(found["nodes"][0], breach_s, accuracy=PROMISED)
    assert all(one.forecast is None for one in view.nodes[1:])


async def drifting(directory: Path, *, interval_s: int, for_s: float, accuracy: float) -> None:
    """Run the daemon on a real node that drifts, and compare its metrics with the truth."""
    async with Fleet(3) as fleet:
        fleet["n1"].clock.drift(RATE_PPM)
        config = fleet.write_config(
            directory / "skewmon.yml",
            cluster={"interval": f"{interval_s}s", "thresholds": [{"severity": "critical", "skew": "1s"}]},
            web={"listen": "127.0.0.1:0"},
            state_directory=str(directory / "state"),
        )
        async with Running(config) as daemon:
            await asyncio.sleep(for_s)  # the drift itself takes this long
            metrics, found = await asyncio.to_thread(_published, daemon)
            await daemon.end()
    node = found["nodes"][0]
    assert node["name"] == "n1"
    assert_foreseen(node, metrics["skewmon_node_time_to_breach_seconds"], accuracy=accuracy)
    assert abs(metrics["skewmon_node_drift_ratio"] - RATE_PPM * 1e-6) <= accuracy


def _published(daemon: Running) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the node's samples of the metrics and its cluster of the JSON, of one and the same round."""
    while True:
        before = daemon.cluster()
        lines = daemon.metrics().splitlines()
        if daemon.cluster()["round"] == before["round"]:
            break
    samples = {line.partition("{")[0]: float(line.rsplit(" ", 1)[1]) for line in lines if 'node="n1"' in line}
    return samples, before


async def test_a_real_node_that_drifts_is_foreseen(tmp_path: Path) -> None:
    """Forty seconds of rounds every second: too short for half a ppm, long enough for the forecast."""
    await drifting(tmp_path, interval_s=1, for_s=40, accuracy=2e-6)


@pytest.mark.prove
@pytest.mark.timeout(1200)
async def test_ten_real_minutes_of_drift_are_known_to_half_a_ppm(tmp_path: Path) -> None:
    """The promise itself, on a real node."""
    await drifting(tmp_path, interval_s=10, for_s=ROUNDS * 10, accuracy=PROMISED)

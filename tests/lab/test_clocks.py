"""Guest kernels with clocks of their own: measurements are compared with an independent reading."""

import asyncio
import re
from random import Random

import pytest

from skewmon.clock.steps import MovementKind
from skewmon.model import NS_PER_S
from tests.lab.cluster import Lab
from tests.lab.watch import JUMPS, Round, Watch, watched

pytestmark = pytest.mark.lab

ROUNDS = 30

#: As many as a rate looks back.
SLEW_ROUNDS = 32

FAST_ROUNDS = 6


def test_check_and_probe_measure_guests(three: Lab) -> None:
    """By the program that their Debian has; nothing is wrong with them but that no time daemon runs."""
    found = three.check()
    assert (found["verdict"], found["round"]["measured"]) == ("ok", 3)
    for node in found["nodes"]:
        assert node["probe"] == "python3"
        assert [one["kind"] for one in node["findings"]] == ["no-time-daemon"]
    config = three.write_config(three.directory / "probe.yml")
    done = three.skewmon("probe", "-v", "--config.file", str(config), "n2")
    assert done.returncode == 0, done
    assert three["n2"].address in done.stdout


async def assert_step_told(watch: Watch, name: str, size_ns: int) -> None:
    """Step one clock; the next round reports that alone, to within the node's own reads."""
    watch.lab[name].console.step(size_ns)
    found = await watch.round()
    ((node, movement),) = found.movements(*JUMPS)
    assert (node, movement.kind) == (name, MovementKind.STEP)
    assert movement.size is not None
    assert size_ns in movement.size.widened(1), (size_ns, movement)
    ((event),) = [event for event in found.events if event.kind == "step"]
    assert event.node == name
    assert f"jumped {'forward' if size_ns > 0 else 'back'}" in event.message


async def test_offsets_equal_the_consoles_and_steps_are_exact(three: Lab) -> None:
    """From 2 ms to an hour, either way: in every round every node and pair encloses the truth."""
    rng = Random(1)
    async with watched(three) as watch:
        for _ in range(ROUNDS):
            size_ns = round(2_000_000 * 10 ** rng.uniform(0, 6.2)) * rng.choice((-1, 1))
            await assert_step_told(watch, rng.choice(("n1", "n2", "n3")), size_ns)
            assert (await watch.round()).movements(*JUMPS) == []


async def test_a_clock_set_by_hand_is_reported(three: Lab) -> None:
    """As ``date -s`` does, by an amount that the ruler reads before and after."""
    async with watched(three) as watch:
        before = (await watch.round()).truths["n3"]
        three["n3"].shell("date -s '1 hour ago'")
        found = await watch.round()
        ((name, movement),) = found.movements(*JUMPS)
        after = found.truths["n3"]
        assert name == "n3"
        assert movement.size is not None
        assert movement.size.lower_ns <= after.upper_ns - before.lower_ns
        assert movement.size.upper_ns >= after.lower_ns - before.upper_ns
        assert abs(movement.size.estimate_ns + 3_600 * NS_PER_S) < 2 * NS_PER_S


async def test_slews_are_rates_and_never_steps(three: Lab) -> None:
    """As a daemon disciplines, both ways: the drift contains the value of adjtimex, and nothing jumped."""
    slewed = {"n1": 0, "n2": 300, "n3": -500}
    async with watched(three) as watch:
        for name, ppm in slewed.items():
            three[name].console.slew(ppm)
        for _ in range(SLEW_ROUNDS):
            found = await watch.round()
            assert found.movements(*MovementKind) == []
            assert found.events == []
            await asyncio.sleep(1)  # the cadence of a daemon: a rate is known to the bound over the time
    drifts = {node.name: node.drift for node in found.view.nodes}
    for name in ("n2", "n3"):
        drift = drifts[name]
        assert drift is not None
        assert drift.lower <= slewed[name] * 1e-6 <= drift.upper, (name, drift)
        assert abs(drift.ratio - slewed[name] * 1e-6) < 50e-6, (name, drift)


@pytest.mark.parametrize("ppm", [5_000, -40_000])
async def test_a_fast_slew_is_reported_as_one(three: Lab, ppm: int) -> None:
    """As chrony corrects a clock that is far off: the rate is reported, and no step."""
    async with watched(three) as watch:
        three["n2"].console.slew(ppm)
        told = []
        for _ in range(FAST_ROUNDS):
            await asyncio.sleep(0.5)
            found = await watch.round()
            assert found.movements(*JUMPS) == []
            told += found.movements(MovementKind.SLEW)
    ((name, movement),) = told
    assert name == "n2"
    # Reported as soon as seen: the round before it lay partly ahead of the change.
    assert movement.rate_ppb is not None
    assert 0.5 < movement.rate_ppb.estimate_ns / (ppm * 1_000) <= 1.001
    assert slewings(found) == {"n2": pytest.approx(ppm, rel=0.01)}  # and said for as long as it lasts


def slewings(found: Round) -> dict[str, int]:
    """Return the rates at which nodes are said to be steered."""
    said = [(node.name, f.message) for node in found.view.nodes for f in node.findings if f.kind == "slewing"]
    rates = [(name, re.search(r"being run (\d+) ppm (fast|slow)", message)) for name, message in said]
    return {name: int(rate[1]) * (1 if rate[2] == "fast" else -1) for name, rate in rates if rate}

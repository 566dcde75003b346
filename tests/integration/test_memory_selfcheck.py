"""Truths that the daemon holds every round against, on nodes that share the admin box's own kernel."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from tests.fleet.sshd import Fleet, FleetNode
from tests.integration.running import PATIENCE_S, Running

CANARY = r'skewmon_self_check_failures_total\{check="canary"\}'
ONE_KERNEL = r'skewmon_self_check_failures_total\{check="one-kernel"\}'


def share_our_kernel(node: FleetNode) -> None:
    """Let a node show this machine's own boot_id, as a container on it does."""
    path = node.clock.path
    own = Path("/proc/sys/kernel/random/boot_id").read_text()
    path.with_name(f"{path.name}.boot_id").write_text(own)


async def test_an_interval_that_misses_a_known_truth_is_counted(tmp_path: Path) -> None:
    """Nothing while all is well; both checks once a node on our own kernel reads another RAW than we do."""
    async with Fleet(3) as fleet:
        for name in ("n1", "n2"):
            share_our_kernel(fleet[name])
        config = fleet.write_config(
            tmp_path / "skewmon.yml",
            web={"listen": "127.0.0.1:0"},
            state_directory=str(tmp_path / "state"),
        )
        async with Running(config) as daemon:
            await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= 3)
            assert daemon.metric("skewmon_node_success") == 3
            assert (daemon.metric(CANARY), daemon.metric(ONE_KERNEL)) == (0, 0)
            assert 0 <= daemon.metric("skewmon_loop_lag_seconds") < PATIENCE_S
            fleet["n2"].clock.pause(1)
            await daemon.until(lambda: daemon.metric(CANARY) > 0 and daemon.metric(ONE_KERNEL) > 0)
            assert daemon.log.count("a self-check failed") == 2, "the first of each check, and no more"
            fleet["n3"].stop()
            await daemon.until(lambda: "not-measured" in {event["kind"] for event in events(daemon)})
            (started,) = [event for event in events(daemon) if event["kind"] == "started"]
            (outage,) = [event for event in events(daemon) if event["kind"] == "not-measured"]
            await daemon.end()
    assert started["message"] == "skewmon was started."
    assert outage["node"] == "n3"
    assert outage["message"].startswith("n3 is not measured: ")


def events(daemon: Running) -> list[dict[str, Any]]:
    """Return the journal's metrics."""
    with urllib.request.urlopen(f"http://{daemon.address}/api/v1/events", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["events"]
    return found

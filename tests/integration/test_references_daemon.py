"""References of a running daemon: queried within its rounds, exported, and changed by a reload."""

import json
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.fleet.sshd import Fleet
from tests.integration.container import prepare
from tests.integration.running import Running
from tests.integration.time_servers import time_servers

MS = 1_000_000

#: By how much a node is behind UTC.
BEHIND_NS = 250 * MS


def write(path: Path, document: dict[str, Any], references: list[object]) -> None:
    """Write the configuration with these references."""
    path.write_text(yaml.safe_dump({**document, "references": references}))


def value(metrics: str, series: str) -> float:
    """Return the value of one series."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics, re.MULTILINE)
    assert found, f"{series} is not among the metrics"
    return float(found[1])


async def test_a_daemon_has_utc_and_loses_it_with_its_references(tmp_path: Path) -> None:
    """Three real chronyds confirm it, a fourth one is named, and after a reload two are too few."""
    prepare()
    with time_servers(tmp_path) as servers, Fleet(2) as fleet:
        # The nodes' clocks begin at the kernel's, and so does UTC; the rest of the test is short.
        fleet.nodes[0].clock.step(-BEHIND_NS)
        good = [servers.near(f"good{number}", lines="local stratum 1") for number in range(3)]
        liar = servers.near("liar", ahead_ns=300 * MS, lines="local stratum 1")
        texts: list[object] = [f"{host}:{port}" for host, port in (*good, liar)]
        config = fleet.write_config(tmp_path / "skewmon.yml")
        document = yaml.safe_load(config.read_text())
        write(config, document, texts)
        async with Running(config) as daemon:
            await daemon.until(lambda: confirmed_liar(daemon.status()))
            status, metrics = daemon.status(), daemon.metrics()
            node = {one["name"]: one for one in status["clusters"][0]["nodes"]}[fleet.nodes[0].name]
            assert abs(node["utc_offset"]["seconds"] * 1e9 + BEHIND_NS) < 50 * MS
            series = f'node_utc_offset_seconds{{cluster_name="fleet",node="{node["name"]}"}}'
            assert abs(value(metrics, f"skewmon_{series}") * 1e9 + BEHIND_NS) < 50 * MS
            assert value(metrics, f'skewmon_reference_falseticker{{reference="{texts[3]}"}}') == 1
            assert value(metrics, f'skewmon_reference_success{{reference="{texts[0]}"}}') == 1
            with urllib.request.urlopen(f"http://{daemon.address}/", timeout=10) as page:
                assert "UTC is confirmed by 3 of 4 references." in page.read().decode()
            write(
                config, document, [texts[0], {"address": good[1][0], "port": good[1][1], "interval": "16s"}]
            )
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: len(daemon.status()["references"]) == 2)
            await daemon.until(lambda: daemon.cluster()["utc"]["state"] == "unconfirmed")
            assert "skewmon_node_utc_offset_seconds{" not in daemon.metrics()
            assert (
                json.dumps(daemon.cluster()["utc"]) == '{"state": "unconfirmed", "reason": "few-references"}'
            )
            await daemon.end()


def confirmed_liar(status: dict[str, Any]) -> bool:
    """Return whether UTC is confirmed, and the fourth reference known to be wrong."""
    if not status["clusters"] or status["clusters"][0]["utc"]["state"] != "confirmed":
        return False
    return [one["falseticker"] for one in status["references"]] == [False] * 3 + [True]

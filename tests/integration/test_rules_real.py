"""Every shipped rule fires on a real Prometheus that scrapes a real daemon and simulated nodes."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from skewmon.cli.rules import render
from tests.export import dashboard
from tests.fleet.node import free_port
from tests.integration.running import PATIENCE_S, Running
from tests.integration.scraper import Prometheus, prometheus

#: No process listens there, and no ordinary user could: connections are refused.
DEAD_PORT = 9

#: Rules look back this far instead of five minutes and an hour; the demo measures every two seconds.
WINDOW = "8s"

PROMETHEUS_CONFIG = """\
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: skewmon
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def shortened(text: str, window: str = WINDOW) -> str:
    """Return a rule file with the same conditions and a test's patience."""
    document = yaml.safe_load(text)
    for rule in [rule for group in document["groups"] for rule in group["rules"]]:
        rule["expr"] = re.sub(r"\[\d+[smh]\]", f"[{window}]", rule["expr"])
        rule["expr"] = re.sub(r"clamp_min\(4 \* (.*), 300\)", r"clamp_min(0.005 * \1, 1)", rule["expr"])
        for patience in {"for", "keep_firing_for"} & rule.keys():
            rule[patience] = "1s"
    return yaml.safe_dump(document)


def alert_names(text: str) -> set[str]:
    """Return the names of all alerts of a rule file."""
    groups = yaml.safe_load(text)["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


@asynccontextmanager
async def scraping(folder: Path, port: int, rules: Sequence[Path] = ()) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes a port."""
    place = folder / "prometheus"
    place.mkdir()
    listed = json.dumps([str(path) for path in rules])
    async with prometheus(place, PROMETHEUS_CONFIG.format(rules=listed, port=port)) as server:
        yield server


@asynccontextmanager
async def simulated_nodes(listen: str) -> AsyncIterator[dict[str, Any]]:
    """Run the nodes of the demonstration; return the daemon's configuration for them."""
    command = [sys.executable, "-m", "skewmon.demo", "--until-eof", "--listen", listen]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin
    assert process.stdout
    try:
        path = Path(json.loads(await process.stdout.readline())["config"])
        yield yaml.safe_load(path.read_text())
    finally:
        process.stdin.close()
        await process.wait()


def with_more_trouble(config: dict[str, Any], targets: Path) -> dict[str, Any]:
    """Return the demonstration's configuration with clusters for the remaining alerts."""
    nodes = {node["name"]: node for node in config["clusters"]["demo"]["nodes"]}
    gone = {"name": "n6b", "address": "127.0.0.1", "port": DEAD_PORT}
    line = {"severity": "warning", "skew": "10ms"}
    clusters = config["clusters"]
    clusters["demo"]["thresholds"].append({"severity": "warning", "drift": "20ppm"})
    clusters["dark"] = {"nodes": [nodes["n1"], nodes["n6"], gone], "interval": "2s"}
    clusters["doubtful"] = {"nodes": [nodes["n1"], nodes["n5"]], "interval": "2s", "thresholds": [line]}
    clusters["idle"] = {"nodes": [nodes["n1"], nodes["n2"]], "interval": "10m"}
    targets.write_text(json.dumps([{"targets": ["127.0.0.1", "Rack 12 PDU"]}]))
    clusters["listed"] = {"inventory": [{"file_sd": str(targets)}], "interval": "2s"}
    config["state_directory"] = "/dev/null/no-directory"
    config["alerts"] = {"alertmanagers": [f"http://127.0.0.1:{DEAD_PORT}"]}
    config["references"] = [f"127.0.0.1:{DEAD_PORT}"]
    return config


async def fires(server: Prometheus, name: str, **labels: str) -> None:
    """Wait until an alert fires with these labels."""
    own = "".join(f', {label}="{value}"' for label, value in labels.items())
    await server.until(f'ALERTS{{alertname="{name}", alertstate="firing"{own}}}')


#: The alerts that fire in this state, with their labels.
CONDITIONS: Sequence[tuple[str, dict[str, str]]] = (
    ("SkewmonNodeUnreachable", {"cluster_name": "demo", "node": "n6"}),
    ("SkewmonTimeSyncBroken", {"cluster_name": "demo", "node": "n4"}),
    ("SkewmonSkewUnknown", {"cluster_name": "dark"}),
    ("SkewmonNodesUnreachable", {"cluster_name": "dark"}),
    ("SkewmonAmbiguousForLong", {"cluster_name": "doubtful"}),
    ("SkewmonRoundsStale", {"cluster_name": "idle"}),
    ("SkewmonClockStepped", {"cluster_name": "demo", "node": "n3"}),
    ("SkewmonSkewHigh", {"cluster_name": "demo", "severity": "critical", "kind": "skew"}),
    ("SkewmonSkewHigh", {"cluster_name": "demo", "severity": "warning", "kind": "skew"}),
    ("SkewmonSkewHigh", {"cluster_name": "demo", "node": "n4", "kind": "drift"}),
    ("SkewmonJournalFailing", {}),
    ("SkewmonUtcUnconfirmed", {}),
    ("SkewmonRecordFailing", {}),
    ("SkewmonInventoryEntryRejected", {"cluster_name": "listed"}),
    ("SkewmonNotificationsFailing", {"notifier": "alertmanager"}),
)

#: Alerts that a daemon's death must not end.
HELD: Sequence[tuple[str, dict[str, str]]] = (
    ("SkewmonSkewHigh", {"cluster_name": "demo", "severity": "critical", "kind": "skew"}),
    ("SkewmonSkewHigh", {"cluster_name": "demo", "node": "n4", "kind": "drift"}),
    ("SkewmonNodeUnreachable", {"cluster_name": "demo", "node": "n6"}),
    ("SkewmonTimeSyncBroken", {"cluster_name": "demo", "node": "n4"}),
    ("SkewmonSkewUnknown", {"cluster_name": "dark"}),
)

#: Alerts that fire only after a fault of the daemon itself.
PROVOKED = {"SkewmonInventoryUnreadable", "SkewmonConfigReloadFailed", "SkewmonDown"}

#: Alerts that only a defect, or a moved clock of this machine, fires; the unit tests of the rules have them.
NEVER = {"SkewmonSelfCheckFailed", "SkewmonInternalError", "SkewmonAdminBoxOff"}


async def test_every_shipped_rule_fires_when_its_condition_holds(tmp_path: Path) -> None:
    """A jump, a drift, a dead node, a dark cluster, doubt, no journal, a broken reload, a daemon dead."""
    port = free_port("127.0.0.1")
    shipped = render(None)
    assert {name for name, _ in CONDITIONS} | PROVOKED | NEVER == alert_names(shipped)
    rules = [tmp_path / "shipped.yml", tmp_path / "own.yml"]
    rules[0].write_text(shortened(shipped))
    path, targets = tmp_path / "skewmon.yml", tmp_path / "targets.json"
    async with simulated_nodes(f"127.0.0.1:{port}") as config:
        path.write_text(yaml.safe_dump(with_more_trouble(config, targets)))
        rules[1].write_text(shortened(render(str(path))))
        async with scraping(tmp_path, port, rules) as server:
            async with Running(path) as daemon:
                for name, labels in CONDITIONS:
                    await fires(server, name, **labels)
                targets.unlink()
                daemon.send(signal.SIGHUP)
                await fires(server, "SkewmonInventoryUnreadable", cluster_name="listed")
                path.write_text("clusters: [this is no mapping]\n")
                daemon.send(signal.SIGHUP)
                await fires(server, "SkewmonConfigReloadFailed")
                daemon.send(signal.SIGSTOP)
                await fires(server, "SkewmonDown")
                daemon.send(signal.SIGCONT)
                await server.until('ALERTS{alertname="SkewmonDown", alertstate="firing"}', empty=True)
            await fires(server, "SkewmonDown")
            await server.until(f"absent_over_time(skewmon_skew_lower_seconds[{WINDOW}])")
            for name, labels in HELD:
                await fires(server, name, **labels)


#: The failed notifications: the demo has no receiver that could fail, so every reason is at 0.
NOTHING_FAILS = "skewmon-overview: Notifications-B"

#: The choices on the dashboards: everything, the node that jumps, the one that drifts.
CHOICES = ((".+", ".+"), ("demo", "n3"), ("demo", "n4"))

#: Metrics of what the demo has not: live inventories, a line for drift, references, a line for UTC, vantages.
NOT_IN_DEMO = re.compile(
    'skewmon_(inventory|threshold_ratio|reference|vantage|node_utc)|skewmon_threshold_seconds.*kind="utc"'
)


@pytest.fixture
async def demo() -> AsyncIterator[int]:
    """Run ``skewmon demo``; return the port of its page."""
    port = free_port("127.0.0.1")
    command = [sys.executable, "-m", "skewmon", "demo", "--no-table", "--no-site", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield port
    process.terminate()
    await process.wait()


async def test_every_panel_shows_the_demo(demo: int, tmp_path: Path) -> None:
    """Every query of the dashboards has data once the demo's clock has jumped; promtool likes its metrics."""
    async with scraping(tmp_path, demo) as server:
        await server.until("skewmon_skew_lower_seconds > 69")
        absent = {title for title, query in dashboard.queries() if NOT_IN_DEMO.search(query)}
        expected = absent | dashboard.ABOUT_ABSENCE
        empty = {title for title, _ in dashboard.queries()}
        async with asyncio.timeout(PATIENCE_S):
            while empty != expected:
                for title, query in (pair for one in CHOICES for pair in dashboard.queries(*one)):
                    if title in empty and await server.query(query):
                        empty.remove(title)
                assert empty >= expected
                await asyncio.sleep(0.5)
        failures = await server.query(dict(dashboard.queries())[NOTHING_FAILS])
        assert {float(series["value"][1]) for series in failures} == {0.0}
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{demo}/metrics") as answer:
        text = await answer.read()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert f'skewmon_web_info{{external_url="http://127.0.0.1:{demo}"}} 1.0' in text.decode()

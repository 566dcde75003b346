"""Real servers and NTP replies: UTC decides between two, against a majority, and about all nodes at once."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from skewmon.clock.ntp_schedule import BURST
from skewmon.model import NS_PER_S
from tests.fleet.sshd import Fleet
from tests.integration.recipient import INTERVAL_S, configured, healthy, running_recipient
from tests.integration.running import Running
from tests.integration.simple_references import Server, references

TOGETHER_NS = 200_000_000
FAR_NS = 70 * NS_PER_S

UTC_LINE = {"severity": "critical", "utc": "50ms", "for": "0s", "clear_for": "1s"}
SKEW_LINE = {"severity": "critical", "skew": "1s", "for": "0s", "clear_for": "1s"}

UTC_ALERT = ("SkewmonUtcDivergence", "fleet", None, "critical")


async def check(path: Path, *options: str) -> tuple[int | None, dict[str, Any]]:
    """Run ``skewmon check``; return its exit code and the cluster."""
    command = [sys.executable, "-m", "skewmon", "check", "--config.file", str(path), "-o", "json", *options]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    (cluster,) = json.loads(output)["clusters"]
    return process.returncode, cluster


async def test_a_cluster_that_is_off_together_is_one_alert_within_a_round(tmp_path: Path) -> None:
    """Five nodes 200 ms ahead: no skew, one alert of the cluster, the finding, and an end."""
    async with references() as places, Fleet(5) as fleet, running_recipient(tmp_path / "am") as recipient:
        alerts = {"alertmanagers": [recipient.alertmanager.url]}
        path = configured(fleet, tmp_path, alerts, thresholds=[UTC_LINE, SKEW_LINE])
        path.write_text(f"{path.read_text()}references: {json.dumps(places)}\n")
        async with Running(path) as daemon:
            await healthy(daemon, 5)
            await daemon.until(lambda: daemon.cluster()["utc"]["state"] == "confirmed")
            await daemon.until(lambda: daemon.cluster()["verdict"] == "ok")
            stepped_s = time.monotonic()
            for node in fleet:
                node.clock.step(TOGETHER_NS)
            await recipient.until_firing(UTC_ALERT)
            assert time.monotonic() - stepped_s <= 2 * INTERVAL_S + 1  # steps may fall into a round
            found = daemon.cluster()
            assert found["verdict"] == "critical"
            assert "cluster-off-utc" in {one["kind"] for one in found["findings"]}
            assert found["culprits"] == [node.name for node in fleet]
            assert found["message"].endswith(" ahead of UTC.")
            rounds = daemon.metric("skewmon_rounds_total")
            await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= rounds + 3)
            firing = await recipient.firing()
            assert [one for one in firing if one[0] != "SkewmonClockStepped"] == [UTC_ALERT]
            for node in fleet:
                node.clock.step(-TOGETHER_NS)
            await recipient.until_firing(UTC_ALERT, gone=True)
        assert recipient.received("firing").count(UTC_ALERT) == 1


async def test_references_that_are_removed_end_the_alert_and_get_no_second_burst(tmp_path: Path) -> None:
    """The journal has the reason; a reload that brings them back with another interval waits for it."""
    servers: list[Server] = []
    async with references(servers=servers) as places, Fleet(2, offsets_ns=[TOGETHER_NS] * 2) as fleet:
        path = configured(fleet, tmp_path, {}, thresholds=[UTC_LINE])
        text = path.read_text()
        path.write_text(f"{text}references: {json.dumps(places)}\n")
        async with Running(path) as daemon:
            await daemon.until(lambda: min(one.requests for one in servers) >= BURST)
            burst_s = time.monotonic()
            await daemon.until(lambda: daemon.metric("skewmon_alert_firing") > 0)
            path.write_text(text)
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: daemon.metric("skewmon_alert_firing") == 0)
            await daemon.until(lambda: "alert-resolved" in {one["kind"] for one in daemon.events()})
            ended = [one for one in daemon.events() if one["kind"] == "alert-resolved"]
            assert "withdrawn" in {one["detail"]["cause"] for one in ended}, ended
            assert any("configuration changed" in one["message"] for one in ended)
            for interval_s in (17, 16):
                slower = [
                    {"address": host, "port": int(port), "interval": f"{interval_s}s"}
                    for host, port in (place.split(":") for place in places)
                ]
                path.write_text(f"{text}references: {json.dumps(slower)}\n")
                loads, rounds = daemon.log.count("event=reloaded"), daemon.metric("skewmon_rounds_total")
                daemon.send(signal.SIGHUP)
                await daemon.until(lambda loads=loads: daemon.log.count("event=reloaded") > loads)
                await daemon.until(lambda rounds=rounds: daemon.metric("skewmon_rounds_total") >= rounds + 2)
            since_s = time.monotonic() - burst_s
            assert max(one.requests for one in servers) <= BURST + since_s / 16


async def test_without_references_a_cluster_that_is_off_together_looks_perfect(tmp_path: Path) -> None:
    """The documentation says so, and the verdict says that the line is not judged."""
    async with Fleet(5, offsets_ns=[TOGETHER_NS] * 5) as fleet:
        path = fleet.write_config(tmp_path / "skewmon.yml", cluster={"thresholds": [UTC_LINE, SKEW_LINE]})
        code, found = await check(path)
    assert (code, found["verdict"], found["culprits"]) == (0, "ok", [])
    assert not {"cluster-off-utc", "utc-unconfirmed"} & {one["kind"] for one in found["findings"]}
    assert found["message"].endswith("is not judged: no references are configured.")


@pytest.mark.parametrize(
    ("offsets_ns", "culprits", "evidence"),
    [
        ([0, FAR_NS], ["n2"], "n2 is provably at least 69.9"),
        pytest.param([-FAR_NS, 0], ["n1"], "n1 is provably at least 69.9", marks=pytest.mark.prove),
        pytest.param(
            [0, 0, *[FAR_NS] * 3],
            ["n3", "n4", "n5"],
            "n3, n4, n5 are provably more than 1 s from UTC",
            marks=pytest.mark.prove,
        ),
    ],
    ids=["ahead", "behind", "majority"],
)
async def test_three_references_decide_and_two_do_not(
    offsets_ns: Sequence[int], culprits: list[str], evidence: str, tmp_path: Path
) -> None:
    """Between two nodes, and against the majority; the evidence is one sentence."""
    async with references() as places, Fleet(len(offsets_ns), offsets_ns=offsets_ns) as fleet:
        path = fleet.write_config(tmp_path / "skewmon.yml", cluster={"thresholds": [SKEW_LINE]})
        three = [f"--reference={place}" for place in places]
        code, found = await check(path, *three)
        assert (code, found["culprits"]) == (2, culprits)
        assert found["culprit_evidence"].startswith(evidence)
        assert found["culprit_evidence"].endswith("by 3 independent references that agree.")
        assert found["culprit_evidence"].count(". ") == 0
        _, found = await check(path, *three[:2])
    assert found["utc"] == {"state": "unconfirmed", "reason": "few-references"}
    assert found["culprits"] != culprits

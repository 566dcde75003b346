"""Time tools that hang, flood or babble cost their node one limit and one finding, and the rounds nothing."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from skewmon.model import Cluster, ClusterView, Endpoint, Measured, SyncStatus, Threshold
from skewmon.monitor.check import opened
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.monitor.status_poller import StatusPoller
from skewmon.probe.link import Link
from skewmon.probe.sweep import Sweeper
from skewmon.timesync.script import TOOL_LIMIT_S
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import TIMEOUT_S, node_of, nodes_of

LINES = (Threshold("warning", 50_000_000),)

#: The sheet starts a dozen shells on a machine that others use, too.
SLACK_S = 6.0

#: How far the median bound of rounds beside a tool may exceed that of rounds alone: starting processes on the
#: same two cores is heard in the round trips, a disturbed session would add milliseconds.
NOISE_FACTOR = 4
NOISE_NS = 500_000

HANGS = "#!/bin/sh\nsleep 1000\n"
HANGS_DEAF = "#!/bin/sh\ntrap '' TERM INT HUP\nwhile :; do sleep 1000; done\n"
LEAVES_A_CHILD = "#!/bin/sh\nsleep 1000 &\nexit 0\n"
FLOODS = "#!/bin/sh\nhead -c 104857600 /dev/zero | tr '\\0' x\n"
FLOODS_BOTH = "#!/bin/sh\nhead -c 104857600 /dev/zero | tr '\\0' '\\n' | sed 's/^/y/' >&2\n"
GERMAN = (
    "#!/bin/sh\n"
    "echo 'Referenz-ID     : C0000201 (192.0.2.1)'\n"
    "echo 'Schicht         : 2'\n"
    "echo 'Systemzeit      : 0,000012 Sekunden vor der NTP-Zeit'\n"
)


def commands(directory: Path, **texts: str) -> Mapping[str, str]:
    """Write programs and return their endpoints by name."""
    for name, text in texts.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return {name: str(directory / name) for name in texts}


def without_daemons(**replaced: object) -> Login:
    """Return a login that finds no time tool but those that the test puts there."""
    tools = ("ntpq", "chronyc", "ntpctl", "timedatectl", "ntpstat", "ntptime", "adjtimex")
    return Login(without=tools, **replaced)  # type: ignore[arg-type]  # as many as the test wants


#: One bad tool a node, and its expected status.
BAD = {
    "n1": ("ntpq", HANGS, "tool-failed", "ntpq: timed-out"),
    "n2": ("chronyc", HANGS_DEAF, "tool-failed", "chronyc-sources: timed-out"),
    "n3": ("ntpq", FLOODS, "tool-failed", "ntpq: more output than is read"),
    "n4": ("chronyc", FLOODS_BOTH, "tool-failed", "chronyc-tracking: more output than is read"),
    "n5": ("chronyc", GERMAN, "unparsed-output", "the first of chronyc-tracking"),
}


async def test_a_bad_tool_costs_one_limit_and_a_finding(tmp_path: Path) -> None:
    """Both calls of each tool run at once, and its failure is reported for its node."""
    logins = {}
    for name, (tool, text, _, _) in BAD.items():
        (tmp_path / name).mkdir()
        logins[name] = without_daemons(commands=commands(tmp_path / name, **{tool: text}))
    async with Fleet(len(BAD), logins=logins) as fleet:
        view, took_s = await asked(fleet)
    assert took_s < TOOL_LIMIT_S + SLACK_S
    assert view.measured == len(BAD)
    for node in view.nodes:
        _, _, kind, said = BAD[node.name]
        found = {one.kind: one.message for one in node.findings}
        assert kind in found, node.timesync
        assert said in found[kind], found


async def asked(fleet: Fleet) -> tuple[ClusterView, float]:
    """Ask all nodes' daemons and measure once; return how long the asking took, too."""
    cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES)
    state = MonitorState()
    async with opened(list(cluster.nodes), TIMEOUT_S) as links:
        began = time.monotonic()
        await StatusPoller(state).query_all(links, TIMEOUT_S)
        took_s = time.monotonic() - began
        (view,) = (await run_round([cluster], links, Sweeper(), state)).views
    return view, took_s


@pytest.mark.prove
async def test_leftover_processes_of_a_tool_do_not_delay_the_status(tmp_path: Path) -> None:
    """A child that keeps the pipe open costs its tool's limit, and the rest of the sheet is read."""
    login = without_daemons(commands=commands(tmp_path, ntpq=LEAVES_A_CHILD))
    async with Fleet(1, login=login) as fleet:
        view, took_s = await asked(fleet)
    status = view.nodes[0].timesync
    assert took_s < TOOL_LIMIT_S + SLACK_S
    assert status is not None
    assert status.failures == (), status


async def test_a_short_check_reports_late_tools(tmp_path: Path) -> None:
    """The claims are missing, the clock is measured, and the silence does not count as health."""
    login = without_daemons(commands=commands(tmp_path, ntpq=HANGS))
    async with Fleet(1, login=login) as fleet:
        node = node_of(fleet, fleet["n1"])
        state = MonitorState()
        async with opened([node], TIMEOUT_S) as links:
            await StatusPoller(state).query_all(links, 1.0)
            (view,) = (await run_round([Cluster("fleet", (node,))], links, Sweeper(), state)).views
    assert view.nodes[0].timesync == SyncStatus(
        "unknown", failures=("The time tools did not end within 1 s.",)
    )
    (found,) = view.nodes[0].findings
    assert (found.kind, "did not end within 1 s" in found.message) == ("tool-failed", True)
    assert isinstance(view.nodes[0].outcome, Measured)


async def test_rounds_beside_bad_tools_are_as_narrow_as_alone(tmp_path: Path) -> None:
    """One node hangs, one floods, both asked again and again: no round fails or waits, no bound widens."""
    logins = {}
    for name, text in (("n2", HANGS), ("n3", FLOODS)):
        (tmp_path / name).mkdir()
        logins[name] = without_daemons(commands=commands(tmp_path / name, ntpq=text, chronyc=text))
    async with Fleet(3, login=without_daemons(), logins=logins) as fleet:
        cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES)
        async with opened(list(cluster.nodes), TIMEOUT_S) as links:
            alone = await rounds(cluster, links, 1.5)
            asking = asyncio.create_task(StatusPoller(MonitorState()).poll(links, 1.0))
            beside = await rounds(cluster, links, TOOL_LIMIT_S + 1.0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    assert all(view.measured == 3 for view in beside)
    assert statistics.median(view.duration_s for view in beside) < 1.0
    for name in ("n1", "n2", "n3"):
        assert bound_ns(beside, name) < NOISE_FACTOR * bound_ns(alone, name) + NOISE_NS


async def rounds(cluster: Cluster, links: Mapping[Endpoint, Link], seconds: float) -> list[ClusterView]:
    """Measure again and again, more often than a daemon would."""
    sweeper = Sweeper()
    views: list[ClusterView] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Each round stands for itself: history would narrow the later ones.
        views += (await run_round([cluster], links, sweeper, MonitorState())).views
        await asyncio.sleep(0.05)
    return views


def bound_ns(views: list[ClusterView], name: str) -> float:
    """Return the median bound of a node over rounds."""
    outcomes = [node.outcome for view in views for node in view.nodes if node.name == name]
    return statistics.median(one.estimate.wall.bound_ns for one in outcomes if isinstance(one, Measured))

"""Two nodes behind real sshd disagree: the admin box's vote, one machine under two names, the last step."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from skewmon.model import Cluster, ClusterView, Threshold
from skewmon.monitor.check import check, opened
from skewmon.monitor.round import run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweeper
from tests.fleet.sshd import Fleet
from tests.integration.measuring import TIMEOUT_S, nodes_of
from tests.integration.test_claims_hostile import commands, without_daemons

S = 1_000_000_000
LINES = (Threshold("warning", S // 20), Threshold("critical", S))

TRACKING = """#!/bin/sh
[ "$2" = tracking ] || exit 0
cat <<END
Reference ID    : {hex} ({server})
Stratum         : 3
Ref time (UTC)  : $(date -u '+%a %b %d %H:%M:%S %Y')
System time     : 0.000012 seconds slow of NTP time
Last offset     : +0.000003 seconds
RMS offset      : 0.000030 seconds
Frequency       : 12.500 ppm fast
Residual freq   : +0.001 ppm
Skew            : 0.020 ppm
Root delay      : 0.004000000 seconds
Root dispersion : 0.001000000 seconds
Update interval : 64.0 seconds
Leap status     : Normal
END
"""


def follows(last: int) -> str:
    """Return a chronyc whose chronyd says that 192.0.2.``last`` holds its clock to within 3 ms."""
    return TRACKING.format(hex=f"C00002{last:02X}", server=f"192.0.2.{last}")


@pytest.mark.parametrize(
    ("admin_server", "culprits"), [(9, ("n2",)), (1, ("n2",)), (None, ())], ids=["its own", "n1's", "none"]
)
async def test_the_admin_box_has_a_vote_while_it_is_synchronized(
    admin_server: int | None, culprits: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """n2 is 70 s ahead and believes its own server; by the two nodes alone neither is named."""
    logins = {}
    for name, server in (("n1", 1), ("n2", 2)):
        (tmp_path / name).mkdir()
        logins[name] = without_daemons(commands=commands(tmp_path / name, chronyc=follows(server)))
    if admin_server is not None:
        (tmp_path / "admin").mkdir()
        commands(tmp_path / "admin", chronyc=follows(admin_server))
        monkeypatch.setenv("PATH", f"{tmp_path / 'admin'}:{os.environ['PATH']}")
    async with Fleet(2, logins=logins) as fleet:
        fleet["n2"].clock.step(70 * S)
        cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES)
        (view,) = (await check([cluster], 1, TIMEOUT_S)).clusters
    assert view.vote.culprits == culprits, view.vote
    assert view.vote.verdict == ("named" if culprits else "undetermined")
    assert ("the other node and the admin box" in view.vote.evidence) == bool(culprits)
    assert ("All of these have one source, 192.0.2.1," in view.vote.evidence) == (admin_server == 1)


async def test_two_names_of_one_machine_do_not_outvote_another() -> None:
    """One sshd under two names, 7.8 s behind: one boot id, one clock, one vote."""
    async with Fleet(2, login=without_daemons()) as fleet:
        fleet["n1"].clock.step(-78 * S // 10)
        first, second = nodes_of(fleet)
        alias = replace(first, name="n1.example.com", ssh=replace(first.ssh, connect_timeout_s=9.0))
        cluster = Cluster("fleet", (first, alias, second), thresholds=LINES)
        (view,) = (await check([cluster], 1, TIMEOUT_S)).clusters
    assert view.measured == 3
    assert (view.vote.verdict, view.vote.culprits) == ("undetermined", ()), view.vote
    assert "n1, n1.example.com show one boot id and have one vote." in view.vote.evidence


async def test_of_two_nodes_the_last_step_is_reported() -> None:
    """Its node, size and time; neither node is named."""
    async with Fleet(2, login=without_daemons()) as fleet:
        cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=LINES)
        before, after = await rounds_around_a_step(cluster, fleet)
    assert before.vote.verdict == "none"
    assert (after.vote.verdict, after.vote.culprits) == ("undetermined", ())
    assert (
        "A step of n2 explains its distance to n1: it jumped backward by 70 s before" in after.vote.evidence
    )


async def rounds_around_a_step(cluster: Cluster, fleet: Fleet) -> list[ClusterView]:
    """Measure, set the second node back by 70 s, and measure again."""
    state, sweeper, views = MonitorState(), Sweeper(), []
    async with opened(list(cluster.nodes), TIMEOUT_S) as links:
        for step_ns in (0, -70 * S):
            fleet["n2"].clock.step(step_ns)
            views += (await run_round([cluster], links, sweeper, state)).views
    return views

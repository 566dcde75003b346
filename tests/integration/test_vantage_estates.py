"""Vantages as estates have them: slow, in a chain, shared by clusters, before IPv6 and names of their own."""

import asyncio
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from skewmon.errors import Reason
from skewmon.model import Cluster, Failed
from skewmon.probe import vantage
from skewmon.runtime.backoff import Backoff
from tests.fleet.clocks import build, shim
from tests.fleet.node import FleetNode, Login
from tests.fleet.sshd import Fleet
from tests.integration.measuring import failed, in_order, measured, measured_once, node_of
from tests.integration.sites import site
from tests.integration.test_ladder import NO_PYTHON
from tests.integration.test_vantage_fallback import FAULTS, RETURN_S, faulty_python, stamped, watched
from tests.integration.test_vantage_ways import RUNGS, shown

#: A login that takes so long is slow if nodes wait for a fourth of that.
SLOW_S = 2.0


async def test_a_slow_login_at_the_vantage_holds_up_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are measured around it first, without a finding, and through it once its relay is there."""
    monkeypatch.setattr(vantage, "WAIT_S", SLOW_S / 4)
    login = Login(shell="/bin/bash", rc_files={".bashrc": f"sleep {SLOW_S:g}"})
    async with site(2, delay_s=0.0, logins={"n1": login}) as far, watched(far.nodes()) as rounds:
        view = await rounds.one()
        assert stamped(view) == set()
        assert not [finding for one in view.nodes for finding in one.findings if "vantage" in finding.kind]
        await rounds.until_stamped("n2", "n3")


async def test_two_clusters_share_the_relay_of_their_bastion() -> None:
    """One login and one program, and the same axis."""
    async with site(2, delay_s=0.001) as far, watched(far.nodes()) as rounds:
        await rounds.until_stamped("n2", "n3")
        n2, n3 = rounds.cluster.nodes
        clusters = (Cluster("one", (n2,)), Cluster("two", (n2, n3)), Cluster("three", (n3,), interval_s=5.0))
        for several in (clusters, clusters[:2], clusters[2:], clusters):
            views = (await rounds.monitor.round(several)).complete_views()
            assert [stamped(view) for view in views] == [
                {node.name for node in cluster.nodes} for cluster in several
            ]
        assert set(rounds.monitor.state.vantages) == {far.label}
        assert far.bastion.log.count("Accepted publickey") == 1
        assert far.bastion.log.count("Starting session: command") == 1


async def test_each_of_two_bastions_in_a_chain_may_stamp() -> None:
    """The first for a node that names it, the last for the others."""
    async with Fleet(4) as fleet:
        jump = tuple(f"{node.user}@{node.address}:{node.port}" for node in fleet.nodes[:2])
        nodes = [
            node_of(fleet, fleet["n3"], jump=jump, vantage=jump[0]),
            node_of(fleet, fleet["n4"], jump=jump),
        ]
        outcomes = in_order(await measured_once(nodes))
        labels = [measured(one).burst.vantage for one in outcomes]
        assert labels == [f"{node.address}:{node.port}" for node in fleet.nodes[:2]]
        assert all(measured(one).burst.opening[0].vantage for one in outcomes)


@pytest.mark.parametrize("rung", shown(RUNGS, "python3"))
async def test_nodes_behind_the_vantage_may_have_ipv6_addresses(rung: str) -> None:
    """As literals."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as free:
        port = free.getsockname()[1]
    logins = {"n1": Login(without=RUNGS[rung]), "n2": Login(sshd_lines=(f"ListenAddress [::1]:{port}",))}
    async with site(1, delay_s=0.0, logins=logins) as far:
        far.fleet.trust("::1", port, far.fleet["n2"])
        node = replace(far.node("n2", port=port), address="::1")
        sweep = await measured_once([node])
        assert measured(in_order(sweep)[0]).burst.opening[0].vantage


@pytest.mark.parametrize("rung", shown(RUNGS, "python3"))
async def test_a_name_may_be_known_at_the_vantage_alone(rung: str) -> None:
    """It is looked up there, and nowhere else."""
    environment = {"LD_PRELOAD": f"{shim()}:{build('names', 'names.c')}", "FLEET_INSIDE": "127.0.1.2"}
    async with site(
        1, delay_s=0.0, logins={"n1": Login(without=RUNGS[rung], environment=environment)}
    ) as far:
        n2 = far.fleet["n2"]
        far.fleet.trust("inside.invalid", n2.port, n2)
        node = replace(far.node("n2", vantage=far.jump[0]), address="inside.invalid")
        sweep = await measured_once([node])
        assert measured(in_order(sweep)[0]).burst.opening[0].vantage


def diverting(node: FleetNode) -> str:
    """Return the line of a relay that leads every connection to one node."""
    place = f'[(socket.AF_INET, ("{node.address}", {node.port}))]'
    return f"plain = connect; connect = lambda stream, _: plain(stream, {place}); serve()"


async def test_a_machine_in_the_middle_at_the_vantage_is_refused(tmp_path: Path) -> None:
    """Another key is no reason for a way around: nothing is measured, and nothing logs in."""
    async with site(2, delay_s=0.0) as far:
        n2, n3 = far.fleet["n2"], far.fleet["n3"]
        program = faulty_python(tmp_path, diverting(n3))
        far.bastion.stop()
        far.bastion.login = Login(commands={"python3": str(program)}, without=NO_PYTHON)
        far.bastion.start()
        for vantage_of in ("auto", far.jump[0]):
            sweep = await measured_once([far.node("n2", vantage=vantage_of)])
            refused = failed(in_order(sweep)[0], Reason.HOST_KEY_CHANGED)
            assert f"Through the relay on {far.label}" in refused.detail
        assert "Accepted publickey" not in n2.log + n3.log


async def test_a_machine_in_the_middle_that_comes_later_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that is measured around a relay is given up once the relay shows another key."""
    monkeypatch.setattr(vantage, "RETRY_S", 0.1)
    monkeypatch.setattr(vantage, "BACKOFF_UNSTEADY", Backoff(first_s=0.1, limit_s=0.5))
    program = faulty_python(tmp_path, FAULTS["ends"])
    login = Login(commands={"python3": str(program)}, without=NO_PYTHON)
    async with site(2, delay_s=0.0, logins={"n1": login}) as far, watched([far.node("n2")]) as rounds:
        assert stamped(await rounds.one()) == set()
        faulty_python(tmp_path, diverting(far.fleet["n3"]))
        deadline = time.monotonic() + RETURN_S
        while True:
            outcome = (await rounds.any_view()).nodes[0].outcome
            if isinstance(outcome, Failed) and outcome.reason is Reason.HOST_KEY_CHANGED:
                break
            assert time.monotonic() < deadline, outcome
            await asyncio.sleep(0.05)

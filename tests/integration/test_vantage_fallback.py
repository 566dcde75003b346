"""A relay that serves badly: its nodes are measured around it, with the reason, until it is well again."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from skewmon.model import Cluster, ClusterView, FindingKind, Measured, Node
from skewmon.monitor.monitor import Monitor
from skewmon.probe import relay, retry, vantage
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.link import Link
from skewmon.probe.session import Session
from skewmon.runtime.backoff import Backoff
from tests.fleet.node import FleetNode, Login
from tests.fleet.sshd import Fleet
from tests.integration.measuring import node_of
from tests.integration.sites import kept_links, site
from tests.integration.test_ladder import NO_PYTHON
from tests.integration.test_measure_keys import authorize
from tests.integration.test_vantage_ways import shown

#: For a relay that is well again: its back-off, its start, and a login through it.
RETURN_S = 30.0

#: Instead of the first pauses of a second each, and so long for some tries of the relay.
SHORT_S = 0.2
RETRIED_S = 1.5

#: Instead of REPLY_S and the time for a login, so that a relay that hangs is given up soon.
SHORT_REPLY_S = 1.0
SHORT_LOGIN_S = 3.0

#: Pauses double, so that a relay that ends at once is started no more often until RETURN_S have passed.
STARTS_MAX = 10

#: Long enough that no node of a busy machine is late.
INTERVAL_S = 40.0

#: Sessions that end one after the other: the pauses between them double, from a fifth of a second.
ENDED_SESSIONS = 3

#: Ways in which a relay may fail after its hello, as lines of its program.
FAULTS = {
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "ends at the first byte": "arrive = lambda *_: os._exit(0); serve()",
    "ends": "os._exit(0)",
    "hangs": "time.sleep(600)",
    "talks": 'os.write(1, b"Last login: today" * 9); time.sleep(600)',
    "ends at the first connection": "open_stream = lambda *_: os._exit(0); serve()",
}


@dataclass
class Rounds:
    """The nodes of a site under a monitor, as in the daemon."""

    cluster: Cluster
    monitor: Monitor

    async def one(self) -> ClusterView:
        """Measure once; every node must be measured."""
        view = await self.any_view()
        assert all(isinstance(one.outcome, Measured) for one in view.nodes), view
        return view

    async def any_view(self) -> ClusterView:
        """Measure once; nodes may fail."""
        (view,) = (await self.monitor.round([self.cluster])).complete_views()
        return view

    async def until_stamped(self, *names: str) -> ClusterView:
        """Measure until these nodes are measured from their vantage; no node may miss a round meanwhile."""
        deadline = time.monotonic() + RETURN_S
        while True:
            view = await self.one()
            if set(names) <= stamped(view):
                return view
            assert time.monotonic() < deadline, view
            await asyncio.sleep(0.05)


@asynccontextmanager
async def watched(nodes: Sequence[Node]) -> AsyncIterator[Rounds]:
    """Keep links to nodes; yield after the first attempts."""
    async with kept_links({node.endpoint: node for node in nodes}) as links:
        with closing(Monitor(links)) as monitor:
            yield Rounds(Cluster("site", tuple(nodes), interval_s=INTERVAL_S), monitor)


def stamped(view: ClusterView) -> set[str]:
    """Return the nodes that a vantage measured."""
    return {one.name for one in view.nodes if one.axis}


def reasons(view: ClusterView) -> dict[str, str]:
    """Return by node the text of its finding about a vantage that is not used."""
    return {
        one.name: finding.message
        for one in view.nodes
        for finding in one.findings
        if finding.kind is FindingKind.VANTAGE_UNAVAILABLE
    }


def faulty_python(directory: Path, fault: str) -> Path:
    """Write a python3 whose relay fails after its hello, and counts its starts; it runs other programs."""
    place, starts = directory / "python3", directory / "starts"
    place.write_text(
        "#!/bin/sh\n"
        f"fault='{fault}'\n"
        'case $2 in *"def serve"*) ;; *) exec /usr/bin/python3 "$@" ;; esac\n'
        f"echo >>{starts}\n"
        'replaced=\'/^    serve\\(\\)$/ { print "    " ENVIRON["FAULT"]; next } 1\'\n'
        'program=$(printf "%s\\n" "$2" | FAULT=$fault awk "$replaced")\n'
        "shift 2\n"
        'exec /usr/bin/python3 -ISuc "$program" "$@"\n'
    )
    place.chmod(0o755)
    starts.write_text("")
    return place


def repair(bastion: FleetNode) -> None:
    """Let the bastion's python3 be that of this machine."""
    place = bastion.directory / "bin" / "python3"
    place.unlink()
    place.symlink_to("/usr/bin/python3")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try a relay again soon."""
    monkeypatch.setattr(vantage, "RETRY_S", SHORT_S)
    monkeypatch.setattr(vantage, "BACKOFF_UNSTEADY", Backoff(SHORT_S, 600.0))
    monkeypatch.setattr(retry, "BACKOFF", Backoff(SHORT_S, 60.0))
    monkeypatch.setattr(retry, "BACKOFF_LASTING", Backoff(SHORT_S, 60.0))
    monkeypatch.setattr(relay, "REPLY_S", SHORT_REPLY_S)


@pytest.mark.parametrize("fault", shown(FAULTS, "ends at the first byte"))
async def test_a_relay_that_fails_after_its_hello_costs_its_nodes_no_round(
    fault: str, tmp_path: Path
) -> None:
    """They are measured through the bastion, with the reason; the relay is tried again, ever more seldom."""
    login = Login(commands={"python3": str(faulty_python(tmp_path, FAULTS[fault]))}, without=NO_PYTHON)
    limits = {"connect_timeout_s": SHORT_LOGIN_S} if "sleep" in FAULTS[fault] else {}
    async with (
        site(2, delay_s=0.002, logins={"n1": login}) as far,
        watched(far.nodes(**limits)) as rounds,
    ):
        began_s, starts = time.monotonic(), tmp_path / "starts"
        while time.monotonic() < began_s + RETRIED_S or len(starts.read_text()) < 2:
            assert time.monotonic() < began_s + RETURN_S
            view = await rounds.one()
            assert stamped(view) == set()
            await asyncio.sleep(0.1)
        assert set(reasons(view)) == {"n2", "n3"}
        assert view.vantages[0].failed
        assert len(starts.read_text()) <= STARTS_MAX
        repair(far.bastion)
        view = await rounds.until_stamped("n2", "n3")
        assert reasons(view) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a list that belongs to root")
@pytest.mark.parametrize("named", [False, True], ids=["auto", "named"])
async def test_a_node_that_the_relay_does_not_reach_is_measured_around_it_alone(
    named: bool, tmp_path: Path
) -> None:
    """Here one that is missing in the relay's list; once it is listed, a relay that starts then is used."""
    place = tmp_path / "relay"
    async with site(2, delay_s=0.002, logins={"n1": Login(forced_command=str(place))}) as far:
        place.write_text(authorize(far.fleet.identity, "--relay", "--program", "--path", str(place)))
        place.chmod(0o755)
        n2, n3 = (f"{one.address} {one.port}\n" for one in far.fleet.nodes[1:])
        targets = place.with_name("relay.targets")
        targets.write_text(n2)
        ssh = {"vantage": far.jump[0]} if named else {}
        async with watched(far.nodes(**ssh)) as rounds:
            view = await rounds.until_stamped("n2")
            assert stamped(view) == {"n2"}
            assert [*reasons(view)] == ["n3"]
            assert "not a target in" in reasons(view)["n3"]
            assert view.vantages[0].failed is None
            targets.write_text(n2 + n3)
            far.bastion.kill_sessions()
            deadline = time.monotonic() + RETURN_S
            while stamped(await rounds.any_view()) != {"n2", "n3"}:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


async def test_a_named_vantage_that_does_not_reach_a_node_costs_nothing(tmp_path: Path) -> None:
    """Without a bastion skewmon connects to the node itself."""
    fault = faulty_python(tmp_path, FAULTS["ends at the first connection"])
    async with Fleet(2, logins={"n2": Login(commands={"python3": str(fault)}, without=NO_PYTHON)}) as fleet:
        n1, n2 = fleet.nodes
        node = node_of(fleet, n1, vantage=f"{n2.address}:{n2.port}")
        async with watched([node]) as rounds:
            view = await rounds.one()
            assert stamped(view) == set()
            assert "ended" in reasons(view)["n1"]


async def test_sessions_that_end_before_any_round_leave_no_connection() -> None:
    """A node that is led through its relay between two rounds, and ends each program there."""
    async with site(1, delay_s=0.002) as far:
        (node,) = far.nodes()
        dialer = Dialer(ArrivalClock())
        link = Link(node, dialer, ArrivalClock())
        machine = dialer.vantage(node.ssh)
        assert machine
        machine._due_s = asyncio.get_running_loop().time() + SHORT_S
        keeper = asyncio.create_task(link.keep())
        ended = set[Session]()
        async with asyncio.timeout(RETURN_S):
            while len(ended) < ENDED_SESSIONS:
                await asyncio.sleep(0.02)
                if link._next and link._next[1].is_open:
                    link._next[1].close()
                    ended.add(link._next[1])
        assert machine.relay
        assert len(machine.relay._streams) <= 1
        keeper.cancel()
        link.close()
        await dialer.close()

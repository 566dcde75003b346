"""Any exception at any await of a node's task costs that node alone.

The awaits are found and not listed: a task factory drives every task of one node of a real daemon, looks at
each suspension by the lines of the whole chain of awaits, and raises at the first suspension of every chain
that it has not seen before. After each the node must be measured and asked again, and the others must not
have missed a round.
"""

import asyncio
import gc
import types
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skewmon.errors import Reason
from skewmon.model import Cluster, Measured, Node
from skewmon.monitor import status_poller
from skewmon.monitor.check import check
from skewmon.monitor.probe import probe_node
from skewmon.probe import phase, retry
from skewmon.probe.link import Link
from skewmon.runtime.backoff import Backoff
from skewmon.runtime.containment import Where, internal_errors
from tests.fleet.scripted import ScriptedNode, Session
from tests.inside import Inside, running_inside
from tests.integration.measuring import scripted
from tests.probe.hostile import Liar

#: The node at which everything is raised.
VICTIM = "victim"

#: Set in the context of the victim's tasks, which callbacks and tasks that they start inherit.
of_victim: ContextVar[bool] = ContextVar("of_victim", default=False)

#: One await in its chain: file and line of each coroutine, outermost first.
Site = tuple[str, ...]


#: Objects that may be in a chain of awaits, with the names of their attributes.
SUSPENDABLE: dict[type, tuple[str, str]] = {
    types.CoroutineType: ("cr", "await"),
    types.GeneratorType: ("gi", "yieldfrom"),
    types.AsyncGeneratorType: ("ag", "await"),
}


class ForeignError(Exception):
    """No exception that skewmon or asyncssh know."""


class Saboteur:
    """Raises at suspensions of the victim's tasks, once at each site."""

    def __init__(self) -> None:
        self.armed = False
        self.raised: list[Site] = []

    def at(self, site: Site) -> bool:
        """Return whether to raise here; only one at a time."""
        if not self.armed or site in self.raised:
            return False
        self.armed = False
        self.raised.append(site)
        return True

    def factory(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> "asyncio.Task[Any]":
        """Create a task; the victim's are driven by way of ``Driven``."""
        frame = getattr(coroutine, "cr_frame", None)  # the end of an asynchronous generator has none
        links = [value for value in frame.f_locals.values() if isinstance(value, Link)] if frame else []
        if not of_victim.get() and not any(link.node.name == VICTIM for link in links):
            return asyncio.Task(coroutine, loop=loop, **options)
        token = of_victim.set(True)
        try:
            return asyncio.Task(Driven(coroutine, self), loop=loop, **options)
        finally:
            of_victim.reset(token)

    def files(self) -> set[str]:
        """Return the names of the files in which exceptions were raised."""
        return {line.partition(":")[0] for site in self.raised for line in site}


class Driven(Coroutine[Any, Any, Any]):
    """A coroutine with watched suspensions, some of them raising."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], saboteur: Saboteur) -> None:
        self._coroutine = coroutine
        self._saboteur = saboteur
        self._forgetting = False

    def send(self, value: Any) -> Any:
        return self._at_suspension(self._coroutine.send(value))

    def throw(self, *error: Any) -> Any:
        if self._forgetting:
            self._forgetting = False
            error = (ForeignError("raised by the test"),)
        return self._at_suspension(self._coroutine.throw(*error))

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> "Driven":
        return self

    def __iter__(self) -> "Driven":
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def _at_suspension(self, yielded: Any) -> Any:
        site = site_of(self._coroutine)
        if not self._saboteur.at(site):
            return yielded
        if "selector_events.py" in site[-1]:  # asyncio forgets a socket once the future for it is done
            self._forgetting = True
            yielded.cancel()
            return yielded
        return self._at_suspension(self._coroutine.throw(ForeignError("raised by the test")))


def watch_requests(saboteur: Saboteur, monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch the requests of rounds to the victim, too: they share their tasks with those to other nodes."""
    answer = phase._Request._answer

    async def watched(self: Any) -> Any:
        request = answer(self)
        return await (Driven(request, saboteur) if self.link.node.name == VICTIM else request)

    monkeypatch.setattr(phase._Request, "_answer", watched)


def site_of(outermost: Any) -> Site:
    """Return where a suspended coroutine is, through every coroutine and generator that it awaits."""
    lines = []
    inner = outermost
    while inner is not None:
        if type(inner) not in SUSPENDABLE:  # an iterator over a coroutine, which only the collector sees into
            inner = next((one for one in gc.get_referents(inner) if type(one) in SUSPENDABLE), None)
            continue
        prefix, awaited = SUSPENDABLE[type(inner)]
        frame = getattr(inner, f"{prefix}_frame")
        lines.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        inner = getattr(inner, f"{prefix}_{awaited}")
    return tuple(lines)


async def serve(session: Session) -> None:
    """Be the clock's program, and end with the input, as the status script does."""
    await Liar()(session)
    session.exit(0)


@asynccontextmanager
async def nodes(directory: Path, *names: str) -> AsyncIterator[list[Node]]:
    """Start scripted nodes."""
    started = []
    try:
        for number, name in enumerate(names):
            place = directory / name
            place.mkdir()
            server = ScriptedNode(serve, directory=place, address=f"127.0.3.{number + 1}")
            started.append(await server.__aenter__())
        yield [replace(scripted(server), name=name) for server, name in zip(started, names, strict=True)]
    finally:
        for server in started:
            await server.__aexit__(None, None, None)


@pytest.fixture
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connect again and ask again at once, and let the nodes wait for each other."""
    monkeypatch.setattr(status_poller, "SHEETS_AT_ONCE", 1)
    monkeypatch.setattr(phase, "NEAR_AT_ONCE", 1)
    monkeypatch.setattr(retry, "BACKOFF", Backoff(0.01, 0.02))
    monkeypatch.setattr(status_poller, "NEWCOMERS_S", 0.02)


@pytest.mark.usefixtures("_in_haste")
async def test_an_exception_at_any_await_of_a_nodes_task_costs_that_node_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, until no await is left: connecting, starting, measuring, status, waiting."""
    saboteur = Saboteur()
    asyncio.get_running_loop().set_task_factory(saboteur.factory)
    watch_requests(saboteur, monkeypatch)
    async with nodes(tmp_path, "n1", VICTIM, "n2") as members:
        clusters = [
            Cluster(name, tuple(members), interval_s=interval_s, status_interval_s=0.1, samples=2)
            for name, interval_s in (("often", 0.05), ("seldom", 0.08))
        ]
        async with running_inside(tmp_path, *clusters) as inside:
            await inside.until(lambda: inside.is_measured("n1") and inside.is_measured("n2"))
            began = len(inside.views)
            while await _raised_once_more(inside, saboteur):
                pass
            assert inside.failures("n1", "n2", since=began) == []
            assert internal_errors.counts[Where.ROUND] == 0
            reasons = {one.reason for one in inside.failures(VICTIM, since=began)}
    assert Reason.INTERNAL_ERROR in reasons
    assert len(saboteur.raised) >= 15
    assert saboteur.files() > {
        "link.py",
        "connect.py",
        "session.py",
        "sweep.py",
        "status_poller.py",
        "time_status.py",
    }


async def _raised_once_more(inside: Inside, saboteur: Saboteur) -> bool:
    """Raise at one more await, wait until the node has recovered, and return whether there was one."""
    before, count = len(saboteur.raised), sum(internal_errors.counts.values())
    saboteur.armed = True
    for _ in range(2):
        await _healthy(inside)
        if len(saboteur.raised) > before:
            break
        victim = next(one for one in inside.daemon._pool.links.values() if one.node.name == VICTIM)
        victim.connection.abort()  # the awaits of connecting are passed again
    saboteur.armed = False
    if len(saboteur.raised) > before:
        await _healthy(inside)
        assert sum(internal_errors.counts.values()) > count, saboteur.raised[-1]
        return True
    return False


async def _healthy(inside: Inside) -> None:
    """Wait for a few rounds that measure the node, as the daemon itself comes to them."""
    since = len(inside.views) + 2
    await inside.until(lambda: len(inside.views) > since and inside.is_measured(VICTIM))


async def _nothing_here() -> None:
    """Ask nothing of this machine's own time daemon."""


@pytest.fixture
def _without_own_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the forks of the status script on this machine, which these tests do not need."""
    monkeypatch.setattr(status_poller, "own_status", _nothing_here)


@pytest.mark.usefixtures("_without_own_status")
async def test_an_exception_at_any_await_costs_one_node_of_a_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one node, again and again, until no await is left; the others are in every result."""
    saboteur = Saboteur()
    asyncio.get_running_loop().set_task_factory(saboteur.factory)
    watch_requests(saboteur, monkeypatch)
    async with nodes(tmp_path, "n1", VICTIM, "n2") as members:
        while True:
            saboteur.armed = True
            snapshot = await check([Cluster("c", tuple(members), samples=2)], rounds=1, timeout_s=20.0)
            one, victim, two = (node.outcome for node in snapshot.clusters[0].nodes)
            assert isinstance(one, Measured)
            assert isinstance(two, Measured)
            if saboteur.armed:
                break
            assert isinstance(victim, Measured) or victim.reason is Reason.INTERNAL_ERROR, saboteur.raised[-1]
    assert isinstance(victim, Measured)
    assert saboteur.files() > {
        "check.py",
        "link.py",
        "session.py",
        "sweep.py",
        "status_poller.py",
        "time_status.py",
    }


async def test_an_exception_at_any_await_of_a_probe_is_in_its_result(tmp_path: Path) -> None:
    """As the node's failure, or as that of its status."""
    saboteur = Saboteur()
    async with nodes(tmp_path, VICTIM) as (node,):
        while True:
            saboteur.armed = True
            of_victim.set(True)
            found = await asyncio.Task(Driven(probe_node(node, 2, 20.0), saboteur))
            of_victim.set(False)
            if saboteur.armed:
                break
            failures = [found.failure, found.status_failure]
            assert Reason.INTERNAL_ERROR in {one.reason for one in failures if one}, saboteur.raised[-1]
    assert found.failure is None
    assert saboteur.files() > {"probe.py", "link.py", "session.py", "time_status.py"}

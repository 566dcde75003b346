"""A server may break the SSH protocol in any way: it costs its node alone."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median

import pytest

from skewmon.model import Cluster, Failed, Measured, Node
from skewmon.monitor import status_poller
from skewmon.monitor.check import check
from skewmon.probe import retry
from skewmon.probe.budget import Patience
from skewmon.probe.link import Link
from skewmon.runtime.backoff import Backoff
from skewmon.runtime.containment import Where, internal_errors
from tests.fleet.malformed import (
    DATA,
    OPEN_CONFIRMATION,
    SUCCESS,
    MalformedNode,
    Mangler,
    Packet,
    interruptions,
    mutations,
)
from tests.fleet.scripted import ScriptedNode, Session
from tests.inside import Inside, running_inside
from tests.integration.measuring import scripted
from tests.probe.hostile import Liar

#: Stages are short, so that servers that leave the client waiting cost little: 0.4 of this.
TIMEOUT_S = 12.0

#: The answers in whose place or before which something wrong is sent.
STAGES = {"opening": OPEN_CONFIRMATION, "command": SUCCESS, "hello": DATA}

#: The share of packets that the fuzz lets pass, so that it also reaches a measurement that has begun.
PASSED = 0.8

#: Rounds before each block of fuzz that say how long a round usually takes.
QUIET_ROUNDS = 20

#: Fuzz alternates with quiet in so many blocks: other work on the machine slows some of them, a defect all.
BLOCKS = 3

#: How much longer the rounds of honest nodes may become. To reconnect a dozen nodes every 50 ms takes
#: processor time, which a busy machine lacks; a round that waited for one would be a hundred times as long.
LONGER, LONGER_IF_BUSY, NOISE_S = 1.5, 6.0, 0.005

#: The names alone; the packets are made for each channel.
INTERRUPTIONS = tuple(interruptions(bytes(4)))
MUTATIONS = tuple(mutations((0, bytes(8))))


def interrupting(stage: int, name: str, *, before: bool) -> Mangler:
    """Return a mangler that sends something before or after each packet of one type."""

    def mangle(packet: Packet) -> Iterable[Packet]:
        kind, payload = packet
        if kind != stage:
            return [packet]
        wrong = interruptions(payload[:4])[name]
        return [*wrong, packet] if before else [packet, *wrong]

    return mangle


def mutating(stage: int, name: str) -> Mangler:
    """Return a mangler that sends something else in place of each packet of one type."""
    return lambda packet: mutations(packet)[name] if packet[0] == stage else [packet]


def cases(stage: int) -> dict[str, Callable[[], Mangler]]:
    """Return every wrong thing that can happen at one stage."""
    manglers = (
        {f"{name}, before": interrupting(stage, name, before=True) for name in INTERRUPTIONS}
        | {f"{name}, after": interrupting(stage, name, before=False) for name in INTERRUPTIONS}
        | {name: mutating(stage, name) for name in MUTATIONS}
    )
    return {name: lambda one=mangler: one for name, mangler in manglers.items()}


async def serve(session: Session) -> None:
    """Be the clock's program, and end with the input, as the status script does."""
    await Liar()(session)
    session.exit(0)


@asynccontextmanager
async def malformed(
    directory: Path, manglers: Mapping[str, Callable[[], Mangler]]
) -> AsyncIterator[list[Node]]:
    """Start a server for each maker of manglers."""
    async with AsyncExitStack() as stack:
        nodes = []
        for number, (name, mangler) in enumerate(manglers.items()):
            place = directory / f"malformed-{number}"
            place.mkdir()
            server = MalformedNode(mangler, serve, address="127.0.3.9", directory=place)
            nodes.append(replace(scripted(await stack.enter_async_context(server)), name=name))
        yield nodes


@asynccontextmanager
async def honest(directory: Path, count: int) -> AsyncIterator[list[Node]]:
    """Start servers that keep to the protocol."""
    async with AsyncExitStack() as stack:
        nodes = []
        for number in range(count):
            place = directory / f"honest-{number}"
            place.mkdir()
            server = ScriptedNode(serve, address=f"127.0.3.{number + 1}", directory=place)
            nodes.append(replace(scripted(await stack.enter_async_context(server)), name=place.name))
        yield nodes


async def _nothing_here() -> None:
    """Ask nothing of this machine's own time daemon."""


@pytest.mark.parametrize("stage", STAGES)
async def test_any_packets_of_a_server_cost_its_node_alone(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it at once in one check: the honest nodes are measured, the others have a reason or a result."""
    monkeypatch.setattr(status_poller, "own_status", _nothing_here)
    manglers = cases(STAGES[stage])
    assert len(manglers) > 40
    async with honest(tmp_path, 2) as good, malformed(tmp_path, manglers) as bad:
        async with asyncio.timeout(90):
            snapshot = await check([Cluster("c", (*good, *bad), samples=2)], rounds=1, timeout_s=TIMEOUT_S)
    outcomes = {node.name: node.outcome for node in snapshot.clusters[0].nodes}
    for node in good:
        assert isinstance(outcomes[node.name], Measured), outcomes[node.name]
    for name in manglers:
        outcome = outcomes[name]
        if isinstance(outcome, Failed):
            assert outcome.detail, name
            assert outcome.detail.isprintable(), name
    assert sum(isinstance(outcomes[name], Failed) for name in manglers) > len(manglers) / 2


#: Those that ended the daemon, and a check with a traceback and exit code 1, and a few of other kinds.
WORST = {
    f"{stage}: {name}": cases(STAGES[stage])[name]
    for stage, name in (
        ("command", "close, before"),
        ("command", "disconnect, before"),
        ("command", "eof and close, before"),
        ("opening", "one byte more"),
        ("opening", "exit status, after"),
        ("opening", "a thousand global requests, before"),
        ("hello", "no key exchange, before"),
    )
}


async def test_check_and_probe_report_a_malformed_node_without_a_traceback(tmp_path: Path) -> None:
    """Exit code 3, the reason in the output, and nothing on standard error."""
    async with honest(tmp_path, 2) as good, malformed(tmp_path, WORST) as bad:
        checked, *probed = await asyncio.gather(
            skewmon("check", "--timeout", "10s", *login((*good, *bad)), *map(target, (*good, *bad))),
            *(skewmon("probe", "--timeout", "10s", *login((node,)), target(node)) for node in bad[2:4]),
        )
    for code, output, errors in (checked, *probed):
        assert code == 3, (output, errors)
        assert errors == ""
        assert "Traceback" not in output
    assert "internal-error" in checked[1]
    assert any("Internal error" in output for _, output, _ in probed)


def login(nodes: Iterable[Node]) -> list[str]:
    """Return the options that reach these nodes and others."""
    files = [("-i", *node.ssh.identities, "--known-hosts", *node.ssh.known_hosts) for node in nodes]
    return [word for words in files for word in words]


def target(node: Node) -> str:
    """Return a node as a person names it."""
    return f"{node.ssh.user}@{node.address}:{node.ssh.port}"


async def skewmon(*arguments: str) -> tuple[int | None, str, str]:
    """Run a command and return its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "skewmon", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


# --- fuzz -------------------------------------------------------------------------------------------------


class Fuzz:
    """Makes a mangler for each connection from a seed and the number of the connection."""

    def __init__(self, seed: int) -> None:
        self.on = False
        self.connections = 0
        self._seed = seed

    def mangler(self) -> Mangler:
        """Return the mangler of the next connection."""
        if not self.on:
            return lambda packet: [packet]
        self.connections += 1
        rng = Random(f"{self._seed} {self.connections}")
        return lambda packet: self._mangled(packet, rng)

    def _mangled(self, packet: Packet, rng: Random) -> list[Packet]:
        if rng.random() < PASSED:
            return [packet]
        kind, payload = packet
        wrong = rng.choice(list(interruptions(payload[:4]).values()))
        return rng.choice(
            [
                [*wrong, packet],
                [packet, *wrong],
                rng.choice(list(mutations(packet).values())),
                [(rng.randrange(256), payload)],
                [(kind, flipped(payload, rng))],
                [(kind, payload[: rng.randrange(len(payload) + 1)])],
                [(rng.randrange(80, 101), payload[:4] + rng.randbytes(rng.randrange(64))), packet],
            ]
        )


def flipped(payload: bytes, rng: Random) -> bytes:
    """Return a payload with a few bits changed."""
    wrong = bytearray(payload)
    for _ in range(rng.randint(1, 4)):
        wrong[rng.randrange(len(wrong))] ^= 1 << rng.randrange(8)
    return bytes(wrong)


@pytest.mark.parametrize(
    ("count", "longer"),
    [
        (120, LONGER_IF_BUSY),
        pytest.param(10_000, LONGER, marks=[pytest.mark.prove, pytest.mark.timeout(3600)]),
    ],
)
async def test_a_daemon_outlives_random_packets(
    count: int, longer: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of so many connections; the honest nodes miss no round, and their rounds take no longer than before."""
    monkeypatch.setattr(status_poller, "own_status", _nothing_here)
    monkeypatch.setattr(retry, "BACKOFF", Backoff(0.02, 0.05))
    # A server that says nothing is dropped sooner; honest nodes answer within milliseconds.
    monkeypatch.setattr(Link.__init__, "__defaults__", (Patience(hello_s=2.0, reply_s=2.0),))
    fuzz = Fuzz(seed=20)
    makers = {f"bad{number}": fuzz.mangler for number in range(12)}
    async with honest(tmp_path, 3) as good, malformed(tmp_path, makers) as bad:
        clusters = (
            Cluster("good", tuple(good), interval_s=0.1, status_interval_s=1.0, samples=2),
            Cluster("bad", tuple(bad), interval_s=0.5, status_interval_s=1.0, samples=2),
        )
        async with running_inside(tmp_path, *clusters) as inside:
            await inside.until(lambda: all(map(inside.is_measured, (*names(good), *names(bad)))))
            began, slower = len(inside.views), list[float]()
            for block in range(1, BLOCKS + 1):
                usual_s = await block_s(inside, fuzz, names(bad), None)
                busy_s = await block_s(inside, fuzz, names(bad), count * block // BLOCKS)
                slower.append(busy_s / (usual_s + NOISE_S))
            assert inside.failures(*names(good), since=began) == []
            assert min(slower) <= longer
            assert len(set(inside.failures(*names(bad), since=began))) > 10
            assert internal_errors.counts[Where.ROUND] == 0


async def block_s(inside: Inside, fuzz: Fuzz, bad: Sequence[str], connections: int | None) -> float:
    """Return the median length of the honest nodes' rounds while others are fuzzed, or none for None."""
    fuzz.on, began = connections is not None, len(inside.views)
    for link in inside.daemon._pool.links.values():
        if link.node.name in bad and link.connection is not None:
            link.connection.abort()
    if connections is not None:
        await inside.until(lambda: fuzz.connections >= connections, patience_s=3000)
    await inside.until(lambda: len(inside.durations("good", began)) >= QUIET_ROUNDS)
    return median(inside.durations("good", began))


def names(nodes: Iterable[Node]) -> list[str]:
    """Return the names of nodes."""
    return [node.name for node in nodes]

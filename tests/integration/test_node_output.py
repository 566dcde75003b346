r"""Nothing that a node sends reaches a terminal, a log or a document as a command, by any channel.

The words are those of an attacker: a new window title, a cleared screen, a line of its own, text that reads
backwards, and C1 controls that some terminals obey as well.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml

from skewmon.cli.transcript import brief, full
from skewmon.config.loader import load
from skewmon.inventory.resolve import resolve
from skewmon.monitor.probe import probe_node
from skewmon.timesync import script
from tests.fleet.node import public_text
from tests.fleet.scripted import Session
from tests.integration.running import Running
from tests.probe.hostile import Liar, nonce_of

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u200f\x7f\0\rforged=yes"

#: The same without characters that a line or a word of the protocol cannot have.
WORD = "".join(sign for sign in EVIL if sign not in "\0\r")


async def ends(session: Session) -> None:
    """Say the worst on both streams, and end."""
    await session.write(f"{EVIL}\n".encode())
    await session.complain(f"{EVIL}\n{EVIL}\n".encode())
    session.exit(3)


async def hello(session: Session) -> None:
    """Introduce itself in evil words."""
    nonce = await nonce_of(session)
    await session.write(f"\nSKEWMON1 {nonce} hello probe={WORD} real=0,1 boot_id={WORD}\n".encode())


async def status(session: Session) -> None:
    """Measure well, and let every time tool and every fact be evil."""
    first = (await session.read_line()).split()
    nonce, mode = first[2].decode(), first[3].decode()
    if mode == "clock":
        await session.write(f"\nSKEWMON1 {nonce} {Liar().hello}\n".encode())
        while line := await session.read_line():
            words = line.split()
            if len(words) == 2 and words[0] == nonce.encode():
                await session.write(Liar().honest(nonce, int(words[1])))
    tools = {
        "ntpq": f"     remote           refid      st t when poll reach   delay   offset  jitter\n"
        f"==============================================================================\n"
        f"*{WORD} 192.0.2.1        2 u   36   64  377    0.214   +0.012   0.009\n{EVIL}\n",
        "chronyc-tracking": f"Reference ID    : C0000201 ({WORD})\nStratum         : 2\n{EVIL}\n",
        "timedatectl": f"{EVIL}\n",
        script.FACTS: f"uname {WORD}\nprocess {WORD} chronyd\n{EVIL}\n",
    }
    for name, text in tools.items():
        await session.write(
            f"\n{nonce} begin {name}\n{text}\n{nonce} err\n{EVIL}\n\n{nonce} end 0\n".encode()
        )
    await session.write(f"\n{nonce} done\n".encode())
    session.exit(0)


class Door(asyncssh.SSHServer):
    """Lets everybody in; ``sessions`` counts those asked for."""

    sessions = 0

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.conn = conn

    def begin_auth(self, username: str) -> bool:
        self.conn.send_auth_banner(EVIL)
        return False


class RefusesFrom(Door):
    """Refuses sessions from the nth on, with a reason."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed

    def session_requested(self) -> Any:
        self.sessions += 1
        if self.sessions > self.allowed:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, EVIL)
        return self.serve

    async def serve(self, stdin: Any, stdout: Any, stderr: Any) -> None:
        process = stdout.channel
        nonce = (await stdin.readline()).split()[2].decode()
        stdout.write(f"\nSKEWMON1 {nonce} {Liar().hello}\n".encode())
        while line := await stdin.readline():
            words = line.split()
            if len(words) == 2 and words[0] == nonce.encode():
                stdout.write(Liar().honest(nonce, int(words[1])))
        process.exit(0)


class Disconnects(Door):
    """Ends the connection with a reason, before or after the login."""

    def __init__(self, *, at_once: bool) -> None:
        self.at_once = at_once

    def begin_auth(self, username: str) -> bool:
        if self.at_once:
            self.conn.disconnect(asyncssh.DISC_BY_APPLICATION, EVIL)
        return False

    def auth_completed(self) -> None:
        self.conn.disconnect(asyncssh.DISC_BY_APPLICATION, EVIL)


Script = Callable[[Session], Awaitable[None]]

SCRIPTS: Mapping[str, Script] = {"streams": ends, "hello": hello, "status": status}
DOORS: Mapping[str, Callable[[], Door]] = {
    "no-session": lambda: RefusesFrom(0),
    "no-status": lambda: RefusesFrom(1),
    "cut-early": lambda: Disconnects(at_once=True),
    "cut-late": lambda: Disconnects(at_once=False),
}


@asynccontextmanager
async def hostile(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Yield a configuration of one node for every channel."""
    # asyncssh's server refuses to be rude of itself; the client is the real one.
    monkeypatch.setattr(
        "asyncssh.connection._validate_version", lambda _: f"evil {WORD}".encode("ascii", "ignore")
    )
    key, own = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    (directory / "id").write_bytes(own.export_private_key())
    nodes, known = [], []
    async with AsyncExitStack() as stack:

        async def serve(script: Script, process: asyncssh.SSHServerProcess[bytes]) -> None:
            await script(Session(process))

        async def add(name: str, door: Callable[[], Door], script: Script | None = None) -> None:
            factory = (lambda process: serve(script, process)) if script else None
            server = await stack.enter_async_context(
                await asyncssh.listen(
                    "127.0.3.1",
                    0,
                    server_factory=door,
                    server_host_keys=[key],
                    process_factory=factory,
                    encoding=None,
                )
            )
            nodes.append({"name": name, "address": "127.0.3.1", "port": server.get_port()})
            known.append(f"[127.0.3.1]:{server.get_port()} {public_text(key)}\n")

        for name, door in DOORS.items():
            await add(name, door)
        for name, script in SCRIPTS.items():
            await add(name, Door, script)
        nodes += [
            {"name": name, "address": "127.0.3.1", "port": await stack.enter_async_context(raw(text))}
            for name, text in RAW.items()
        ]
        (directory / "known_hosts").write_text("".join(known))
        (directory / "skewmon.yml").write_text(
            yaml.safe_dump(
                {
                    "ssh": {"identity": str(directory / "id"), "known_hosts": str(directory / "known_hosts")},
                    "web": {"listen": "127.0.0.1:0"},
                    "state_directory": str(directory / "state"),
                    "clusters": {"fleet": {"nodes": nodes, "interval": "1s", "status_interval": "1s"}},
                }
            )
        )
        yield directory / "skewmon.yml"


def kexinit() -> bytes:
    """Return a key exchange that offers evil algorithms."""
    names = WORD.encode("ascii", "ignore")
    lists = (len(names).to_bytes(4, "big") + names) * 10
    payload = b"\x14" + bytes(16) + lists + bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    return (len(payload) + 1 + padding).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)


RAW = {
    "version": f"SSH-1.0-{WORD}\r\n".encode(),
    "greeting": f"{EVIL}\r\n".encode() * 3,
    "algorithms": b"SSH-2.0-x\r\n" + kexinit(),
}


@asynccontextmanager
async def raw(text: bytes) -> AsyncIterator[int]:
    """Yield a port at which everybody is sent this text."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.3.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def assert_harmless(text: str, signs: str = "\n") -> None:
    """Look for signs that a terminal would obey, or that turn the reading round."""
    assert {sign for sign in text if not sign.isprintable()} <= set(signs), text
    assert "\nforged=yes" not in text


async def output(*command: str) -> str:
    """Return both output streams of a command, decoded as a terminal would."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skewmon",
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    text, _ = await asyncio.wait_for(process.communicate(), 60)
    return text.decode("utf-8")


@pytest.mark.parametrize("form", ["table", "json", "nagios", "prometheus"])
async def test_check_prints_none_of_it(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every form of output, with all hostile nodes in one cluster."""
    async with hostile(tmp_path, monkeypatch) as config:
        text = await output("check", "--config.file", str(config), "-o", form, "--timeout", "4s")
    assert_harmless(text)
    if form == "json":
        document = json.loads(text)
        reasons = {node["name"]: node["reason"] for node in document["clusters"][0]["nodes"]}
        assert reasons["no-session"] == "session-refused", reasons
        assert reasons["status"] is None, reasons
        assert r"\\x1b]0;owned" in text, "the words are shown, and shown for what they are"
    if form == "table":
        assert r"\x1b]0;owned" in text


async def test_probe_prints_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole transcript of every node, and its short form."""
    async with hostile(tmp_path, monkeypatch) as config:
        (cluster,) = await resolve(load(str(config)))
        shown = {}
        for node in cluster.nodes:
            found = await probe_node(node, 2, 4.0)
            shown[node.name] = "\n".join(full(found))
            for text in (shown[node.name], "\n".join(brief(found))):
                assert_harmless(text)
    quoted = {name for name, text in shown.items() if r"\x1b]0;owned" in text}
    assert quoted >= {*DOORS, *SCRIPTS, *RAW} - {"cut-late", "version", "greeting"}, shown


async def test_the_daemon_logs_and_serves_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log, its JSON and its metrics."""
    async with hostile(tmp_path, monkeypatch) as config, Running(config) as daemon:
        await daemon.until(lambda: "no-status" in daemon.log and "event=connected" in daemon.log)
        rounds = await asyncio.to_thread(daemon.metric, "skewmon_rounds_total")
        while await asyncio.to_thread(daemon.metric, "skewmon_rounds_total") < rounds + 2:
            await asyncio.sleep(0.2)
        for text in (daemon.log, await asyncio.to_thread(daemon.metrics)):
            assert_harmless(text)
        assert r"\x1b]0;owned" in daemon.log

"""Every fault of a node has a reason of its own, is reported in time, and affects no other node."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from skewmon.errors import Reason
from skewmon.model import NS_PER_S, Cluster, Failed, Measured, Node, Outcome, Threshold
from skewmon.monitor.check import check, opened
from skewmon.probe.sweep import Sweeper
from tests.fleet.malformed import OPEN_CONFIRMATION, MalformedNode, Mangler, Packet
from tests.fleet.relay import Relay
from tests.fleet.scripted import ScriptedNode, Session, raw
from tests.fleet.sshd import Fleet, FleetNode, Login
from tests.integration.measuring import (
    TIMEOUT_S,
    assert_inside,
    failed,
    in_order,
    measured,
    measured_once,
    node_of,
    nodes_of,
    scripted,
)

#: The value of ``check --timeout``, and the time that a busy machine may take on top.
TIMEOUT_GIVEN_S = 4.0
SLACK_S = 3.0


async def told(node: Node, reason: Reason, *, timeout_s: float = TIMEOUT_GIVEN_S) -> Failed:
    """Measure a node that must fail for a reason, in time."""
    began = time.monotonic()
    outcome = in_order(await measured_once([node], timeout_s=timeout_s))[0]
    assert time.monotonic() - began < timeout_s + SLACK_S
    return failed(outcome, reason)


@asynccontextmanager
async def unanswered() -> AsyncIterator[int]:
    """Yield a port at which connections are never accepted nor refused, as behind a firewall that drops."""
    with socket.socket() as listener:
        listener.bind(("127.0.3.9", 0))
        listener.listen(0)
        fillers = []
        try:
            for _ in range(4):  # the queue of connections that are not accepted is full
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(listener.getsockname())
                fillers.append(filler)
            yield listener.getsockname()[1]
        finally:
            for filler in fillers:
                filler.close()


# --- before there is a session --------------------------------------------------------------------------


async def test_a_host_that_is_dead_does_not_answer() -> None:
    """Packets vanish."""
    async with Fleet(1) as fleet, unanswered() as port:
        node = replace(node_of(fleet, fleet["n1"], port=port), address="127.0.3.9")
        outcome = await told(node, Reason.NO_ANSWER)
    assert "firewall" in outcome.advice


async def test_a_port_without_a_server_is_refused() -> None:
    """Nothing listens there."""
    async with Fleet(1) as fleet:
        fleet["n1"].stop()
        outcome = await told(node_of(fleet, fleet["n1"]), Reason.CONNECTION_REFUSED)
    assert f"127.0.1.1:{fleet['n1'].port}" in outcome.detail


async def test_an_unknown_name_does_not_resolve() -> None:
    """RFC 6761 keeps .invalid free."""
    async with Fleet(1) as fleet:
        node = replace(node_of(fleet, fleet["n1"]), address="no-such-host.invalid")
        outcome = await told(node, Reason.NAME_NOT_RESOLVED)
    assert "no-such-host.invalid" in outcome.detail


@pytest.mark.parametrize("name", ["a" * 300, "ä" * 70, "..", "host\nname", "-x", "%00"])
async def test_a_name_that_cannot_be_one_does_not_resolve(name: str) -> None:
    """No value of the configuration lets an exception escape."""
    async with Fleet(1) as fleet:
        node = replace(node_of(fleet, fleet["n1"]), address=name)
        outcome = in_order(await measured_once([node], timeout_s=TIMEOUT_GIVEN_S))[0]
    assert isinstance(outcome, Failed)
    assert outcome.reason in {Reason.NAME_NOT_RESOLVED, Reason.NETWORK_UNREACHABLE}


async def test_changed_and_unknown_host_keys_have_different_reasons() -> None:
    """Changed: an administrator must look. Unknown: an administrator must compare and add."""
    async with Fleet(1) as fleet:
        fleet["n1"].change_host_key()
        outcome = await told(node_of(fleet, fleet["n1"]), Reason.HOST_KEY_CHANGED)
        assert "ssh-keygen -R" in outcome.advice
        fleet.known_hosts.write_text("")
        outcome = await told(node_of(fleet, fleet["n1"]), Reason.HOST_KEY_UNKNOWN)
        assert "skewmon keys scan" in outcome.advice


async def test_a_key_that_the_node_does_not_know_is_denied() -> None:
    """The login gets as far as the key."""
    async with Fleet(1) as fleet:
        fleet["n1"].refuse_key()
        outcome = await told(node_of(fleet, fleet["n1"]), Reason.PERMISSION_DENIED)
    assert "authorized_keys" in outcome.advice


async def test_more_keys_than_the_server_tries_are_denied() -> None:
    """MaxAuthTries ends the connection before the right key had its turn."""
    async with Fleet(1, login=Login(sshd_lines=("MaxAuthTries 1",))) as fleet:
        wrong = []
        for number in range(3):
            path = fleet.identity.with_name(f"wrong{number}")
            path.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
            wrong.append(str(path))
        await told(node_of(fleet, fleet["n1"], identities=tuple(wrong)), Reason.PERMISSION_DENIED)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "no such file"), (b"not a key", "id_other"), (b"", "id_other")],
    ids=["missing", "nonsense", "empty"],
)
async def test_an_unreadable_key_is_reported_by_name(content: bytes | None, words: str) -> None:
    """No connection is even tried with nothing to offer."""
    async with Fleet(1) as fleet:
        path = fleet.identity.with_name("id_other")
        if content is not None:
            path.write_bytes(content)
        outcome = await told(node_of(fleet, fleet["n1"], identities=(str(path),)), Reason.KEY_UNUSABLE)
    assert words in outcome.detail


async def test_a_key_with_a_passphrase_is_reported() -> None:
    """It is never prompted for; such keys come from the agent."""
    async with Fleet(1) as fleet:
        path = fleet.identity.with_name("id_locked")
        path.write_bytes(fleet.client_key.export_private_key(passphrase="secret"))
        outcome = await told(node_of(fleet, fleet["n1"], identities=(str(path),)), Reason.KEY_UNUSABLE)
    assert "id_locked needs a passphrase" in outcome.detail
    assert "ssh-add" in outcome.advice


@pytest.mark.parametrize("before", [b"", b"SSH-2.0-half"], ids=["silence", "half a greeting"])
async def test_a_login_that_hangs_is_given_up(before: bytes) -> None:
    """The port is open and nothing comes."""

    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(before)
        await asyncio.Event().wait()

    async with Fleet(1) as fleet, raw(silent) as port:
        node = replace(node_of(fleet, fleet["n1"], port=port), address="127.0.3.1")
        await told(node, Reason.LOGIN_TIMEOUT)


async def test_a_login_that_hangs_after_the_keys_is_given_up(tmp_path: Path) -> None:
    """Slow DNS, PAM or a directory service."""
    node = ScriptedNode(directory=tmp_path, before_login=lambda: asyncio.sleep(60))
    async with node:
        await told(scripted(node), Reason.LOGIN_TIMEOUT)


async def test_another_server_at_the_port_is_reported_as_not_ssh() -> None:
    """A web server answers, with a terminal's control characters."""

    async def web(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad \x1b[31mRequest\x00\r\n\r\n" * 2000)
        await writer.drain()

    async with Fleet(1) as fleet, raw(web) as port:
        node = replace(node_of(fleet, fleet["n1"], port=port), address="127.0.3.1")
        outcome = in_order(await measured_once([node], timeout_s=TIMEOUT_GIVEN_S))[0]
    assert isinstance(outcome, Failed)
    assert outcome.reason in {Reason.NOT_SSH, Reason.DISCONNECTED}
    assert outcome.detail.isprintable()


async def test_a_server_that_hangs_up_at_once_is_reported() -> None:
    """MaxStartups and PerSourcePenalties do so."""

    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with Fleet(1) as fleet, raw(rude) as port:
        node = replace(node_of(fleet, fleet["n1"], port=port), address="127.0.3.1")
        outcome = await told(node, Reason.DISCONNECTED)
    assert "MaxStartups" in outcome.advice


async def test_a_bastion_that_is_down_is_the_reason_of_every_node_behind_it() -> None:
    """Once and in time, not one node after the other."""
    async with Fleet(5) as fleet:
        fleet["n1"].freeze()
        jump = (f"{fleet.user}@127.0.1.1:{fleet['n1'].port}",)
        nodes = [node_of(fleet, node, jump=jump) for node in fleet.nodes[1:]]
        began = time.monotonic()
        sweep = await measured_once(nodes, timeout_s=TIMEOUT_GIVEN_S)
        assert time.monotonic() - began < TIMEOUT_GIVEN_S + SLACK_S
        for outcome in sweep.outcomes.values():
            assert f"Through {jump[0]}" in failed(outcome, Reason.JUMP_FAILED).detail


async def test_a_bastion_without_forwarding_is_reported() -> None:
    """AllowTcpForwarding no."""
    async with Fleet(2, logins={"n1": Login(sshd_lines=("AllowTcpForwarding no",))}) as fleet:
        jump = (f"{fleet.user}@127.0.1.1:{fleet['n1'].port}",)
        outcome = await told(node_of(fleet, fleet["n2"], jump=jump), Reason.JUMP_FAILED)
    assert "AllowTcpForwarding" in outcome.advice


async def test_a_dead_node_behind_a_bastion_did_not_accept_the_connection() -> None:
    """The bastion waits for the node longer than skewmon waits for the bastion."""
    async with Fleet(2) as fleet, unanswered() as port:
        jump = (f"{fleet.user}@127.0.1.1:{fleet['n1'].port}",)
        node = replace(node_of(fleet, fleet["n2"], port=port, jump=jump), address="127.0.3.9")
        outcome = await told(node, Reason.JUMP_FAILED)
    assert "bastion did not reach 127.0.3.9" in outcome.detail
    assert outcome.advice.endswith(
        f": ssh -p {fleet['n1'].port} {fleet.user}@127.0.1.1 nc -vz 127.0.3.9 {port}"
    )


# --- in the session ---------------------------------------------------------------------------------------


async def test_an_account_without_a_shell_has_no_program() -> None:
    """Nologin prints its sentence and is gone."""
    async with Fleet(1, login=Login(shell="/usr/sbin/nologin")) as fleet:
        outcome = await told(node_of(fleet, fleet["n1"]), Reason.NO_PROGRAM)
    assert "login shell" in outcome.advice


async def test_a_forced_command_that_is_something_else_has_no_program() -> None:
    """A key for backups only."""
    async with Fleet(1, login=Login(forced_command="echo backup only >&2; exit 1")) as fleet:
        outcome = await told(node_of(fleet, fleet["n1"]), Reason.NO_PROGRAM)
    assert "backup only" in outcome.detail


async def test_a_server_that_refuses_sessions_is_reported() -> None:
    """MaxSessions 0."""
    async with Fleet(1, login=Login(sshd_lines=("MaxSessions 0",))) as fleet:
        await told(node_of(fleet, fleet["n1"]), Reason.SESSION_REFUSED)


async def test_a_server_that_hangs_up_after_the_login_is_disconnected(tmp_path: Path) -> None:
    """No advice on MaxSessions: the whole connection is gone."""

    def hanging_up() -> Mangler:
        def mangle(packet: Packet) -> list[Packet]:
            if packet[0] == OPEN_CONFIRMATION:
                node.drop()
            return []

        return mangle

    node = MalformedNode(hanging_up, address="127.0.3.1", directory=tmp_path)
    async with node:
        outcome = await told(scripted(node), Reason.DISCONNECTED)
    assert "connection was lost" in outcome.detail


async def test_a_login_shell_that_hangs_is_given_up() -> None:
    """An rc file on a network disk that is gone."""
    login = Login(shell="/bin/bash", rc_files={".bashrc": "sleep 60\n"})
    async with Fleet(1, login=login) as fleet:
        await told(node_of(fleet, fleet["n1"]), Reason.NO_REPLY)


async def flood(session: Session) -> None:
    """Print 100 MB of garbage."""
    for _ in range(1600):
        await session.write(b"\x00\xff garbage \n\r" * 5461)


async def test_a_flood_is_cut_off(tmp_path: Path) -> None:
    """100 MB of garbage: 64 KiB are read, and the rest never crosses the network."""
    async with ScriptedNode(flood, directory=tmp_path) as node:
        outcome = await told(scripted(node), Reason.TOO_MUCH_OUTPUT)
    assert "64 KiB" in outcome.detail


async def test_a_flood_without_a_single_line_is_cut_off(tmp_path: Path) -> None:
    """Memory stays bounded if no newline ever comes."""

    async def endless(session: Session) -> None:
        for _ in range(1600):
            await session.write(b"x" * 65536)

    async with ScriptedNode(endless, directory=tmp_path) as node:
        await told(scripted(node), Reason.TOO_MUCH_OUTPUT)


async def test_a_flood_of_complaints_is_cut_off(tmp_path: Path) -> None:
    """Standard error counts as well."""

    async def complain(session: Session) -> None:
        for _ in range(1600):
            await session.complain(b"no, no, no\n" * 6000)

    async with ScriptedNode(complain, directory=tmp_path) as node:
        await told(scripted(node), Reason.TOO_MUCH_OUTPUT)


async def test_a_killed_program_is_reported_at_once() -> None:
    """Kill -9 of the login's program, between two rounds."""
    async with Fleet(2) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        sweeper = Sweeper()
        assert_inside(fleet["n1"], in_order(await sweeper.sweep(links, 8))[0])
        fleet["n1"].kill_sessions()
        sweep = await sweeper.sweep(links, 8)
        assert isinstance(in_order(sweep)[0], Failed)
        assert in_order(sweep)[0].reason in {Reason.PROGRAM_ENDED, Reason.DISCONNECTED}
        assert in_order(sweep)[0].advice
        assert_inside(fleet["n2"], in_order(sweep)[1])


async def test_a_cut_connection_is_reported_at_once() -> None:
    """The server's process dies in the middle of it."""
    async with Fleet(2) as fleet, opened(nodes_of(fleet), TIMEOUT_S) as links:
        fleet["n1"].cut_connections()
        sweep = await Sweeper().sweep(links, 8)
        failed(in_order(sweep)[0], Reason.DISCONNECTED)
        assert_inside(fleet["n2"], in_order(sweep)[1])


@pytest.mark.parametrize("fault", ["freeze", "drop"])
async def test_a_silent_node_is_reported_in_time(fault: str) -> None:
    """SIGSTOP of everything, or a firewall that forgets the connection, with a session open."""
    async with Fleet(2) as fleet:
        node = fleet["n1"]
        with Relay.before(fleet, node) as relay:
            nodes = [replace(node_of(fleet, node, port=relay.port), address=relay.address)]
            nodes.append(node_of(fleet, fleet["n2"]))
            async with opened(nodes, 5.0) as links:
                if fault == "freeze":
                    node.freeze()
                else:
                    relay.drop("backward", on=True)
                began = time.monotonic()
                sweep = await Sweeper().sweep(links, 8)
                assert time.monotonic() - began < 2.0 + SLACK_S
        failed(in_order(sweep)[0], Reason.NO_REPLY)
        assert_inside(fleet["n2"], in_order(sweep)[1])
        assert measured(in_order(sweep)[1]).estimate.wall.bound_ns < 50_000_000


async def test_a_node_that_fails_loses_its_offset_at_once() -> None:
    """Absent from offsets, pairs and skew in the very round in which it failed; the verdict is not ok."""
    async with Fleet(3, offsets_ns=[0, 0, 70 * NS_PER_S]) as fleet:
        fleet["n3"].stop()
        cluster = Cluster("fleet", tuple(nodes_of(fleet)), thresholds=(Threshold("warning", NS_PER_S),))
        view = (await check([cluster], rounds=1, timeout_s=TIMEOUT_GIVEN_S)).clusters[0]
    assert [one.offset is None for one in view.nodes] == [False, False, True]
    assert [(pair.node, pair.peer) for pair in view.pairs] == [("n1", "n2")]
    assert view.skew is not None
    assert view.skew.upper_ns < NS_PER_S
    assert view.verdict == "unknown"


async def test_every_fault_at_once_leaves_the_healthy_alone(tmp_path: Path) -> None:
    """One cluster of everything that can go wrong, and two nodes that are well."""

    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        Fleet(6, offsets_ns=[0, NS_PER_S]) as fleet,
        raw(silent) as hanging,
        ScriptedNode(flood, directory=tmp_path) as flooding,
    ):
        fleet["n3"].stop()
        fleet["n4"].refuse_key()
        fleet["n5"].change_host_key()
        fleet["n6"].freeze()
        nodes = [
            *nodes_of(fleet),
            replace(node_of(fleet, fleet["n1"], port=hanging), name="hangs", address="127.0.3.1"),
            scripted(flooding),
            replace(node_of(fleet, fleet["n1"]), name="nowhere", address="no-such-host.invalid"),
        ]
        began = time.monotonic()
        sweep = await measured_once(nodes, timeout_s=TIMEOUT_GIVEN_S)
        assert time.monotonic() - began < TIMEOUT_GIVEN_S + SLACK_S
        for node, outcome in zip(fleet.nodes[:2], in_order(sweep)[:2], strict=True):
            assert_inside(node, outcome)
        assert reasons(in_order(sweep)[2:]) == [
            Reason.CONNECTION_REFUSED,
            Reason.PERMISSION_DENIED,
            Reason.HOST_KEY_CHANGED,
            Reason.LOGIN_TIMEOUT,
            Reason.LOGIN_TIMEOUT,
            Reason.TOO_MUCH_OUTPUT,
            Reason.NAME_NOT_RESOLVED,
        ]


def reasons(outcomes: list[Outcome]) -> list[Reason | None]:
    """Return why each node failed."""
    return [None if isinstance(one, Measured) else one.reason for one in outcomes]


def session_count(node: FleetNode) -> int:
    """Return how many processes of logins live on a node."""
    return len(node.session_ids())


async def test_nothing_is_left_on_a_node_that_was_measured() -> None:
    """No shell, no program, no connection."""
    async with Fleet(2) as fleet:
        await measured_once(nodes_of(fleet))
        for _ in range(100):
            if not any(session_count(node) for node in fleet.nodes):
                return
            await asyncio.sleep(0.05)
        raise AssertionError([node.session_ids() for node in fleet.nodes])

"""Data that goes past asyncssh's layers leaves asyncssh as if it had done all of it."""

import os
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from skewmon.errors import NodeError, Reason
from skewmon.monitor.check import opened
from skewmon.probe.channel_bypass import ChannelBypass
from skewmon.probe.link import Link
from skewmon.probe.time_status import read_text
from tests.fleet.scripted import ScriptedNode, Session
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import TIMEOUT_S, nodes_of, scripted
from tests.probe.hostile import Liar

BURST = 64

#: Attributes of asyncssh's connection and channel that both ways of handling a packet change.
CONNECTION = ("_send_seq", "_recv_seq", "_rekey_bytes_sent", "_inpbuf", "_packet", "_deferred_packets")
CHANNEL = ("_send_window", "_recv_window", "_send_buf", "_recv_state", "_send_state")


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the pieces of data that were taken directly, and those that were left to asyncssh."""
    counts: Counter[str] = Counter()
    take = ChannelBypass.take

    def counting(self: ChannelBypass, data: bytes) -> bool:
        taken = take(self, data)
        counts["direct" if taken else "left"] += 1
        return taken

    monkeypatch.setattr(ChannelBypass, "take", counting)
    return counts


@asynccontextmanager
async def one_link(*sshd_lines: str) -> AsyncIterator[Link]:
    """Open a link to a node whose sshd has these lines in its configuration."""
    async with (
        Fleet(1, login=Login(sshd_lines=[*sshd_lines])) as fleet,
        opened(nodes_of(fleet), TIMEOUT_S) as links,
    ):
        (link,) = links.values()
        assert link.failure is None
        yield link


def fed(link: Link, change: Callable[[bytes], list[bytes]]) -> None:
    """Give the connection other pieces than those that the socket returns."""
    assert link.connection is not None
    ssh = link.connection.ssh
    handle = ssh.data_received

    def data_received(data: bytes, datatype: None = None) -> None:
        for piece in change(data):
            handle(piece, datatype)

    ssh.data_received = data_received


async def state_after_burst(link: Link) -> list[object]:
    """Return what asyncssh knows of the connection and the channel after a burst."""
    assert link.connection is not None
    burst = await link.burst(BURST)
    assert len(burst.opening) == BURST
    channel = getattr(link.session, "_channel")  # noqa: B009
    ssh = link.connection.ssh
    return [
        *(getattr(ssh, name) for name in CONNECTION),
        *(getattr(channel, name) for name in CHANNEL),
        getattr(ssh, "_send_encryption")._cipher._iv[4:] > bytes(8),  # noqa: B009
    ]


async def test_a_burst_goes_past_asyncssh_and_leaves_the_same_state(
    monkeypatch: pytest.MonkeyPatch, handled: Counter[str]
) -> None:
    """Sequence numbers, windows and the bytes until the next key exchange are those of asyncssh's own way."""
    async with one_link() as link:
        direct = await state_after_burst(link)
    assert handled["direct"] >= BURST
    monkeypatch.setattr(ChannelBypass, "take", lambda _self, _data: False)
    monkeypatch.setattr(ChannelBypass, "write", lambda self, data: self._channel.write(data))
    async with one_link() as link:
        by_asyncssh = await state_after_burst(link)
    window = len(CONNECTION) + CHANNEL.index("_recv_window")  # readings differ by a digit now and then
    assert abs(int(str(direct[window])) - int(str(by_asyncssh[window]))) <= BURST * 8
    del direct[window], by_asyncssh[window]
    assert direct == by_asyncssh


@pytest.mark.parametrize("cipher", ["aes256-gcm@openssh.com", "aes128-ctr", "chacha20-poly1305@openssh.com"])
async def test_each_cipher_is_served(cipher: str, handled: Counter[str]) -> None:
    """AES-GCM directly, any other by asyncssh."""
    async with one_link(f"Ciphers {cipher}") as link:
        assert len((await link.burst(BURST)).opening) == BURST
    assert (handled["direct"] >= BURST) is ("gcm" in cipher)


async def test_pieces_and_rows_of_packets_are_left_to_asyncssh(handled: Counter[str]) -> None:
    """A packet in two pieces, and one that follows a part of another."""
    async with one_link() as link:
        lengths = iter(range(1, 10_000))

        def cut(data: bytes) -> list[bytes]:
            at = next(lengths) % len(data)
            return [data[:at], data[at:]] if at else [data]

        fed(link, cut)
        assert len((await link.burst(BURST)).opening) == BURST
    assert handled["left"] > BURST


async def test_a_forged_packet_ends_the_connection(handled: Counter[str]) -> None:
    """As asyncssh ends it: nothing that fails its tag reaches the session."""
    async with one_link() as link:
        await link.burst(2)
        honest = handled["direct"]
        fed(link, lambda data: [data[:-1] + bytes([data[-1] ^ 1])])
        with pytest.raises(NodeError) as raised:
            await link.burst(2)
    assert raised.value.reason is Reason.DISCONNECTED
    assert handled["direct"] == honest


async def test_windows_are_opened_again(handled: Counter[str]) -> None:
    """More data than a window holds, both ways: asyncssh asks for more of it."""
    async with one_link() as link:
        channel = getattr(link.session, "_channel")  # noqa: B009
        channel._init_recv_window = channel._recv_window = 4096
        for _ in range(4):
            assert len((await link.burst(BURST)).opening) == BURST
        assert channel._recv_window > 0
    assert handled["direct"] > BURST
    assert handled["left"] > 4


@pytest.mark.parametrize("own_bytes", [None, 5000], ids=["the server asks", "both ask"])
async def test_keys_are_exchanged_in_the_middle_of_bursts(
    own_bytes: int | None, handled: Counter[str]
) -> None:
    """Requests wait for the new keys, and what another session prints meanwhile is whole."""
    async with one_link("RekeyLimit 8K") as link:
        assert link.connection is not None
        ssh: Any = link.connection.ssh
        ssh._rekey_bytes = own_bytes or ssh._rekey_bytes
        ciphers = {id(ssh._recv_encryption): ssh._recv_encryption}
        for _ in range(6):
            assert len((await link.burst(BURST)).opening) == BURST
            _, text = await read_text(link.connection)
            assert text
            ciphers[id(ssh._recv_encryption)] = ssh._recv_encryption
        assert not ssh._deferred_packets
    assert len(ciphers) > 4
    assert handled["direct"] > 4 * BURST


def _data(channel: int, data: bytes, size: int | None = None) -> bytes:
    return struct.pack(">BII", 94, channel, len(data) if size is None else size) + data


#: Padding and payload of the packet that has a reply, or pretends to.
ODD_PACKETS: dict[str, Callable[[int, bytes], tuple[int, bytes]]] = {
    "no padding": lambda channel, reply: (0, _data(channel, reply)),
    "little padding": lambda channel, reply: (1, _data(channel, reply)),
    "much padding": lambda channel, reply: (255, _data(channel, reply)),
    "data beyond the packet": lambda channel, reply: (9, _data(channel, reply, len(reply) + 99)),
    "more than its data": lambda channel, reply: (9, _data(channel, reply, len(reply) - 9)),
    "another channel": lambda channel, reply: (9, _data(channel + 1, reply)),
    "a closed channel": lambda channel, reply: (9, struct.pack(">BI", 97, channel)),
}


async def _burst_with(odd: Callable[[int, bytes], tuple[int, bytes]], directory: Path) -> str:
    """Return what comes of a burst whose third reply is in an odd packet."""

    async def script(session: Session) -> None:
        channel: Any = getattr(session, "_process").channel  # noqa: B009
        connection = channel.get_connection()

        def reply(liar: Liar, nonce: str, ident: int) -> bytes:
            honest = liar.honest(nonce, ident)
            if ident != 3:
                return honest
            padding, payload = odd(channel._send_chan, honest)
            packet = bytes([padding]) + payload + os.urandom(padding)
            sealed = connection._send_encryption.encrypt_packet(
                connection._send_seq, struct.pack(">I", len(packet)), packet
            )
            connection._send(b"".join(sealed))
            connection._send_seq += 1
            return b""

        await Liar(reply=reply)(session)

    async with (
        ScriptedNode(script, directory=directory) as node,
        opened([scripted(node)], TIMEOUT_S) as links,
    ):
        (link,) = links.values()
        try:
            return f"{len((await link.burst(6)).opening)} exchanges"
        except NodeError as error:
            return error.reason


@pytest.mark.parametrize("name", ODD_PACKETS)
async def test_an_odd_packet_has_the_end_that_asyncssh_gives_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short way takes no packet that asyncssh would refuse, and refuses none that it would take."""
    direct = await _burst_with(ODD_PACKETS[name], tmp_path)
    monkeypatch.setattr(ChannelBypass, "take", lambda _self, _data: False)
    assert direct == await _burst_with(ODD_PACKETS[name], tmp_path)

"""Data of one channel without the layers of asyncssh between its socket and its session.

A request is one packet and its reply another, and hardly anything else passes over a connection. asyncssh
leads each of them through a dozen calls, which handle all that a packet may be. Here a piece of data that is
exactly one packet of this channel, under AES-GCM, goes straight to the session, and a request straight to the
socket. All else is left to asyncssh, which finds its state as if it had done both: other packets, parts of
them, packets that are forged, key exchanges, full windows, other ciphers.
"""

import os
import struct
import time
from collections.abc import Callable
from typing import Any

import asyncssh
from asyncssh.constants import MSG_CHANNEL_DATA
from asyncssh.encryption import GCMEncryption
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: RFC 4253, section 6: padding to a multiple of the cipher's block, and at least so much of it.
LEAST_PADDING = 4

#: The least packet under AES-GCM is one block.
BLOCK_BYTES = 16

#: RFC 5647, section 7.3: the tag of AES-GCM after each packet, and the length before it, which is in clear.
TAG_BYTES = 16
LENGTH_BYTES = 4

#: RFC 4254, section 5.2: message number, the receiver's number of the channel, data length.
_DATA = struct.Struct(">BII")

#: The same, and the length of the padding before it.
_HEAD = struct.Struct(">BBII")
_LENGTH = struct.Struct(">I")

_SEQUENCES = 1 << 32


class ChannelBypass:
    """Sends and receives the data of an open channel; ``taken`` gets each piece that was received."""

    __slots__ = ("_channel", "_ssh", "_taken")

    def __init__(
        self,
        ssh: asyncssh.SSHClientConnection,
        channel: asyncssh.SSHClientChannel[bytes],
        taken: Callable[[bytes, None], None],
    ) -> None:
        self._ssh: Any = ssh
        self._channel: Any = channel
        self._taken = taken

    def write(self, data: bytes) -> None:
        """Send a piece of data; raise OSError if the channel is closed."""
        ssh, channel = self._ssh, self._channel
        if not _may_send(ssh, channel, len(data)):
            channel.write(data)
            return
        payload = _DATA.pack(MSG_CHANNEL_DATA, channel._send_chan, len(data)) + data
        padding = -(ssh._send_enchdrlen + len(payload)) % ssh._send_blocksize
        if padding < LEAST_PADDING:
            padding += ssh._send_blocksize
        packet = bytes((padding,)) + payload + os.urandom(padding)
        sealed, tag = ssh._send_encryption.encrypt_packet(ssh._send_seq, _LENGTH.pack(len(packet)), packet)
        ssh._send_seq = (ssh._send_seq + 1) % _SEQUENCES
        ssh._rekey_bytes_sent += len(packet)
        channel._send_window -= len(data)
        ssh._send(sealed + tag)

    def take(self, data: bytes) -> bool:
        """Hand the data of exactly one packet for this channel on; return False if it is anything else."""
        ssh, channel = self._ssh, self._channel
        if len(data) < LENGTH_BYTES + BLOCK_BYTES + TAG_BYTES or not _may_receive(ssh, channel):
            return False
        if _LENGTH.unpack_from(data)[0] != len(data) - LENGTH_BYTES - TAG_BYTES:
            return False
        cipher = ssh._recv_encryption._cipher
        try:
            packet = AESGCM(cipher._key).decrypt(cipher._iv, data[LENGTH_BYTES:], data[:LENGTH_BYTES])
        except InvalidTag:
            return False  # asyncssh finds the same and ends the connection
        padding, message, number, size = _HEAD.unpack_from(packet)
        if message != MSG_CHANNEL_DATA or number != channel._recv_chan:
            return False
        is_odd = not size or padding < LEAST_PADDING or _HEAD.size + size + padding != len(packet)
        left = channel._recv_window - size
        if is_odd or left < channel._init_recv_window / 2:
            return False
        cipher._update_iv()
        ssh._recv_seq = (ssh._recv_seq + 1) % _SEQUENCES
        channel._recv_window = left
        ssh._reset_keepalive_timer()
        self._taken(packet[_HEAD.size : _HEAD.size + size], None)
        return True


def _may_send(ssh: Any, channel: Any, size: int) -> bool:
    """Return whether asyncssh would send so much data at once, as one packet."""
    return (
        ssh._send_encryption is not None
        and ssh._compressor is None
        and ssh._kex_complete
        and ssh._rekey_bytes_sent < ssh._rekey_bytes
        and not (ssh._rekey_seconds and time.monotonic() >= ssh._rekey_time)
        and channel._send_state == "open"
        and not channel._send_buf
        and 0 < size <= min(channel._send_window, channel._send_pktsize)
    )


def _may_receive(ssh: Any, channel: Any) -> bool:
    """Return whether asyncssh waits for the beginning of a packet, and would give its data to the session."""
    return (
        type(ssh._recv_encryption) is GCMEncryption
        and ssh._decompressor is None
        and not ssh._inpbuf
        and ssh._recv_handler == ssh._recv_pkthdr
        and channel._recv_state == "open"
        and channel._send_state == "open"
        and not channel._recv_paused
    )

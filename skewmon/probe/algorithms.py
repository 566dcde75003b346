"""The algorithms that skewmon offers to servers: modern ones, and with ``ssh.legacy`` those of older servers.

Modern is each algorithm of OpenSSH 9's default sets that needs no SHA-1, so that every server since OpenSSH
6.5 (2014) finds one of each kind. ``ssh.legacy: true`` adds SHA-1 in key exchange, host keys, signatures and
MACs, for CentOS 6 and for RSA keys of servers before OpenSSH 7.2. Never offered: 1024-bit groups, DSA, MD5,
CBC and RC4, and groups of the server's choice (diffie-hellman-group-exchange), since each is checked for
being a safe prime: 1 s of processor time at 2048 bits and 85 s at 8192, in which nothing else is measured.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import asyncssh
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs

from skewmon.model import SshSettings

#: One AES-GCM call per packet costs a third of ChaCha20's six cipher contexts in Python; the rest is for
#: servers that lack it. OpenSSH has had the CTR modes since 3.7.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes128-ctr",
    "aes256-ctr",
    "chacha20-poly1305@openssh.com",
)

#: Post-quantum first, as OpenSSH 10 does; finite fields last, for the cryptography library will drop them.
KEY_EXCHANGES = (
    "mlkem768x25519-sha256",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
    "diffie-hellman-group18-sha512",
    "diffie-hellman-group14-sha256",
)
LEGACY_KEY_EXCHANGES = ("diffie-hellman-group14-sha1",)

MACS = (
    "umac-128-etm@openssh.com",
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "umac-128@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
LEGACY_MACS = ("hmac-sha1",)

#: Of servers, and of the keys that skewmon offers itself.
SIGNATURES = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
LEGACY_SIGNATURES = ("ssh-rsa",)

#: Every name that ``ssh.legacy`` adds.
LEGACY = frozenset({*LEGACY_KEY_EXCHANGES, *LEGACY_MACS, *LEGACY_SIGNATURES})

#: Keys on a security token, which only a client has.
TOKEN_SIGNATURES = (
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com",
)

#: How the certificate of a host key is called.
CERTIFICATE = "-cert-v01@openssh.com"


def offered(*, legacy: bool) -> dict[str, Any]:
    """Return the options of a connection for everything but host keys."""
    return {
        "encryption_algs": CIPHERS,
        "kex_algs": _available(KEY_EXCHANGES, LEGACY_KEY_EXCHANGES if legacy else (), get_kex_algs()),
        "mac_algs": _available(MACS, LEGACY_MACS if legacy else (), get_mac_algs()),
        "signature_algs": (*signatures(legacy=legacy), *TOKEN_SIGNATURES),
    }


def signatures(*, legacy: bool) -> tuple[str, ...]:
    """Return the signatures that a server's host key may make."""
    return (*SIGNATURES, *LEGACY_SIGNATURES) if legacy else SIGNATURES


def host_keys(trusted: Iterable[asyncssh.SSHKey], *, authority: bool, ssh: SshSettings) -> tuple[str, ...]:
    """Return the host key algorithms to ask for: those of the trusted keys, or all if there is none.

    With ``ssh.host_key_algorithms`` only those among them; never none, which means any to asyncssh.

    A server that has several keys shows the one that is asked for first; another one would look changed.
    Certificates come first if an authority is trusted, as ssh(1) has it.
    """
    allowed = signatures(legacy=ssh.legacy)
    of_keys = {algorithm.decode() for key in trusted for algorithm in key.sig_algorithms}
    plain = tuple(one for one in allowed if one in of_keys)
    certified = tuple(f"{one}{CERTIFICATE}" for one in allowed) if authority else ()
    only = set(ssh.host_key_algorithms or (*certified, *allowed))
    of_known = tuple(one for one in (*certified, *plain) if one in only)
    return of_known or tuple(one for one in allowed if one in only) or ssh.host_key_algorithms


def unmet(kexinit: bytes, options: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Return the kind of algorithm that keeps client and server apart, with the server's list, or None.

    ``kexinit`` is the server's SSH_MSG_KEXINIT (RFC 4253, 7.1), ``options`` are those of the connection.
    """
    lists = _name_lists(kexinit)
    for kind, option, number in _KINDS:
        served = lists[number] if number < len(lists) else ()
        if served and set(served).isdisjoint(options.get(option, served)):
            return kind, served
        if kind == "encryption" and _needs_no_mac(served, options):
            return None
    return None


#: The kinds of algorithms by asyncssh's names, the option of each, and its place in SSH_MSG_KEXINIT.
_KINDS = (
    ("key exchange", "kex_algs", 0),
    ("host key", "server_host_key_algs", 1),
    ("encryption", "encryption_algs", 2),
    ("MAC", "mac_algs", 4),
)


def _needs_no_mac(served: Iterable[str], options: Mapping[str, Any]) -> bool:
    """Return whether the cipher that both will use authenticates by itself."""
    known = set(served)
    cipher = next((one for one in options.get("encryption_algs", ()) if one in known), "")
    return "gcm" in cipher or "poly1305" in cipher


def _name_lists(kexinit: bytes) -> list[tuple[str, ...]]:
    """Return the name-lists of the message as far as it goes."""
    lists: list[tuple[str, ...]] = []
    at = 1 + 16  # the message's number and the cookie
    while len(lists) < 10 and at + 4 <= len(kexinit):
        end = at + 4 + int.from_bytes(kexinit[at : at + 4], "big")
        names = kexinit[at + 4 : end].decode("ascii", "replace")
        lists.append(tuple(names.split(",")) if names else ())
        at = end
    return lists


def _available(wanted: tuple[str, ...], legacy: tuple[str, ...], known: Iterable[bytes]) -> tuple[str, ...]:
    """Return those that asyncssh has here; some depend on libraries of the system."""
    names = {one.decode() for one in known}
    return tuple(one for one in (*wanted, *legacy) if one in names)

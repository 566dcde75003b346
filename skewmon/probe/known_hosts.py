"""The lines of known_hosts files, found by a host's name; keys are parsed only of the lines that are found.

A file may have a line for each of ten thousand nodes, and each login looks one name up: to parse all lines
would take longer than a login, and asyncssh compares each hashed line with each name, twice.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import sha1
from typing import Any, Final, NamedTuple

import asyncssh
from asyncssh.misc import IPAddress, ip_address
from asyncssh.pattern import HostPatternList

#: The names of a line, after its marker; a hash is of a name in lower case and has both cases itself.
_NAMES: Final = re.compile(r"^(\s*(?:@\S+\s+)?)([^|@\s]\S*)")

#: Names with one of these are patterns.
_WILD: Final = frozenset("*?!/|")


#: HMAC (RFC 2104), with both pads made once for each line: ``hmac`` would make them for each name, too, and
#: take twice as long for ten thousand nodes with a line each.
_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def _sha1(data: bytes) -> bytes:
    return sha1(data, usedforsecurity=False).digest()  # it hides names, and no key depends on it


class _Hash(NamedTuple):
    """The hash of a name, and the padded salts with which names are hashed to compare them."""

    inner: bytes
    outer: bytes
    digest: bytes

    def is_of(self, name: bytes) -> bool:
        return _sha1(self.outer + _sha1(self.inner + name)) == self.digest


class KnownHosts:
    """Lines by the names that they are for: plain names, hashed names, and patterns.

    A hash is of one name, so that a line which was found for one is compared with no other name.
    """

    def __init__(self, text: str) -> None:
        self._named: dict[str, list[str]] = {}
        self._hashed: dict[str, _Hash] = {}
        self._patterns: list[tuple[HostPatternList, str]] = []
        self._found: dict[str, list[str]] = {}
        for line in text.splitlines():
            self._add(_NAMES.sub(_lowered, line).strip())

    def _add(self, line: str) -> None:
        words = line.removeprefix("@").split(maxsplit=2 if line.startswith("@") else 1)
        if line.startswith("#") or len(words) < 2:
            return
        names = words[-2]
        if names.startswith("|"):
            if hashed := _hash(names):
                self._hashed[line] = hashed
        elif _WILD.isdisjoint(names):
            for name in names.split(","):
                self._named.setdefault(name, []).append(line)
        else:
            self._patterns.append((HostPatternList(names), line))

    def lines(self, name: str, host: str) -> Iterator[str]:
        """Yield the lines for a host by one of its names in lower case, such as ``n1`` or ``[n1]:2222``."""
        yield from self._named.get(name, ())
        yield from self._lines_of_hashes(name)
        if not self._patterns:
            return
        address = _address(host)  # for lines of networks
        for pattern, line in self._patterns:
            if pattern.matches(name, "", address):
                yield line

    def _lines_of_hashes(self, name: str) -> list[str]:
        if not self._hashed:
            return self._found.get(name, [])
        if name not in self._found:
            text = name.encode()
            found = [line for line, one in self._hashed.items() if one.is_of(text)]
            for line in found:
                del self._hashed[line]
            self._found[name] = found
        return self._found[name]


def match(files: Iterable[KnownHosts], host: str, port: int | None) -> tuple[Sequence[Any], ...]:
    """Return the keys that are trusted, CA or revoked keys for a host, and more in asyncssh's order."""
    host = host.lower()
    names = (host, f"[{host}]:{port}") if port else (host,)
    known = asyncssh.SSHKnownHosts()
    for line in dict.fromkeys(line for file in files for name in names for line in file.lines(name, host)):
        with suppress(ValueError):  # like ssh(1), skip a line that is not understood
            known.load(line)
    # By name only, as ssh(1) does: an address may be reused by another machine.
    return known.match(host, "", port)


def _address(host: str) -> IPAddress | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _lowered(names: re.Match[str]) -> str:
    """Return the names in lower case, for names of hosts have none: ``N1`` and ``n1`` are one machine."""
    return names[1] + names[2].lower()


def _hash(names: str) -> _Hash | None:
    """Return the hash of a name as ``HashKnownHosts`` writes it, None if it is another text."""
    try:
        magic, salt_text, digest_text = names[1:].split("|")
        salt, digest = binascii.a2b_base64(salt_text), binascii.a2b_base64(digest_text)
    except ValueError:
        return None
    if len(salt) > _BLOCK_BYTES:
        salt = _sha1(salt)
    block = salt.ljust(_BLOCK_BYTES, b"\0")
    return _Hash(block.translate(_INNER), block.translate(_OUTER), digest) if magic == "1" else None

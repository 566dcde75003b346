"""Host keys: loaded once, always enforced, by name and not by address.

To asyncssh an empty or missing set of known hosts means "use the user's own file", and ``None`` means "check
nothing". So it always gets a function that looks the name up in the files loaded here.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncssh

from skewmon.errors import ConfigError, ConnectError, Reason
from skewmon.probe.exhaustion import out_of_files
from skewmon.runtime.files import read_bytes

#: No X.509: asyncssh would trust ~/.ssh/ca-bundle.crt and ~/.ssh/crt of the user that runs skewmon, and it
#: would measure no node if HOME is unreadable, such as that of root, which runuser leaves in place.
NO_CERTIFICATES: dict[str, Any] = {"x509_trusted_certs": None, "x509_trusted_cert_paths": []}

#: Files are parsed once per set and modification; a reload of the configuration makes a new set.
CACHED_SETS = 64

#: Room for many thousand hosts; beyond this the file is not a known_hosts file.
MAX_BYTES = 64 * 1024 * 1024

#: The names of a line, after its marker; a hash is of a name in lower case and has both cases itself.
_NAMES = re.compile(r"^(\s*(?:@\S+\s+)?)([^|@\s]\S*)")

Lookup = Callable[[str, str, int | None], tuple[Sequence[Any], ...]]


def lookup(paths: Sequence[str], more: str = "") -> Lookup:
    """Return the function that finds the trusted, CA and revoked keys of a host in files and ``more`` lines.

    Raises ConnectError if a file is there but cannot be read; a missing file has no keys.
    """
    known = _load(tuple((path, _stamp(path)) for path in paths), more)

    def find(host: str, _address: str, port: int | None) -> tuple[Sequence[Any], ...]:
        # By name only, as ssh(1) does: an address may be reused by another machine.
        return known.match(host.lower(), "", port)

    return find


@dataclass(frozen=True, slots=True)
class Known:
    """The keys of one host in the files: trusted, CA and revoked ones, and more in asyncssh's order."""

    found: tuple[Sequence[Any], ...]

    @property
    def trusted(self) -> Sequence[asyncssh.SSHKey]:
        """The host's own keys."""
        return self.found[0]

    @property
    def authorities(self) -> Sequence[asyncssh.SSHKey]:
        """The keys that may certify the host's keys."""
        return self.found[1]

    @property
    def revoked(self) -> Sequence[asyncssh.SSHKey]:
        """The keys that are never accepted."""
        return self.found[2]


def keys_of(paths: Sequence[str], host: str, port: int, more: str = "") -> Known:
    """Return the keys of a host in these files and lines; raises as ``lookup`` does."""
    try:
        return Known(lookup(paths, more)(host, "", port if port != 22 else None))
    except OSError as error:  # asyncssh asks getaddrinfo whether the name is an address
        raise out_of_files(error) or error from None


def is_known(paths: Sequence[str], host: str, port: int) -> bool:
    """Return whether any key is trusted for a host, which distinguishes a changed key from an unknown one."""
    known = keys_of(paths, host, port)
    return bool(known.trusted or known.authorities)


def _stamp(path: str) -> int:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=CACHED_SETS)
def _load(stamps: tuple[tuple[str, int], ...], more: str) -> asyncssh.SSHKnownHosts:
    known = asyncssh.SSHKnownHosts()
    for text in (*(_read(path) for path, stamp in stamps if stamp), more):
        for line in text.splitlines():
            with suppress(ValueError):  # like ssh(1), skip a line that is not understood
                known.load(_NAMES.sub(_lowered, line))
    return known


def _lowered(names: re.Match[str]) -> str:
    """Return the names in lower case, for names of hosts have none: ``N1`` and ``n1`` are one machine."""
    return names[1] + names[2].lower()


def _read(path: str) -> str:
    try:
        return read_bytes(path, MAX_BYTES, wait_s=0).decode("utf-8", "replace")
    except ConfigError as error:
        raise out_of_files(error) or ConnectError(
            Reason.HOST_KEY_UNKNOWN,
            f"The known_hosts file cannot be used: {error}.",
            "Give the user that runs skewmon the right to read it.",
        ) from None

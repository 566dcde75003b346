"""Host keys: loaded once, always enforced, by name and not by address.

To asyncssh an empty or missing set of known hosts means "use the user's own file", and ``None`` means "check
nothing". So it always gets a function that looks the name up in the files loaded here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import asyncssh

from skewmon.errors import ConfigError, ConnectError, Reason
from skewmon.probe.exhaustion import out_of_files
from skewmon.probe.known_hosts import KnownHosts, match
from skewmon.runtime.files import read_bytes

#: No X.509: asyncssh would trust ~/.ssh/ca-bundle.crt and ~/.ssh/crt of the user that runs skewmon, and it
#: would measure no node if HOME is unreadable, such as that of root, which runuser leaves in place.
NO_CERTIFICATES: dict[str, Any] = {"x509_trusted_certs": None, "x509_trusted_cert_paths": []}

#: Files are read once per modification; the lines that a command prints may be the same for every host.
CACHED_FILES = 64
CACHED_OUTPUTS = 4

#: Room for many thousand hosts; beyond this the file is not a known_hosts file.
MAX_BYTES = 64 * 1024 * 1024

Lookup = Callable[[str, str, int | None], tuple[Sequence[Any], ...]]


def lookup(paths: Sequence[str], more: str = "") -> Lookup:
    """Return the function that finds the trusted, CA and revoked keys of a host in files and ``more`` lines.

    Raises ConnectError if a file is there but cannot be read; a missing file has no keys.
    """
    files = [*(_file(path).lines() for path in paths), *([_printed(more)] if more else [])]

    def find(host: str, _address: str, port: int | None) -> tuple[Sequence[Any], ...]:
        return match(files, host, port)

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


class _File:
    """A file's lines as of its last modification."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp_ns = 0
        self._lines = KnownHosts("")

    def lines(self) -> KnownHosts:
        """Return the present lines, none of a missing file."""
        stamp_ns = self._modified_ns()
        if stamp_ns != self._stamp_ns:
            self._lines = KnownHosts(_read(self._path) if stamp_ns else "")
            self._stamp_ns = stamp_ns
        return self._lines

    def _modified_ns(self) -> int:
        try:
            return Path(self._path).stat().st_mtime_ns
        except OSError:
            return 0


_file = lru_cache(maxsize=CACHED_FILES)(_File)
_printed = lru_cache(maxsize=CACHED_OUTPUTS)(KnownHosts)


def _read(path: str) -> str:
    try:
        return read_bytes(path, MAX_BYTES, wait_s=0).decode("utf-8", "replace")
    except ConfigError as error:
        raise out_of_files(error) or ConnectError(
            Reason.HOST_KEY_UNKNOWN,
            f"The known_hosts file cannot be used: {error}.",
            "Give the user that runs skewmon the right to read it.",
        ) from None

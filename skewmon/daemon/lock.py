"""The lock of a state directory: two daemons in one would mistake each other's alerts for their own."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

LOCK_FILE = "lock"

log = structlog.get_logger()


@contextmanager
def owned(directory: str) -> Iterator[bool]:
    """Hold the directory's lock while the body runs; warn and yield False if another process holds it.

    It does not refuse to start: two daemons that measure are better than one that does not run. The journal
    reports a directory that cannot be used.
    """
    descriptor = None
    with suppress(OSError):
        Path(directory).mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(Path(directory) / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor is None or _locked(descriptor, directory)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _locked(descriptor: int, directory: str) -> bool:
    """Return whether no other process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning(
            "another skewmon uses this state directory; both would keep one set of alerts",
            directory=directory,
            advice="give each daemon a state_directory of its own",
        )
        return False
    except OSError as fault:  # a file system without locks
        log.info("the state directory cannot be locked", directory=directory, reason=fault.strerror)
    return True

"""One SQLite file in the state directory: connecting, damage, loss; everything here blocks.

A damaged file is renamed, never deleted. If the file is deleted, replaced or truncated while it is open, the
next write begins a new one. Both are listed in ``restarts``.
"""

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar
from uuid import uuid4

from skewmon.errors import JournalError

#: The wait for another process that has the file locked, such as a backup or sqlite3.
BUSY_S = 2.0

#: SQLite's primary result codes for a file that is not a database, or a damaged one.
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

#: Device and inode: the file itself, independent of its name.
FileIdentity = tuple[int, int]

T = TypeVar("T")


class Restart(NamedTuple):
    """A new file in place of the old one: the reason, and the new path of the old one."""

    reason: str
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Design:
    """The file's name, the word for it in messages, its tables, and queries of the columns that are used.

    A database without these columns belongs to another program. A file of a later ``version`` is left alone.
    """

    file_name: str
    word: str
    schema: str
    used: tuple[str, ...]
    version: int

    @property
    def lost(self) -> str:
        """The log message for a file that is gone; the daemon continues in a new one."""
        return f"{self.word} file was deleted, replaced or truncated; earlier {_CONTENT[self.word]} are lost"

    @property
    def damaged(self) -> str:
        """The log message for a damaged file."""
        return (
            f"{self.word} file is damaged or belongs to another program; it was set aside and a new one begun"
        )


_CONTENT = {"journal": "events", "record": "figures"}


class Database:
    """One file of a design; every method blocks and runs in one thread."""

    def __init__(self, directory: Path, design: Design) -> None:
        self.path = directory / design.file_name
        self.restarts: list[Restart] = []  # the owner reports and clears them
        self.is_new = True  # this connection has not written yet: its file may lack everything
        self._design = design
        self._connection: sqlite3.Connection | None = None
        self._identity: FileIdentity | None = None

    def guarded(self, action: Callable[[], T]) -> T:
        """Run an action on the file; if the file is damaged, set it aside and run it once more."""
        word = self._design.word
        try:
            return action()
        except sqlite3.DatabaseError as fault:
            self.close()
            if not _is_broken(fault):
                raise JournalError(f"The {word} {self.path} cannot be used: {fault}.") from fault
        self._set_aside()
        try:
            return action()
        except sqlite3.DatabaseError as fault:
            self.close()
            raise JournalError(f"A new {word} {self.path} cannot be started: {fault}.") from fault

    def connected(self) -> sqlite3.Connection:
        """Return the connection; open the file and find damage before it is relied upon."""
        if self._connection is None:
            try:
                self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            except OSError as fault:
                raise JournalError(
                    f"The state directory {self.path.parent} cannot be used: {_reason(fault)}."
                ) from fault
            connection = sqlite3.connect(self.path, timeout=BUSY_S)
            try:
                self._prepare(connection)
            except (sqlite3.DatabaseError, JournalError):
                connection.close()
                raise
            self._connection = connection
            self.is_new = True
            self._identity = _identity(self.path)
        return self._connection

    def leave_if_lost(self) -> None:
        """Close a file that was deleted, replaced or truncated; the next connection opens the path again."""
        if not self._is_lost():
            return
        self.restarts.append(Restart(self._design.lost))
        if self._connection is not None:
            with contextlib.suppress(sqlite3.DatabaseError):  # it may only have been renamed: keep it whole
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.close()
        for ending in ("-wal", "-shm"):  # SQLite would apply the old log to any database at this path
            with contextlib.suppress(OSError):
                self._companion(ending).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; uncommitted changes are undone."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _is_lost(self) -> bool:
        """Return whether the path no longer is the file that is open; an error of the disk proves nothing."""
        with contextlib.suppress(OSError):
            return self._connection is not None and _identity(self.path) != self._identity
        return False

    def _set_aside(self) -> None:
        """Rename a damaged file and its log, so that nothing is lost and a new one can begin."""
        kept = self.path.with_name(f"{self.path.name}.broken-{uuid4().hex[:8]}")
        try:
            self.path.rename(kept)
            self._companion("-shm").unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                self._companion("-wal").rename(f"{kept}-wal")
        except OSError as fault:
            raise JournalError(
                f"The damaged {self._design.word} {self.path} cannot be set aside: {_reason(fault)}."
            ) from fault
        self.restarts.append(Restart(self._design.damaged, str(kept)))

    def _companion(self, ending: str) -> Path:
        return self.path.with_name(self.path.name + ending)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")  # readers never wait for the writer
        connection.execute("PRAGMA synchronous = FULL")  # acknowledged means: survives a power cut, too
        connection.execute("PRAGMA journal_size_limit = 4194304")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _damage(verdict)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > self._design.version:
            raise JournalError(f"The {self._design.word} {self.path} is of a later version of skewmon.")
        try:
            connection.executescript(self._design.schema)
            for query in self._design.used:
                connection.execute(query)
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # not the disk: tables of another program
                raise _damage(str(fault)) from fault
            raise
        if version != self._design.version:
            connection.execute(f"PRAGMA user_version = {self._design.version:d}")


def read_only(path: Path, word: str, action: Callable[[sqlite3.Connection], T]) -> T:
    """Run an action that reads a file, whether a daemon writes to it or not; raise JournalError."""
    if not path.exists():
        raise JournalError(f"There is no {word} in {path.parent}; the daemon starts one there.")
    if not path.is_file():  # a pipe would never end
        raise JournalError(f"The {word} {path} cannot be read: it is not a regular file.")
    reason = ""
    # Without a writer's companion files, and without the right to make them, the file cannot change either.
    for mode in ("mode=ro", "immutable=1"):
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=BUSY_S)
            with contextlib.closing(connection):
                return action(connection)
        except sqlite3.OperationalError as fault:
            reason = str(fault)
        except sqlite3.DatabaseError as fault:
            raise JournalError(f"The {word} {path} is damaged: {fault}.") from fault
    raise JournalError(f"The {word} {path} cannot be read: {reason}.")


def _identity(path: Path) -> FileIdentity | None:
    """Return device and inode of a file; None if it is missing or empty."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_dev, found.st_ino) if found.st_size else None


def _reason(fault: OSError) -> str:
    return (fault.strerror or str(fault)).lower()


def _is_broken(fault: sqlite3.DatabaseError) -> bool:
    code = getattr(fault, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _BROKEN


def _damage(verdict: str) -> sqlite3.DatabaseError:
    damage = sqlite3.DatabaseError(f"damaged: {verdict}")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return damage

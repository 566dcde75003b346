"""Which file the journal's name means; somebody may delete, replace or overwrite it while it is open."""

import contextlib
from pathlib import Path
from typing import NamedTuple

FILE_NAME = "journal.db"

#: What SQLite keeps beside a file that is open.
_COMPANIONS = ("-wal", "-shm")

#: Which file it is, whatever its name: device and inode.
Identity = tuple[int, int]


class Content(NamedTuple):
    """What tells that somebody wrote to a file, short of reading it."""

    modified_ns: int
    size: int


class FileName:
    """The name of a database, and what it meant when the database was opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._companions = [path.with_name(path.name + ending) for ending in _COMPANIONS]
        self._meant: dict[Path, Identity | None] = {}
        self._content: Content | None = None

    def remember(self) -> None:
        """Take note of the file that was opened, and of its companions."""
        with contextlib.suppress(OSError):
            self._meant = {path: _identity(path) for path in (self._path, *self._companions)}
        self.note_content()

    def note_content(self) -> None:
        """Take note of what the file holds, after writing to it."""
        self._content = self._found_content()

    def forget(self) -> None:
        """Expect nothing of the name any more."""
        self._meant = {}
        self._content = None

    def means_another(self) -> bool:
        """Tell whether the name means no file now, or another; a disk without an answer proves nothing."""
        if not self._meant:
            return False
        with contextlib.suppress(OSError):
            identity = _identity(self._path)
            return identity is None or identity != self._meant[self._path]
        return False

    def disturbed(self) -> bool:
        """Tell whether somebody else wrote to the file, or removed or replaced a companion, since then."""
        content = self._found_content()
        if None not in (content, self._content) and content != self._content:
            return True
        with contextlib.suppress(OSError):
            return any(
                meant is not None and _identity(path) != meant
                for path, meant in self._meant.items()
                if path in self._companions
            )
        return False

    def is_empty(self) -> bool:
        """Tell whether the file holds nothing at all."""
        content = self._found_content()
        return content is not None and content.size == 0

    def _found_content(self) -> Content | None:
        with contextlib.suppress(OSError):
            found = self._path.stat()
            return Content(found.st_mtime_ns, found.st_size)
        return None

    def remove_companions(self) -> None:
        """Remove what the file that was opened leaves beside its name.

        SQLite would apply a write-ahead log to any database that lies there, even to one of other origin.
        """
        for path in self._companions:
            with contextlib.suppress(OSError):
                if _identity(path) == self._meant.get(path):
                    path.unlink(missing_ok=True)


def _identity(path: Path) -> Identity | None:
    """Return which file a name means, or None where it means none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino

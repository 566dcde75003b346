"""Files that an operator names: configuration, sources of nodes, keys, secrets.

A pipe without a writer would keep the reader for ever, and a device such as /dev/zero never ends; neither is
what anybody meant. The null device is an empty file by another name, as in `UserKnownHostsFile /dev/null`.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

#: As OSError has it, where the operating system's own reasons stand.
IRREGULAR = "This is no regular file"


def open_regular(path: str) -> BinaryIO:
    """Return the file, opened to be read; raise OSError where that fails or it is no regular file."""
    return open(path, "rb", opener=_opened)


def require_regular(path: str) -> os.stat_result:
    """Return what is known of a file that somebody else will open; raise OSError as ``open_regular`` does."""
    found = Path(path).stat()
    if not _is_regular(found) and not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EINVAL, IRREGULAR, path)
    return found


def _opened(path: str, flags: int) -> int:
    """Return a descriptor; a directory is left to open(), which calls it by its name."""
    # O_NONBLOCK: to open a pipe waits for its writer. It means nothing to a regular file.
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    found = os.fstat(descriptor)
    if _is_regular(found) or stat.S_ISDIR(found.st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, IRREGULAR, path)


def _is_regular(found: os.stat_result) -> bool:
    return stat.S_ISREG(found.st_mode) or found.st_rdev == Path(os.devnull).stat().st_rdev != 0

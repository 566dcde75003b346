"""Files that a user names, read whole within a limit of bytes and of time.

A pipe works, as in ``--config.file <(sops -d skewmon.yml)``. A device that never ends runs into the limit of
bytes, a pipe without a writer into the limit of time. The null device is an empty file.
"""

import os
import select
import time

from skewmon.errors import ConfigError, Fault, MissingFileError

#: How long a pipe may take to deliver its content: a decryption that asks a key server takes seconds.
PIPE_WAIT_S = 10.0

#: Bytes per read.
_PIECE_BYTES = 1024 * 1024


def read_text(path: str, limit_bytes: int, *, wait_s: float = PIPE_WAIT_S) -> str:
    """Return the text of a UTF-8 file; raise ConfigError as ``read_bytes`` does."""
    data = read_bytes(path, limit_bytes, wait_s=wait_s)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
        raise ConfigError(Fault("this is not UTF-8", path, line, column, "save the file as UTF-8")) from None


def read_bytes(path: str, limit_bytes: int, *, wait_s: float = PIPE_WAIT_S) -> bytes:
    """Return the content of a file; raise MissingFileError, or ConfigError if it cannot be read.

    ``wait_s`` limits the time spent waiting for a pipe; pass 0 on the event loop.
    """
    try:
        # O_NONBLOCK: opening a pipe would wait for its writer. It has no effect on a regular file.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            data = _read(descriptor, limit_bytes, time.monotonic() + wait_s)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(Fault("there is no such file", path)) from None
    except IsADirectoryError:
        raise ConfigError(Fault("this is a directory", path, hint="name the file in it")) from None
    except TimeoutError:
        late = (
            f"its content did not arrive within {wait_s:g} s" if wait_s else "which cannot be waited for here"
        )
        raise ConfigError(Fault(f"this is a pipe, {late}", path, hint="name a regular file")) from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ConfigError(Fault(f"cannot read the file: {reason}", path)) from None
    if len(data) > limit_bytes:
        message = f"the file is larger than {_size(limit_bytes)}"
        raise ConfigError(Fault(message, path, hint="check that this is the file you mean"))
    return data


def _read(descriptor: int, limit_bytes: int, deadline_s: float) -> bytes:
    """Return the content up to one byte beyond the limit; raise TimeoutError at the deadline."""
    data = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)  # not ready: a pipe without a writer, or with a silent one
    ready = False
    while len(data) <= limit_bytes:
        try:
            piece = os.read(descriptor, min(_PIECE_BYTES, limit_bytes + 1 - len(data)))
        except BlockingIOError:
            piece = None
        if piece:
            data += piece
        elif piece is not None and (data or ready):
            break
        elif not (ready := bool(poll.poll(max(0.0, deadline_s - time.monotonic()) * 1000))):
            raise TimeoutError
    return bytes(data)


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count >= 2**20 else f"{count // 1024} KiB"

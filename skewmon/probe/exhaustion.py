"""Reported when this process has no file descriptor left, so that no other reason takes its place."""

import errno

from skewmon.errors import ConnectError, Reason


def out_of_files(error: BaseException | None) -> ConnectError | None:
    """Return the error for a process that may not open one more file or socket, or None for other errors.

    The error itself counts, and the one from which it was raised. Without this reason, keys and names would
    look missing and every node unreachable.
    """
    numbers = {getattr(one, "errno", None) for one in (error, getattr(error, "__context__", None))}
    if not numbers & {errno.EMFILE, errno.ENFILE}:
        return None
    if errno.ENFILE in numbers:
        return ConnectError(
            Reason.TOO_MANY_OPEN_FILES,
            "This machine has no file descriptor left, for any process.",
            "Look at what holds them, or raise the limit: sysctl fs.file-nr fs.file-max",
        )
    return ConnectError(
        Reason.TOO_MANY_OPEN_FILES,
        "skewmon has no file descriptor left; each connection takes one.",
        "Raise the limit of the process that runs skewmon: LimitNOFILE= of its unit, or ulimit -n.",
    )

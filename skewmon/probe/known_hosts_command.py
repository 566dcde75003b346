"""KnownHostsCommand: a program that prints more lines of known_hosts, such as one of a directory service."""

import shlex
from collections.abc import Sequence

from skewmon.errors import ConnectError, Reason
from skewmon.probe.exhaustion import out_of_files
from skewmon.probe.faults import quoted
from skewmon.runtime.command import OutputLimitError, run

#: A directory service answers within a second; one that is gone must not hold up the login for long.
TIMEOUT_S = 5.0

#: The keys of one host have a few kilobytes, a whole list of hosts may have some megabytes.
MAX_BYTES = 4 * 1024 * 1024


async def lines(command: Sequence[str]) -> str:
    """Return the lines of known_hosts that a command prints; raise ConnectError if it fails."""
    if not command:
        return ""
    try:
        done = await run(command, timeout_s=TIMEOUT_S, max_bytes=MAX_BYTES)
        fault = "; ".join((f"exit status {done.code}", *done.complaints)) if done.code else ""
    except TimeoutError:
        fault = f"no end within {TIMEOUT_S:g} s"
    except OutputLimitError:
        fault = "too much output"
    except OSError as error:
        if lack := out_of_files(error):
            raise lack from None
        fault = error.strerror or str(error)
    if fault:
        raise ConnectError(
            Reason.HOST_KEY_UNKNOWN,
            f"KnownHostsCommand failed: {quoted(fault)}.",
            f"Run it by itself: {shlex.join(command)}",
        )
    return done.output.decode("utf-8", "replace")

"""Containment: an unexpected exception costs the edge at which it is raised, and never the daemon.

Each edge (one node, one receiver, one HTTP request, …) runs inside ``contained`` or ``translated``. Errors
that skewmon raises on purpose pass through; every other exception, of a library or of skewmon itself, is
counted by edge and logged with its traceback, once for each exception type and raising line.

Cancellation of the running task always passes through. A library may also raise CancelledError by itself, by
cancelling a future that skewmon awaits. That would end a task without a trace, so it counts as an error.
"""

import asyncio
import textwrap
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

import structlog

from skewmon.errors import NodeError, Reason, SkewmonError
from skewmon.text import harmless

#: Raising lines are finite, but a limit costs nothing: errors beyond it are counted and not logged.
KINDS_MAX = 256

#: A recursion error has a thousand frames; the first and the last of them explain it.
TRACEBACK_CHARACTERS = 8_000

#: An exception may quote bytes of a node; enough is kept to find it again.
MESSAGE_CHARACTERS = 200

T = TypeVar("T")


class Where(StrEnum):
    """The edges at which errors are contained; the ``where`` label of the metric."""

    NODE = "node"
    STATUS = "status"
    REFERENCE = "reference"
    ADMIN_BOX = "admin-box"
    INVENTORY = "inventory"
    RECEIVER = "receiver"
    HTTP = "http"
    JOURNAL = "journal"
    ROUND = "round"
    RELOAD = "reload"
    LOOP = "loop"


#: Exceptions at these edges may quote a URL with a password, so that their words stay out of the log.
SECRETIVE = frozenset({Where.INVENTORY, Where.RECEIVER})


class InternalErrors:
    """Counts internal errors by edge, and logs the first of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[Where] = Counter(dict.fromkeys(Where, 0))
        self._logged: set[tuple[type[BaseException], str]] = set()

    def note(self, where: Where, error: BaseException, **about: str) -> str:
        """Count an error, log it if its kind is new, and return it as one sentence."""
        self.counts[where] += 1
        quoting = where not in SECRETIVE
        sentence = described(error, quoting=quoting)
        kind = (type(error), place_of_raise(error))
        if kind not in self._logged and len(self._logged) < KINDS_MAX:
            self._logged.add(kind)
            with suppress(Exception):  # a log that cannot be written must not end the daemon either
                structlog.get_logger().error(
                    "internal error; please report this as a bug",
                    where=str(where),
                    **about,
                    detail=sentence,
                    exception=_printable_traceback(error, quoting=quoting),
                )
        return sentence


#: One for the process, like the log: edges are everywhere, and the metric is the sum of them.
internal_errors = InternalErrors()


class contained:  # noqa: N801  # a context manager, as contextlib's own
    """Runs a block whose unexpected exceptions, but for those ``passing`` through, are counted and end here.

    The caller finds out from ``error``: the sentence about the exception, or nothing.
    """

    def __init__(self, where: Where, *, passing: tuple[type[Exception], ...] = (), **about: str) -> None:
        self._where = where
        self._passing = passing
        self._about = about
        self.error = ""

    def __enter__(self) -> Self:
        """Begin the block."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> bool:
        """End the block; suppress an unexpected exception."""
        if error is None or not _is_unexpected(error) or isinstance(error, self._passing):
            return False
        self.error = internal_errors.note(self._where, error, **self._about)
        return True


class translated:  # noqa: N801  # a context manager, as contextlib's own
    """Runs a block whose unexpected exceptions are counted and raised again as an error of skewmon's own."""

    def __init__(self, where: Where, to: Callable[[str], SkewmonError], **about: str) -> None:
        self._where = where
        self._to = to
        self._about = about

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """End the block; raise the error for an unexpected exception."""
        if error is not None and _is_unexpected(error):
            raise self._to(internal_errors.note(self._where, error, **self._about)) from None


def node_error(sentence: str) -> NodeError:
    """Return the error of a node at which skewmon or a library failed."""
    return NodeError(
        Reason.INTERNAL_ERROR,
        sentence,
        "Its server may break the SSH protocol, or skewmon has a bug; the daemon's log has the traceback.",
    )


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as ``asyncio.run`` does; errors that reach the event loop itself are contained."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(_loop_failed)
        return runner.run(main)


def described(error: BaseException, *, quoting: bool = True) -> str:
    """Return an exception as one printable sentence: type, raising line and, if ``quoting``, words."""
    words = harmless(_words(error)) if quoting else ""
    return f"Internal error: {type(error).__name__} at {place_of_raise(error)}{words}."


def place_of_raise(error: BaseException) -> str:
    """Return file and line of the innermost frame, without the directories that differ by installation."""
    innermost = error.__traceback__
    if innermost is None:
        return "an unknown place"
    while innermost.tb_next is not None:
        innermost = innermost.tb_next
    path = Path(innermost.tb_frame.f_code.co_filename)
    return f"{'/'.join(path.parts[-2:])}:{innermost.tb_lineno}"


def _words(error: BaseException) -> str:
    try:
        words = str(error)[:MESSAGE_CHARACTERS].rstrip(".")
    except Exception:  # noqa: BLE001  # an exception that cannot even be printed
        words = ""
    return f": {words}" if words else ""


def _is_unexpected(error: BaseException) -> bool:
    """Return whether an exception is neither skewmon's own nor the end of the task or the process."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    return isinstance(error, Exception) and not isinstance(error, SkewmonError)


def _printable_traceback(error: BaseException, *, quoting: bool) -> str:
    """Return a traceback without control characters; indented, so that it cannot forge a log line."""
    if quoting:
        text = "".join(traceback.format_exception(error))
    else:
        text = "".join(traceback.format_tb(error.__traceback__)) + type(error).__name__
    if len(text) > TRACEBACK_CHARACTERS:
        half = TRACEBACK_CHARACTERS // 2
        text = f"{text[:half]}\n[…]\n{text[-half:]}"
    return textwrap.indent(harmless(text.rstrip(), keep="\n"), "    ")


def _loop_failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Contain an exception of a callback or of a task that nothing awaits.

    An OSError is a lack of the system, such as of descriptors, and is logged by asyncio at its own pace.
    """
    error = context.get("exception")
    if error is None or isinstance(error, OSError):
        loop.default_exception_handler(context)
    else:
        internal_errors.note(Where.LOOP, error, message=str(context.get("message", "")))

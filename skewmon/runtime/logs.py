"""Logs: for a person on a terminal, as logfmt or JSON for machines; transitions, not repetitions."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Literal, TextIO

import structlog

from skewmon.text import harmless, masked_text

Format = Literal["console", "logfmt", "json"]

#: asyncio repeats some messages a thousand times a second; the first one has all the information.
ASYNCIO_TELL_AGAIN_S = 60.0

#: Different warnings that are logged, and characters of each: one that holds an address never repeats.
MAX_WARNINGS = 100
WARNING_CHARACTERS = 500

LEVELS = ("debug", "info", "warning", "error")

#: For commands whose output is their result: a failed node is part of it, and a log would be in its way.
SILENT = "critical"


def configure(level: str = "info", style: Format | None = None) -> None:
    """Set up structlog for the process; without a style, the terminal decides."""
    if style is None:
        style = "console" if sys.stderr.isatty() else "logfmt"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_renderers(style),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Log lines of libraries are dropped: skewmon translates their errors into its own.
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    # asyncio reports bugs and exhausted resources: logged, but at a limited rate.
    loop_logger = logging.getLogger("asyncio")
    loop_logger.propagate = False
    loop_logger.handlers[:] = [_Paced()]
    warnings.showwarning = _Warnings()


class _Warnings:
    """Logs Python's ``warnings``, which would otherwise go to standard error; each text once."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, str]] = set()

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Log a warning, instead of ``warnings.showwarning``."""
        kind = (category.__name__, str(message)[:WARNING_CHARACTERS])
        if kind in self._logged or len(self._logged) >= MAX_WARNINGS:
            return
        self._logged.add(kind)
        place = f"{Path(filename).name}:{lineno}"
        structlog.get_logger().warning("a library warns", kind=kind[0], message=kind[1], place=place)


class _Paced(logging.Handler):
    """Passes one record a minute on to structlog, with the number of those that it held back before."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._tell_after_s = 0.0
        self._held_back = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as one event, or count it."""
        if record.created < self._tell_after_s:
            self._held_back += 1
            return
        details: dict[str, object] = {"held_back": self._held_back} if self._held_back else {}
        cause = record.exc_info[1] if record.exc_info else None
        if isinstance(cause, OSError):
            details["reason"] = str(cause)  # the system's error, not a bug: its message is enough
        elif cause is not None:
            details["exc_info"] = cause
        self._tell_after_s, self._held_back = record.created + ASYNCIO_TELL_AGAIN_S, 0
        structlog.get_logger().error("the event loop complains", message=record.getMessage(), **details)


def _harmless(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Make every text harmless to the terminal that shows the log; the renderers deal with line ends."""
    return {
        key: harmless(value, keep="\n") if isinstance(value, str) else value for key, value in event.items()
    }


def _renderers(style: Format) -> tuple[structlog.typing.Processor, ...]:
    made_safe = (_without_secrets, _harmless)
    # The console renders exceptions itself; elsewhere a traceback has to become text, or it is lost.
    if style == "json":
        return structlog.processors.format_exc_info, *made_safe, structlog.processors.JSONRenderer()
    if style == "logfmt":
        line = structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "event"], bool_as_flag=False
        )
        return structlog.processors.format_exc_info, *made_safe, line
    return *made_safe, structlog.dev.ConsoleRenderer()


def _without_secrets(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Mask the URLs in every text of a line, from any source; the link to a runbook keeps its anchor."""
    for name, value in event.items():
        if isinstance(value, str):
            shown, mark, anchor = value.partition("#") if name == "runbook" else (value, "", "")
            event[name] = masked_text(shown) + mark + anchor
    return event

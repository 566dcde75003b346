"""Logs: for a person on a terminal, as logfmt or JSON for machines; transitions, not repetitions."""

import logging
import sys
from typing import Literal

import structlog

Format = Literal["console", "logfmt", "json"]

LEVELS = ("debug", "info", "warning", "error")


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
    # Libraries keep their chatter: whatever matters of it is translated into skewmon's own errors.
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)


def _renderers(style: Format) -> tuple[structlog.typing.Processor, ...]:
    # The console renders exceptions itself; elsewhere a traceback has to become text, or it is lost.
    if style == "json":
        return structlog.processors.format_exc_info, structlog.processors.JSONRenderer()
    if style == "logfmt":
        line = structlog.processors.LogfmtRenderer(
            key_order=["timestamp", "level", "event"], bool_as_flag=False
        )
        return structlog.processors.format_exc_info, line
    return (structlog.dev.ConsoleRenderer(),)

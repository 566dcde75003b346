"""Warnings that a client can cause at will: one a minute each."""

import asyncio

import structlog

log = structlog.get_logger(__name__)

#: A client that opens connections without end does not fill the log as well.
REPEAT_AFTER_S = 60.0


class RateLimitedLog:
    """Logs each event at most once in ``REPEAT_AFTER_S``; the events are a handful of constants."""

    def __init__(self) -> None:
        self._silent_until_s: dict[str, float] = {}

    def warning(self, event: str, **details: object) -> None:
        """Log the event, unless it was logged a moment ago."""
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._silent_until_s.get(event, 0.0):
            self._silent_until_s[event] = now_s + REPEAT_AFTER_S
            log.warning(event, **details)

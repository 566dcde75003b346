"""What the daemon lends to its HTTP server: the things that only the daemon can do or knows."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from skewmon.model import EventQuery

Events = Callable[[EventQuery], Awaitable[Sequence[dict[str, Any]]]]


async def _no_events(_query: EventQuery) -> Sequence[dict[str, Any]]:
    return ()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Injected by the composition root; what is None is answered with 404."""

    events: Events = _no_events  # newest first; raises SkewmonError where the journal is unreadable
    reload: Callable[[], Awaitable[None]] | None = None  # raises SkewmonError where the new file is unusable
    config_text: Callable[[], str] | None = None  # the configuration in force, secrets masked

"""The query for events in the address of a request; the API and the page read it alike."""

from collections.abc import Sequence

from aiohttp import web

from skewmon.export import parameters
from skewmon.model import EventQuery

EVENTS_DEFAULT = 100
EVENTS_MAX = 1_000

#: The parameters that select events.
FILTERS = ("limit", "since", "node", "kind", "cluster")


def event_query(request: web.Request, now_wall_ns: int, others: Sequence[str] = ()) -> EventQuery:
    """Return the query of a request, which may have ``others`` beside the filters; raise ParameterError."""
    parameters.known(request, (*FILTERS, *others))
    since = "since" in request.query
    return EventQuery(
        parameters.count(request, "limit", EVENTS_DEFAULT, EVENTS_MAX),
        max(0, now_wall_ns - parameters.span_ns(request, "since")) if since else 0,
        parameters.word(request, "node"),
        parameters.word(request, "kind"),
        parameters.word(request, "cluster"),
    )

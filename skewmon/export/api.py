"""The paths below /api/v1/: the JSON contract, and rounds as they happen."""

import asyncio
import time
from contextlib import aclosing
from functools import partial
from http import HTTPStatus

from aiohttp import hdrs, web

from skewmon.errors import SkewmonError
from skewmon.export import parameters, status
from skewmon.export.connection import HttpConnection
from skewmon.export.event_query import event_query
from skewmon.export.history import NODES_ASSUMED, history_document, history_query
from skewmon.export.pairs import query
from skewmon.export.published import Callbacks, Published
from skewmon.export.responses import busy, fault, rendered
from skewmon.export.stream import HEARTBEAT_S, Stream, event
from skewmon.model import ClusterView, Snapshot
from skewmon.text import rfc3339

PAIRS_DEFAULT = 100

#: Some 50 ms of a thread's work and a tenth of a megabyte; ten times as many would delay rounds. The half
#: million pairs of a large cluster follow from its nodes' offsets.
PAIRS_MAX = 1_000


class Api:
    """Handlers of the JSON API."""

    def __init__(self, published: Published, callbacks: Callbacks, stream: Stream) -> None:
        self._published = published
        self._callbacks = callbacks
        self._stream = stream

    def routes(self) -> list[web.RouteDef]:
        """Return paths and handlers."""
        return [
            web.get("/api/v1/status", self.status),
            web.get("/api/v1/clusters/{name}/pairs", self.pairs),
            web.get("/api/v1/events", self.events),
            web.get("/api/v1/history", self.history),
            web.get("/api/v1/stream", self.rounds, allow_head=False),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """Answer the document that ``check -o json`` prints."""
        publication = self._published.newest

        def render() -> bytes:
            return status.encode(publication.document)

        response = await rendered(request, publication, "status", render)
        response.content_type = "application/json"
        response.headers[hdrs.VARY] = "Accept-Encoding"
        return response

    async def pairs(self, request: web.Request) -> web.Response:
        """Answer the selected pairs of one cluster."""
        try:
            limit = parameters.count(request, "limit", PAIRS_DEFAULT, PAIRS_MAX)
            min_ns = parameters.span_ns(request, "min")
        except parameters.ParameterError as error:
            return fault(request, HTTPStatus.BAD_REQUEST, str(error))
        view = _cluster(self._published.newest.snapshot, request.match_info["name"])
        node = request.query.get("node")
        if view is None:
            return fault(request, HTTPStatus.NOT_FOUND, "There is no cluster of this name.")
        if node is not None and node not in {node.name for node in view.nodes}:
            return fault(request, HTTPStatus.NOT_FOUND, "The cluster has no node of this name.")
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(
            self._published.executor, _pairs_document, view, limit, node, min_ns
        )
        return web.Response(body=body, content_type="application/json")

    async def events(self, request: web.Request) -> web.Response:
        """Answer the newest events of the journal that match the query."""
        try:
            query = event_query(request, time.time_ns())
        except parameters.ParameterError as error:
            return fault(request, HTTPStatus.BAD_REQUEST, str(error))
        try:
            events = await self._callbacks.events(query)
        except SkewmonError as error:  # an empty list would mean that nothing happened
            return fault(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        body = status.encode({"schema": status.SCHEMA, "events": list(events)}, status.LIST_DEPTH)
        return web.Response(body=body, content_type="application/json")

    async def history(self, request: web.Request) -> web.Response:
        """Answer the record of one cluster in steps."""
        view = _cluster(self._published.newest.snapshot, request.query.get("cluster", ""))
        try:
            query = history_query(request, int(time.time()), len(view.nodes) if view else NODES_ASSUMED)
        except parameters.ParameterError as error:
            return fault(request, HTTPStatus.BAD_REQUEST, str(error))
        try:
            periods = await self._callbacks.history(query)
        except SkewmonError as error:  # an empty list would mean that nothing was measured
            return fault(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        if view is None and not periods:
            return fault(request, HTTPStatus.NOT_FOUND, "There is no cluster of this name.")
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._published.executor, history_document, query, periods)
        return web.Response(body=body, content_type="application/json")

    async def rounds(self, request: web.Request) -> web.StreamResponse:
        """Send an event now and one after every round, until either side ends the connection."""
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream"})
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
        if isinstance(request.protocol, HttpConnection) and not request.protocol.stream():
            return busy(request, "Too many clients listen already.")
        async with aclosing(self._stream.subscribe(partial(_abort, request))) as messages:
            preamble = await anext(messages)
            await response.prepare(request)
            await response.write(preamble + (self.round_event() if self._published.ready else b""))
            async for message in messages:
                if not await _written(response, message):
                    _abort(request)
                    break
        return response

    def round_event(self) -> bytes:
        """Return the event of the newest round: the heads of all clusters, without nodes and pairs."""
        summary = status.summary(self._published.newest.snapshot)
        document = {**summary, "age_seconds": self._published.age_s}
        return event("round", status.encode(document))


def _cluster(snapshot: Snapshot, name: str) -> ClusterView | None:
    return next((view for view in snapshot.clusters if view.name == name), None)


def _pairs_document(view: ClusterView, limit: int, node: str | None, min_ns: int) -> bytes:
    pairs = [status.pair_status(pair) for pair in query(view, limit, node, min_ns)]
    head = {
        "schema": status.SCHEMA,
        "time": rfc3339(view.at_wall_ns, status.WALL_DECIMALS),
        "cluster": view.name,
    }
    return status.encode({**head, "pairs": pairs}, status.LIST_DEPTH)


async def _written(response: web.StreamResponse, message: bytes) -> bool:
    """Send a message; return False if the reader has left, or took nothing for too long."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            await response.write(message)
    except (TimeoutError, ConnectionError):
        return False
    return True


def _abort(request: web.Request) -> None:
    """Cut the connection; a graceful end would wait for the reader."""
    if request.transport is not None:
        request.transport.abort()

"""The handlers of the pages and their files."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from aiohttp import hdrs, web

from skewmon.errors import SkewmonError, echoed
from skewmon.export import parameters
from skewmon.export.event_query import event_query
from skewmon.export.page import clusters, events, history, node_page
from skewmon.export.page.answers import ASSETS, SCRIPT_PARAMETERS, Answers, PageFrame
from skewmon.export.page.links import UP
from skewmon.export.page.parts import Drawing
from skewmon.export.page.past import PastReader
from skewmon.export.page.recent import RecentReader
from skewmon.export.published import Callbacks, Published
from skewmon.export.responses import fault

#: The files of the pages, by name; no path of a client reaches the file system.
_FILES = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "live.js": "text/javascript",
    "matrix.js": "text/javascript",
    "format.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class PageHandlers:
    """Draws the pages from the document of the newest round, the journal and the record."""

    def __init__(self, published: Published, callbacks: Callbacks) -> None:
        self._published = published
        self._callbacks = callbacks
        self._past = PastReader(callbacks)
        self._recent = RecentReader(callbacks.history)
        self._answers = Answers(published)
        self._files = {name: (ASSETS / name).read_bytes() for name in _FILES}

    def routes(self) -> list[web.RouteDef]:
        """Return paths and handlers."""
        return [
            web.get("/", self.clusters),
            web.get("/node/{name}", self.node),
            web.get("/events", self.events),
            web.get("/page/{name}", self.file),
        ]

    async def clusters(self, request: web.Request) -> web.Response:
        """Answer the page of all clusters."""
        publication = self._published.newest
        every_row = request.query.get("rows") == "all"
        names = [view.name for view in publication.snapshot.clusters]
        journal = await publication.awaited("journal", self._past.journal)
        recents = await publication.awaited("recent", partial(self._recent.newest, names))
        make = partial(clusters.drawn, publication, journal, recents, every_row=every_row)
        drawing = await publication.once(("drawing", every_row), make)
        kind = ("clusters", every_row)
        return await self._answers.answer(request, publication, kind, drawing, PageFrame(), shared=True)

    async def node(self, request: web.Request) -> web.Response:
        """Answer the page of one node, with a section for each cluster that it is in."""
        publication = self._published.newest
        name = request.match_info["name"]
        found = [
            view.name
            for view in publication.snapshot.clusters
            if any(node.name == name for node in view.nodes)
        ]
        if not found:
            return fault(request, HTTPStatus.NOT_FOUND, "No cluster has a node of this name.")
        span = request.query.get("span", history.DEFAULT_SPAN)
        if span not in history.SPANS:
            message = f"span: expected one of {', '.join(history.SPANS)}, found {echoed(span)}"
            return fault(request, HTTPStatus.BAD_REQUEST, message)
        journal = await publication.awaited("journal", self._past.journal)
        pasts = {
            cluster: await history.read(self._callbacks.history, cluster, name, span) for cluster in found
        }
        make = partial(node_page.drawn, publication, name, journal, pasts)
        drawing = await self._in_thread(make)
        frame = PageFrame(f"{name}: skewmon", UP, "Filter rows", "event, source or peer")
        return await self._answers.answer(
            request, publication, ("node", name, span), drawing, frame, shared=False
        )

    async def events(self, request: web.Request) -> web.Response:
        """Answer the table of events that match the query."""
        publication = self._published.newest
        try:
            query = event_query(request, time.time_ns(), SCRIPT_PARAMETERS)
        except parameters.ParameterError as error:
            return fault(request, HTTPStatus.BAD_REQUEST, str(error))
        chosen = events.EventFilters.of(query, request.query.get("since", ""))
        try:
            found, trouble = await self._callbacks.events(query), ""
        except SkewmonError as error:  # an empty table would mean that nothing happened
            found, trouble = (), str(error)
        drawing = await self._in_thread(lambda: events.drawn(publication.document, chosen, found, trouble))
        frame = PageFrame("Events: skewmon", filter="Filter events", example="any text")
        kind = ("events", chosen)
        return await self._answers.answer(request, publication, kind, drawing, frame, shared=False)

    async def file(self, request: web.Request) -> web.Response:
        """Answer a file of the pages."""
        name = request.match_info["name"]
        if name not in _FILES:
            raise web.HTTPNotFound
        response = web.Response(body=self._files[name], content_type=_FILES[name], charset="utf-8")
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return response

    async def _in_thread(self, make: Callable[[], Drawing]) -> Drawing:
        return await asyncio.get_running_loop().run_in_executor(self._published.executor, make)

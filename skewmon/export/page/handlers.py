"""The handlers of the pages and their files."""

import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from functools import partial
from importlib.resources import files
from string import Template

from aiohttp import hdrs, web

from skewmon import __version__
from skewmon.export.page.clusters import ROOT, draw
from skewmon.export.page.parts import Drawing
from skewmon.export.published import Publication, Published
from skewmon.export.responses import rendered

_FOLDER = files(__package__) / "assets"

#: The files of the pages, by name; no path of a client reaches the file system.
_ASSETS = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "live.js": "text/javascript",
    "matrix.js": "text/javascript",
    "format.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}

#: Drawings whose fingerprints are kept, so that an update carries changes only; a page that was drawn before
#: all of them is sent whole. One takes a quarter of a megabyte for a thousand nodes.
KNOWN_MAX = 24


class PageHandlers:
    """Draws the pages, or only the parts that changed since the round that the script names."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._template = Template((_FOLDER / "index.html").read_text(encoding="utf-8"))
        self._assets = {name: (_FOLDER / name).read_bytes() for name in _ASSETS}
        self._known: OrderedDict[Hashable, Mapping[str, int]] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        """Return paths and handlers."""
        return [web.get("/", self.page), web.get("/page/{name}", self.asset)]

    async def page(self, request: web.Request) -> web.Response:
        """Answer the page of the newest round."""
        publication = self._published.newest
        every_row = request.query.get("rows") == "all"
        make = partial(_drawn, publication, every_row=every_row)
        return await self._answer(request, publication, ("clusters", every_row), make)

    async def asset(self, request: web.Request) -> web.Response:
        """Answer a file of the pages."""
        name = request.match_info["name"]
        if name not in _ASSETS:
            raise web.HTTPNotFound
        response = web.Response(body=self._assets[name], content_type=_ASSETS[name], charset="utf-8")
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return response

    async def _answer(
        self,
        request: web.Request,
        publication: Publication,
        kind: Hashable,
        make: Callable[[], Drawing],
    ) -> web.Response:
        """Answer a page, or the changes since the drawing that the request names."""
        drawing = await publication.once(("drawing", kind), make)
        token = publication.token
        self._remember((kind, token), drawing)
        if request.query.get("part") == "changes":
            known = (kind, request.query.get("since"))
            known = known if known in self._known else (kind, None)
            changes = partial(_changes, drawing, self._known.get(known, {}), token)
            response = await rendered(request, publication, ("changes", known), changes)
            response.content_type = "application/json"
        else:
            response = await rendered(
                request, publication, ("page", kind), partial(self._whole, drawing, token)
            )
            response.content_type, response.charset = "text/html", "utf-8"
        response.headers[hdrs.VARY] = "Accept-Encoding"
        response.headers[hdrs.AGE] = f"{self._published.age_s:.0f}"
        return response

    def _remember(self, key: Hashable, drawing: Drawing) -> None:
        if key not in self._known:
            self._known[key] = drawing.fingerprints
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)

    def _whole(self, drawing: Drawing, token: str) -> bytes:
        content = drawing.whole(ROOT)
        text = self._template.substitute(
            version=__version__,
            content=content,
            token=token,
            root="",
            title="skewmon",
            filter="Filter nodes",
            example="name, finding or reason",
        )
        return text.encode("utf-8", "replace")


def _drawn(publication: Publication, *, every_row: bool) -> Drawing:
    return draw(publication.document, {}, every_row=every_row)


def _changes(drawing: Drawing, known: Mapping[str, int], token: str) -> bytes:
    changed = drawing.changes(ROOT, known)
    return json.dumps({"token": token, "parts": changed}, separators=(",", ":")).encode()

"""The handlers of the page and its two files."""

from functools import partial
from importlib.resources import files
from string import Template

from aiohttp import hdrs, web

from skewmon import __version__
from skewmon.export.page.clusters import clusters
from skewmon.export.page.markup import tag
from skewmon.export.published import Publication, Published
from skewmon.export.responses import rendered

_FOLDER = files(__package__)

#: The files of the page, by name; no path of a client reaches the file system.
_ASSETS = {
    "style.css": "text/css",
    "page.js": "text/javascript",
    "live.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class PageHandlers:
    """Draws the page, or only its sections if the script requests an update."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._template = Template((_FOLDER / "index.html").read_text(encoding="utf-8"))
        self._assets = {name: (_FOLDER / name).read_bytes() for name in _ASSETS}

    def routes(self) -> list[web.RouteDef]:
        """Return paths and handlers."""
        return [web.get("/", self.page), web.get("/page/{name}", self.asset)]

    async def page(self, request: web.Request) -> web.Response:
        """Answer the page of the newest round."""
        publication = self._published.newest
        every_row = request.query.get("rows") == "all"
        part = request.query.get("part") == "clusters"
        draw = self._part if part else self._whole
        render = partial(draw, publication, every_row=every_row)
        response = await rendered(request, publication, ("page", part, every_row), render)
        response.content_type, response.charset = "text/html", "utf-8"
        response.headers[hdrs.VARY] = "Accept-Encoding"
        response.headers[hdrs.AGE] = f"{self._published.age_s:.0f}"
        return response

    async def asset(self, request: web.Request) -> web.Response:
        """Answer a file of the page."""
        name = request.match_info["name"]
        if name not in _ASSETS:
            raise web.HTTPNotFound
        response = web.Response(body=self._assets[name], content_type=_ASSETS[name], charset="utf-8")
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return response

    def _part(self, publication: Publication, *, every_row: bool) -> bytes:
        document = publication.document
        verdict = document["verdict"].value if document["clusters"] else "waiting"
        part = tag("div", clusters(document, every_row=every_row), id="clusters", data_verdict=verdict)
        return part.encode("utf-8", "replace")

    def _whole(self, publication: Publication, *, every_row: bool) -> bytes:
        part = self._part(publication, every_row=every_row).decode()
        return self._template.substitute(version=__version__, clusters=part).encode()

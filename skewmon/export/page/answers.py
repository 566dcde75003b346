"""Pages as responses: whole, or only the parts that changed since the drawing that a script has."""

import json
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from importlib.resources import files
from string import Template

from aiohttp import hdrs, web

from skewmon import __version__
from skewmon.export.page.parts import Drawing
from skewmon.export.published import Publication, Published
from skewmon.export.responses import rendered, rendered_once
from skewmon.text import harmless

ASSETS = files(__package__) / "assets"

#: Parameters that the script adds to the address of a page.
SCRIPT_PARAMETERS = ("part", "seen")

#: Drawings whose fingerprints are kept, so that an update carries changes only; a page that was drawn before
#: all of them is sent whole. One takes a quarter of a megabyte for a thousand nodes.
KNOWN_MAX = 24


@dataclass(frozen=True, slots=True)
class PageFrame:
    """The part of a page that stays the same; ``root`` leads from its address to the root."""

    title: str = "skewmon"
    root: str = ""
    filter: str = "Filter nodes"
    example: str = "name, finding or reason"


class Answers:
    """Answers requests with drawings, and remembers which drawings were sent."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._template = Template((ASSETS / "frame.html").read_text(encoding="utf-8"))
        self._known: OrderedDict[Hashable, Mapping[str, int]] = OrderedDict()

    async def answer(
        self,
        request: web.Request,
        publication: Publication,
        kind: Hashable,
        drawing: Drawing,
        frame: PageFrame,
        *,
        shared: bool,
    ) -> web.Response:
        """Answer a drawing; ``kind`` is the same for a page in all rounds.

        A ``shared`` response is kept for other clients until the next round. There are too many node pages
        and queries for events to keep them all.
        """
        token = publication.token
        self._remember((kind, token), drawing)
        if request.query.get("part") == "changes":
            seen = (kind, request.query.get("seen"))
            known = self._known.get(seen, {})
            key: Hashable = ("changes", seen if known else kind)
            render = partial(_changes, drawing, known, token)
            content_type = "application/json"
        else:
            key, content_type = ("page", kind), "text/html"
            render = partial(self._whole, drawing, frame, token)
        if shared:
            response = await rendered(request, publication, key, render)
        else:
            response = await rendered_once(request, self._published.executor, render)
        response.content_type = content_type
        if content_type == "text/html":
            response.charset = "utf-8"
        response.headers[hdrs.VARY] = "Accept-Encoding"
        response.headers[hdrs.AGE] = f"{self._published.age_s:.0f}"
        return response

    def _remember(self, key: Hashable, drawing: Drawing) -> None:
        if key not in self._known:
            self._known[key] = drawing.fingerprints
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)

    def _whole(self, drawing: Drawing, frame: PageFrame, token: str) -> bytes:
        text = self._template.substitute(
            version=__version__,
            content=drawing.whole(),
            token=token,
            root=frame.root,
            title=escape(harmless(frame.title)),
            filter=frame.filter,
            example=frame.example,
        )
        return text.encode("utf-8", "replace")


def _changes(drawing: Drawing, known: Mapping[str, int], token: str) -> bytes:
    document = {"token": token, "parts": drawing.changes(known)}
    return json.dumps(document, separators=(",", ":")).encode()

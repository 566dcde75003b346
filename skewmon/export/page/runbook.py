"""The runbook of this version, drawn from the shipped Markdown: alerts first, then findings."""

import re
from functools import cache
from itertools import pairwise
from string import Template

from aiohttp import web
from markdown_it import MarkdownIt

from skewmon.export.responses import fault
from skewmon.runtime.assets import directory

#: The documents on the page, in their order; links between them stay on the page.
DOCUMENTS = ("runbook-alerts.md", "runbook.md")

#: Other documents are not served.
ELSEWHERE = "https://github.com/skewmon/skewmon/blob/main/docs/"

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Runbook · skewmon</title>
<link rel="icon" href="page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="page/style.css">
</head>
<body>
<header class="top">
<h1><a href="./"><img src="page/icon.svg" alt="" width="28" height="28">skewmon</a></h1>
</header>
<main id="content" class="document">
$content
</main>
</body>
</html>
""")


class RunbookHandlers:
    """Serves the runbook, so that an alert leads to the text of the version that raised it."""

    def routes(self) -> list[web.RouteDef]:
        """Return paths and handlers."""
        return [web.get("/runbook", self.runbook)]

    async def runbook(self, request: web.Request) -> web.Response:
        """Answer the page."""
        try:
            text = drawn()
        except OSError as error:
            return fault(request, 404, f"The runbook is not installed: {error.strerror}. See {ELSEWHERE}.")
        return web.Response(text=text, content_type="text/html")


@cache
def drawn() -> str:
    """Return the page; raise OSError if a document is missing."""
    return _PAGE.substitute(content="\n".join(_document(name) for name in DOCUMENTS))


def _document(name: str) -> str:
    """Return a document as HTML; each heading has its text as its id, as on GitHub."""
    markdown = MarkdownIt().enable("table")
    tokens = markdown.parse((directory() / "docs" / name).read_text(encoding="utf-8"))
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", re.sub(r"[^\w -]", "", inline.content.lower()).replace(" ", "-"))
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _link(str(child.attrs["href"])))
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _link(target: str) -> str:
    """Return a link of a document as one of the page."""
    document, _, anchor = target.partition("#")
    if not document or "://" in target:
        return target
    if document in DOCUMENTS:
        return f"#{anchor or 'runbook-' + ('alerts' if 'alerts' in document else 'findings')}"
    return f"{ELSEWHERE}{target}"

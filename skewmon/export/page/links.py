"""Links between the pages; all are relative, so that they hold below any path of a reverse proxy."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from skewmon.export.page.markup import Markup, join, tag

#: From a page below ``/node/`` to the root.
UP = "../"


def node_path(name: str, root: str = "") -> str:
    """Return the address of a node's page; ``root`` leads to the root from the page that has the link."""
    return f"{root}node/{quote(name, safe='', errors='replace')}"


def node_link(name: str, root: str = "") -> Markup:
    """Return a link to a node's page."""
    return tag("a", name, href=node_path(name, root), class_="name")


def node_links(all_names: Sequence[str], most: int, root: str = "") -> Markup:
    """Return links to the first of these nodes, and how many more there are."""
    shown = [
        join((", " if number else None, node_link(name, root)))
        for number, name in enumerate(all_names[:most])
    ]
    more = len(all_names) - most
    return join((*shown, f" and {more:,} more" if more > 0 else None))


def events_path(root: str = "", **filters: str | None) -> str:
    """Return the address of the events page with these filters."""
    given = {name: value for name, value in filters.items() if value}
    query = urlencode(given, errors="replace")
    return f"{root}events{f'?{query}' if query else ''}"

"""HTML that cannot be injected: text is escaped unless it is markup already.

Control characters and marks that reverse the direction of reading become visible.
"""

from collections.abc import Iterable
from html import escape

from skewmon.text import harmless

#: Elements that have no content and no end tag.
VOID = frozenset({"br", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is HTML; made only by ``tag``, ``join`` and ``Drawing``."""

    __slots__ = ()


Child = str | None
AttributeValue = str | bool | None


def tag(name: str, *children: Child, **attributes: AttributeValue) -> Markup:
    """Return an element. ``class_`` is class, ``data_x`` is data-x; None and False leave an attribute out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Return the children one after the other."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: str) -> str:
    return child if isinstance(child, Markup) else escape(harmless(child))


def _attribute(key: str, value: AttributeValue) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(harmless(value))}"'

"""A drawing cut into parts, so that an update carries only the parts that changed.

The text of a part has a placeholder for each part inside it. Two rounds in which a part differs only inside
such placeholders share its text, and only the parts inside are sent.
"""

import re
from collections.abc import Mapping

from skewmon.export.page.markup import AttributeValue, Child, Markup, tag

#: Surrounds the key of a part in the text of another. ``markup`` lets no such character through.
_MARK = "\0"

_PLACEHOLDER = re.compile(f"{_MARK}([^{_MARK}]+){_MARK}")


class Drawing:
    """The parts of a page, each an element whose id is the part's key."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._hashes: dict[str, int] = {}

    def part(self, key: str, name: str, *children: Child, **attributes: AttributeValue) -> Markup:
        """Add a part, and return the placeholder to put into the part around it."""
        assert key not in self._texts, key
        text = tag(name, *children, id=key, **attributes)
        self._texts[key], self._hashes[key] = text, hash(text)
        return Markup(f"{_MARK}{key}{_MARK}")

    def whole(self, key: str) -> Markup:
        """Return the markup of a part with all parts inside it."""
        return Markup(_PLACEHOLDER.sub(lambda found: self.whole(found[1]), self._texts[key]))

    @property
    def fingerprints(self) -> Mapping[str, int]:
        """A hash of each part's own text, to find later which of them changed."""
        return self._hashes

    def changes(self, root: str, known: Mapping[str, int]) -> dict[str, Markup]:
        """Return the outermost parts below ``root`` that differ from the known ones."""
        if known.get(root) != self._hashes[root]:
            return {root: self.whole(root)}
        found: dict[str, Markup] = {}
        for inner in _PLACEHOLDER.findall(self._texts[root]):
            found.update(self.changes(inner, known))
        return found

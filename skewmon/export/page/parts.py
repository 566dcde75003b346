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
    """The parts of a page, each an element whose id is the part's key.

    Parts are added from the inside out, so the last one added, the root, holds all others.
    """

    def __init__(self) -> None:
        self.root = ""
        self._texts: dict[str, str] = {}
        self._hashes: dict[str, int] = {}

    def part(self, key: str, name: str, *children: Child, **attributes: AttributeValue) -> Markup:
        """Add a part, and return the placeholder to put into the part around it."""
        assert key not in self._texts, key
        text = tag(name, *children, id=key, **attributes)
        self._texts[key], self._hashes[key] = text, hash(text)
        self.root = key
        return Markup(f"{_MARK}{key}{_MARK}")

    def whole(self, key: str | None = None) -> Markup:
        """Return the markup of a part, by default the root, with all parts inside it."""
        key = self.root if key is None else key
        return Markup(_PLACEHOLDER.sub(lambda found: self.whole(found[1]), self._texts[key]))

    @property
    def fingerprints(self) -> Mapping[str, int]:
        """A hash of each part's own text, to find later which of them changed."""
        return self._hashes

    def changes(self, known: Mapping[str, int]) -> dict[str, Markup]:
        """Return the outermost parts that differ from the known ones."""
        return self._changes(self.root, known)

    def _changes(self, key: str, known: Mapping[str, int]) -> dict[str, Markup]:
        if known.get(key) != self._hashes[key]:
            return {key: self.whole(key)}
        found: dict[str, Markup] = {}
        for inner in _PLACEHOLDER.findall(self._texts[key]):
            found.update(self._changes(inner, known))
        return found

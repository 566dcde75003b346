"""The entries of a live source: nodes, and entries that are rejected with a reason."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from skewmon.errors import MAX_ECHOED, InventoryError
from skewmon.model import Node, RejectedEntry
from skewmon.text import harmless, masked_text

#: Rejected entries of one source that are named, each a series of a metric; the others are counted.
MAX_NAMED = 100


@dataclass(slots=True)
class Listing:
    """One reading of a source, filled entry by entry."""

    nodes: list[Node] = field(default_factory=list)
    rejected: list[RejectedEntry] = field(default_factory=list)
    rejected_count: int = 0

    def reject(self, name: object, reason: str) -> None:
        """Note that an entry cannot be a node."""
        self.rejected_count += 1
        if len(self.rejected) < MAX_NAMED:
            self.rejected.append(RejectedEntry(_shown(name), reason))

    @contextmanager
    def entry(self, name: object, place: str = "") -> Iterator[None]:
        """Read one entry: a ValueError of the block, with the place before it, rejects this entry alone."""
        try:
            yield
        except ValueError as error:
            self.reject(name, f"{place}{error}")

    def checked(self) -> "Listing":
        """Return this listing; raise InventoryError if it has entries and all of them were rejected.

        A source that suddenly lists nothing but nonsense is broken: its last answer is worth more.
        """
        if self.rejected and not self.nodes:
            count = self.rejected_count
            of = "its only entry" if count == 1 else f"each of its {count} entries; the first"
            raise InventoryError(f"cannot use {of}: {self.rejected[0].reason}")
        return self


def _shown(name: object) -> str:
    """Return the name of an entry on one line, without secrets, cut if it is long."""
    text = harmless(masked_text(name if isinstance(name, str) else repr(name)))
    return text if len(text) <= MAX_ECHOED else f"{text[: MAX_ECHOED - 1]}…"

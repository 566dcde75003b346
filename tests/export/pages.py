"""The page as text, without a browser."""

from skewmon.export.document import Status
from skewmon.export.page.clusters import ROOT, draw


def overview(document: Status, *, every_row: bool = True) -> str:
    """Return the drawn clusters of a document."""
    return draw(document, {}, every_row=every_row).whole(ROOT)

"""The version is the same everywhere that names it."""

import re
from pathlib import Path

from skewmon import __version__
from skewmon.journal.record import rows
from skewmon.journal.store import DESIGN

SOURCE = Path(__file__).parents[2]


def test_the_changelog_begins_with_this_release_and_its_date():
    """Below the entries that no release has yet."""
    headings = re.findall(
        r"(?m)^## \[(.*?)\](?: - (\d{4}-\d{2}-\d{2}))?$", (SOURCE / "CHANGELOG.md").read_text()
    )
    assert headings[0] == ("Unreleased", "")
    (version, date) = headings[1]
    assert version == __version__
    assert date


def test_the_operations_page_has_the_schemas_of_this_release():
    """An operator who goes back to an older release needs them."""
    rows_of_table = re.findall(
        r"(?m)^\| (\d+\.\d+\.\d+) \| (\d+) \| (\d+) \|$", (SOURCE / "docs/operations.md").read_text()
    )
    assert rows_of_table[-1] == (__version__, str(DESIGN.version), str(rows.DESIGN.version))

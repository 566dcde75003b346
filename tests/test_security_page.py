"""Each statement of the threat model names a test that exists."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs/security.md").read_text(encoding="utf-8")


def test_every_named_test_exists():
    """A renamed test renames its statement."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    assert len(named) > 20
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"(?m)^(async )?def {name}\(", (TESTS / file).read_text(encoding="utf-8"))
    ]
    assert missing == []

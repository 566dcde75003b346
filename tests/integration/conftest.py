"""Fixtures of several files here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.houses import SERVERS, SPARE
from tests.integration.room import prepare
from tests.integration.town import Town, town


@pytest.fixture(scope="session")
def unpacked() -> None:
    """Have the daemons unpacked; fail, not skip, where they cannot be had."""
    prepare()


@pytest.fixture
def here(unpacked: None, tmp_path: Path) -> Iterator[Town]:
    """Found a town whose files daemons under other accounts may read."""
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    with town(tmp_path, SERVERS, SPARE) as founded:
        yield founded

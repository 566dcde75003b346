"""Fixtures of several files in this directory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.container import prepare
from tests.integration.estate import Estate, running_estate
from tests.integration.time_daemons import SERVERS, SPARE


@pytest.fixture(scope="session")
def unpacked() -> None:
    """Have the daemons unpacked; fail, not skip, if they are missing."""
    prepare()


@pytest.fixture
def estate(unpacked: None, tmp_path: Path) -> Iterator[Estate]:
    """Run an estate whose files daemons under other accounts may read."""
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    with running_estate(tmp_path, SERVERS, SPARE) as running:
        yield running

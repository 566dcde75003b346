"""Guest kernels with clocks of their own: what skewmon measures of them is held against another ruler."""

from collections.abc import Iterator

import pytest

from tests.lab.cluster import Lab, lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three guests."""
    with lab(tmp_path_factory.mktemp("lab"), 3) as opened:
        yield opened


def test_three_guests_are_measured_in_one_round(here: Lab) -> None:
    """Every guest answers, by the program that its Debian has."""
    found = here.check()
    assert found["round"]["measured"] == 3
    assert {node["probe"] for node in found["nodes"]} == {"python3"}

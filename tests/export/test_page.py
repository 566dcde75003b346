"""What the page says, without a browser."""

from dataclasses import replace

import pytest

from skewmon.export.page.clusters import clusters
from skewmon.model import Snapshot, SyncStatus
from tests.alert.views import US, WALL_NS, node, view


def test_a_node_without_a_time_daemon_has_none():
    """Nobody runs there who could say anything, and so nobody "does not say"."""
    shown = clusters(
        Snapshot(WALL_NS, (view(node("a", timesync=SyncStatus("none")), node("b")),)), every_row=True
    )
    assert "none runs" in shown
    assert "does not say" not in shown


def test_a_microsecond_is_spelt_as_in_the_configuration():
    """One spelling on the page, in the terminal, in alerts and in the file."""
    shown = clusters(Snapshot(WALL_NS, (view(node("a", 48 * US), node("b")),)), every_row=True)
    assert "+48 us" in shown
    assert "µ" not in shown


@pytest.mark.parametrize(
    ("synchronized", "breach_s", "said"),
    [
        (None, 7_200.0, "passes the lowest line in 2 h at the earliest at this drift"),
        (False, 7_200.0, "passes the lowest line in 2 h at the earliest at this drift"),
        (True, 7_200.0, "were this drift to last; a time daemon steers it"),
        (False, 0.0, "may have passed the lowest line, and drifts on"),
    ],
)
def test_a_forecast_is_the_earliest_and_under_a_daemon_none(
    synchronized: bool | None, breach_s: float, said: str
) -> None:
    """What a daemon steers has no future of its own, and the earliest moment is not the likely one."""
    drifting = replace(
        node("a", timesync=SyncStatus("chronyd", synchronized=synchronized)), time_to_breach_s=breach_s
    )
    assert said in clusters(Snapshot(WALL_NS, (view(drifting, node("b")),)), every_row=True)

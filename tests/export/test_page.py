"""Texts of the page, without a browser."""

from dataclasses import replace

from skewmon.clock.forecast import sentence
from skewmon.export.status import status
from skewmon.model import Discipline, Snapshot, SyncStatus
from tests.alert.views import US, WALL_NS, node, view
from tests.export.pages import overview
from tests.export.samples import FORECAST


def test_a_node_without_a_time_daemon_has_none():
    """A node without a daemon is not shown as one whose daemon makes no claim."""
    shown = overview(
        status(Snapshot(WALL_NS, (view(node("a", timesync=SyncStatus("none")), node("b")),))), every_row=True
    )
    assert "none runs" in shown
    assert "does not say" not in shown


def test_a_microsecond_is_spelled_as_in_the_configuration():
    """One spelling on the page, in the terminal, in alerts and in the file."""
    shown = overview(status(Snapshot(WALL_NS, (view(node("a", 48 * US), node("b")),))))
    assert "+48 us" in shown
    assert "µ" not in shown


def test_a_row_has_the_forecast_and_the_discipline_of_the_clock():
    """The sentence of the forecast follows the steps of the clock."""
    drifting = node("a", forecast=FORECAST, steps=1)
    steered = node("b", forecast=replace(FORECAST, discipline=Discipline.STEERED))
    shown = overview(status(Snapshot(WALL_NS, (view(drifting, steered),))))
    assert f"Stepped once since the start. {sentence(FORECAST)}" in shown
    assert "A time daemon steers this clock; were its trend to last" in shown

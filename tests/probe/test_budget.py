"""How long a round waits for a node: long enough for any path of this world, short enough for the others."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.errors import Reason
from skewmon.model import NS_PER_S
from skewmon.probe.budget import CEILING_S, PATIENT, SEARCH_S, Budget, late

#: The round trip over a geostationary satellite.
SATELLITE_S = 0.7


@given(st.floats(1, 86_400))
def test_a_round_ends_before_the_next_is_due(interval_s: float) -> None:
    """One wait for the burst and one for the closing exchange, with room between."""
    budget = Budget.of_interval(interval_s)
    assert 0 < budget.ask_s < budget.late_s
    assert 2 * budget.late_s <= 0.8 * interval_s or budget.late_s == CEILING_S


@pytest.mark.parametrize(("interval_s", "late_s"), [(1, 0.4), (2, 0.5), (5, 0.75), (15, 2.25), (60, 6)])
def test_the_budget_grows_with_the_interval(interval_s: float, late_s: float) -> None:
    """The values that the documentation names."""
    assert Budget.of_interval(interval_s).late_s == pytest.approx(late_s)


def test_a_satellite_is_measured_at_the_default_interval() -> None:
    """With several exchanges, and at five seconds with one."""
    assert Budget.of_interval(15).ask_s > 2 * SATELLITE_S
    assert Budget.of_interval(5).late_s > SATELLITE_S


def test_a_lost_reply_is_reported_as_lost_without_a_deadline() -> None:
    """A node is never late before its reply counts as lost."""
    assert Budget.of_interval(math.inf).late_s > PATIENT.reply_s
    assert Budget.patient(100).late_s == math.inf
    assert Budget.patient(100).ask_s < PATIENT.reply_s


def test_only_a_node_that_would_be_late_again_is_not_waited_for() -> None:
    """Whole seconds take their search besides."""
    budget = Budget.of_interval(5)
    assert budget.wait_s(None, is_coarse=False) == budget.late_s
    assert budget.wait_s(NS_PER_S // 2, is_coarse=False) == budget.late_s
    assert budget.wait_s(NS_PER_S, is_coarse=False) == 0
    assert budget.wait_s(NS_PER_S, is_coarse=True) == budget.late_s + SEARCH_S


def test_a_late_node_is_reported_with_how_long_it_takes() -> None:
    """And with how long it may take."""
    failure = late(Budget.of_interval(5), 1_350_000_000)
    assert failure.reason is Reason.LATE
    assert "0.75 s" in failure.detail
    assert "1.4 s" in failure.detail
    assert failure.advice

"""The cost of a round after its measurement grows with the number of nodes, and not faster."""

import asyncio
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from skewmon.monitor.round import Round
from tests.bench.sickness import SETTLING_ROUNDS, SICKNESSES, Fleet, Sickness, costs_us, reporting

#: More than the 64 nodes of which all pairs are published.
FEW, MANY = 80, 240


class _Calls:
    """Counts calls of functions, which no busy machine changes."""

    def __init__(self) -> None:
        self.count = 0

    def of(self, function: Callable[[], Any]) -> int:
        """Return how many functions a call of one calls in the end."""
        self.count = 0
        sys.setprofile(self._note)
        try:
            function()
        finally:
            sys.setprofile(None)
        return self.count

    def _note(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.count += event in {"call", "c_call"}


async def _calls_a_node(nodes: int, sickness: Sickness) -> float:
    """Return the calls of a round's evaluation and report, for each node."""
    fleet, calls = Fleet(nodes, sickness), _Calls()
    async with reporting(fleet) as reporter:
        for _ in range(SETTLING_ROUNDS):
            reporter.report(fleet.evaluate(*fleet.measure()))
            await asyncio.sleep(0)
        measured = fleet.measure()

        def round_() -> Round:
            found = fleet.evaluate(*measured)
            reporter.report(found)
            return found

        return calls.of(round_) / nodes


@pytest.mark.parametrize("sickness", SICKNESSES.values(), ids=SICKNESSES)
async def test_a_node_costs_the_same_among_three_times_as_many(sickness: Sickness) -> None:
    """Calls per node and round: a loop over all nodes for each node would triple them."""
    few, many = await _calls_a_node(FEW, sickness), await _calls_a_node(MANY, sickness)
    assert many < 1.2 * few


@pytest.mark.prove
@pytest.mark.parametrize("sickness", SICKNESSES.values(), ids=SICKNESSES)
async def test_a_node_costs_the_same_among_ten_thousand(sickness: Sickness) -> None:
    """Processor time per node and round, which also counts loops within one call."""
    few, many = [sum(await costs_us(nodes, sickness)) for nodes in (1_000, 10_000)]
    assert many < 2.5 * few

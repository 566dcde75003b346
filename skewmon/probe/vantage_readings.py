"""The clocks of the vantages in a round: a burst with each relay, and one more exchange at the end."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

from skewmon.errors import Failed, NodeError, Reason
from skewmon.model import NS_PER_S, VantageReading
from skewmon.probe.budget import Budget
from skewmon.probe.clocks import base_ns
from skewmon.probe.relay import Relay
from skewmon.probe.vantage import NOT_TRIED, Vantage
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.tasks import retrieved

#: By label, each with its reading or the reason why there is none.
Readings = dict[str, VantageReading | Failed]


async def opened(vantages: Iterable[Vantage], samples: int, budget: Budget) -> Readings:
    """Return the opening exchanges of every vantage; each has as much time as a node."""
    until_ns = base_ns() + int(budget.ask_s * NS_PER_S)
    return await _each(vantages, budget, lambda relay: relay.reading(samples, until_ns))


async def closed(
    vantages: Iterable[Vantage], opening: Mapping[str, VantageReading | Failed], budget: Budget
) -> Readings:
    """Return the same, each with one exchange after the common instant."""

    async def ask(relay: Relay) -> VantageReading | Failed:
        reading = opening[relay.label]
        if isinstance(reading, Failed):
            return reading
        if reading.burst.program is not relay.program:
            return Failed(Reason.PROGRAM_ENDED, "Its relay was started again in the middle of a round.")
        return replace(reading, burst=replace(reading.burst, closing=await relay.exchange()))

    return await _each(vantages, budget, ask)


async def _each(
    vantages: Iterable[Vantage],
    budget: Budget,
    ask: Callable[[Relay], Coroutine[Any, Any, VantageReading | Failed]],
) -> Readings:
    vantages = list(vantages)
    found = await asyncio.gather(*(_one(vantage, budget, ask) for vantage in vantages))
    return {vantage.label: reading for vantage, reading in zip(vantages, found, strict=True)}


async def _one(
    vantage: Vantage, budget: Budget, ask: Callable[[Relay], Coroutine[Any, Any, VantageReading | Failed]]
) -> VantageReading | Failed:
    """Return one vantage's answer; a late one goes on by itself, because its end shows a dead relay."""
    relay = vantage.relay
    if relay is None:
        return vantage.failure or NOT_TRIED
    task = asyncio.create_task(ask(relay))
    task.add_done_callback(retrieved)
    await asyncio.wait([task], timeout=None if math.isinf(budget.late_s) else budget.late_s)
    if not task.done():
        return Failed(Reason.LATE, f"The relay on {vantage.label} did not answer in time.")
    try:
        with translated(Where.NODE, node_error, node=vantage.label):
            return task.result()
    except NodeError as error:
        return error.failed

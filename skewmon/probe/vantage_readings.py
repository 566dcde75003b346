"""The clocks of the vantages in a round: a burst with each relay."""

import asyncio
import math
from collections.abc import Iterable

from skewmon.errors import Failed, NodeError, Reason
from skewmon.model import NS_PER_S, VantageReading
from skewmon.probe.budget import Budget
from skewmon.probe.clocks import base_ns
from skewmon.probe.vantage import NOT_TRIED, Vantage
from skewmon.runtime.containment import Where, node_error, translated
from skewmon.runtime.tasks import retrieved

#: By label, each with its reading or the reason why there is none.
Readings = dict[str, VantageReading | Failed]


async def taken(vantages: Iterable[Vantage], samples: int, budget: Budget) -> Readings:
    """Return the exchanges of a round with every vantage; each has as much time as a node.

    They go on while the nodes are measured, since a vantage's oscillator needs no readings that enclose it.
    """
    until_ns = base_ns() + int(budget.ask_s * NS_PER_S)
    vantages = list(vantages)
    found = await asyncio.gather(*(_one(vantage, samples, until_ns, budget) for vantage in vantages))
    return {vantage.label: reading for vantage, reading in zip(vantages, found, strict=True)}


async def _one(vantage: Vantage, samples: int, until_ns: int, budget: Budget) -> VantageReading | Failed:
    """Return one vantage's answer; a late one goes on by itself, because its end shows a dead relay."""
    relay = vantage.relay
    if relay is None:
        return vantage.failure or NOT_TRIED
    task = asyncio.create_task(relay.reading(samples, until_ns))
    task.add_done_callback(retrieved)
    await asyncio.wait([task], timeout=None if math.isinf(budget.late_s) else budget.late_s)
    if not task.done():
        return Failed(Reason.LATE, f"The relay on {vantage.label} did not answer in time.")
    try:
        with translated(Where.NODE, node_error, node=vantage.label):
            return task.result()
    except NodeError as error:
        return error.failed

"""Sparklines have the newest round, although the record is read beside the page."""

import asyncio
from collections.abc import Sequence

from skewmon.export.page.recent import PATIENCE_S, STEP_S, Recent, RecentReader
from skewmon.model.record import ClusterRow, HistoryQuery, NodeRow, Period


class SlowRecord:
    """Answers after a while, with one node that is named by the number of the answer."""

    def __init__(self) -> None:
        self.takes_s = 0.0
        self.answers = 0

    async def history(self, query: HistoryQuery) -> Sequence[Period]:
        """Return one step."""
        self.answers += 1
        row = ClusterRow(nodes={f"{self.answers}": NodeRow()})
        await asyncio.sleep(self.takes_s)
        return [Period(query.until_s // STEP_S * STEP_S, STEP_S, {query.cluster: row})]


def names(recent: Recent) -> set[str]:
    """Return the names of all nodes in all steps."""
    return {name for step in recent.steps.values() for name in step}


async def test_a_page_waits_for_the_newest_steps() -> None:
    """Not for the first three hours of a large cluster, but for the minutes that a round adds."""
    record = SlowRecord()
    reader = RecentReader(record.history)
    record.takes_s = 4 * PATIENCE_S
    assert await reader.newest(["prod"]) == {}
    while not await reader.newest(["prod"]):
        pass
    record.takes_s = 2 * PATIENCE_S
    seen = await reader.newest(["prod"])
    assert f"{record.answers}" in names(seen["prod"]), "the answer that began with this round"

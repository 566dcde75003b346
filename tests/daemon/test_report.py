"""The states of the last reports that the next process starts from."""

import asyncio

from skewmon.journal.reported import KEY
from tests.bench.sickness import Fleet, Sickness, reporting


async def test_a_cluster_that_is_no_longer_configured_leaves_no_saved_report() -> None:
    """Otherwise its old outages would end when it is configured again after a restart."""
    fleet = Fleet(3, Sickness())
    async with reporting(fleet) as reporter:
        await asyncio.sleep(0)  # a task that has not started does not clean up
        reporter.report(fleet.evaluate(*fleet.measure()))
        assert set(reporter._journal.load(KEY)) == {cluster.name for cluster in fleet.clusters}
        reporter.adopt(())
        assert reporter._journal.load(KEY) == {}

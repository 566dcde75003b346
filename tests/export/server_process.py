"""An exporter in a process of its own, with a round a second; prints its address."""

import asyncio
import contextlib
import sys

from skewmon.export.server import Exporter
from tests.export import samples


async def main() -> None:
    """Serve until the standard input ends."""
    exporter = Exporter(web_config_file=sys.argv[1] if len(sys.argv) > 1 else None)
    (bound,) = await exporter.start("127.0.0.1:0")
    exporter.publish(samples.healthy())
    print(bound, flush=True)

    async def rounds() -> None:
        while True:
            await asyncio.sleep(1)
            exporter.publish(samples.healthy())

    running = asyncio.create_task(rounds())
    await asyncio.to_thread(sys.stdin.read)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await exporter.stop()


if __name__ == "__main__":
    asyncio.run(main())

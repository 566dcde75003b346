"""A real Prometheus, run for a test and asked by its HTTP API."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.fleet.node import free_port

DEADLINE_S = 30


class Prometheus:
    """A running Prometheus, asked by its HTTP API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def query(self, expression: str) -> list[dict[str, object]]:
        """Return the samples of an instant query."""
        async with self._session.get(f"{self._url}/api/v1/query", params={"query": expression}) as answer:
            document = json.loads(await answer.text())
        assert document["status"] == "success", document
        return document["data"]["result"]

    async def until(self, expression: str, *, empty: bool = False) -> list[dict[str, object]]:
        """Wait until a query has a result, or has none any more."""
        async with asyncio.timeout(DEADLINE_S):
            while bool(result := await self.query(expression)) is empty:
                await asyncio.sleep(0.1)
        return result


@asynccontextmanager
async def prometheus(folder: Path, config: str, *options: str) -> AsyncIterator[Prometheus]:
    """Run Prometheus with this configuration, its data in this folder, and further options."""
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    port = free_port("127.0.0.1")
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            *options,
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as session:
            await _ready(session, f"http://127.0.0.1:{port}")
            yield Prometheus(session, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        await process.wait()


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                async with session.get(f"{url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)

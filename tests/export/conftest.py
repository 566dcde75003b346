"""A real server on a free port, and a client that talks to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from skewmon.export.published import Callbacks
from skewmon.export.server import Exporter

Serve = Callable[..., Awaitable[tuple[Exporter, str]]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that starts an exporter and returns it with its URL; all are stopped in the end."""
    started: list[Exporter] = []

    async def start(
        callbacks: Callbacks | None = None, listen: str = "127.0.0.1:0", scheme: str = "http", **options: str
    ) -> tuple[Exporter, str]:
        exporter = Exporter(callbacks, **options)
        started.append(exporter)
        (bound,) = await exporter.start(listen)
        return exporter, f"{scheme}://{bound}"

    yield start
    for exporter in started:
        async with asyncio.timeout(5):
            await exporter.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Return an HTTP client that asks for no compression, and leaves bodies as they come."""
    async with aiohttp.ClientSession(
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=20),
    ) as session:
        yield session

"""A headless Chromium, and an exporter whose page it opens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from skewmon.export.published import Callbacks
from skewmon.export.server import Exporter
from skewmon.journal import Journal
from skewmon.journal.record import Record
from skewmon.journal.record.store import Retention
from skewmon.model import EventQuery, Snapshot

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: How long anything may take on a busy machine, and the time between two rounds.
PATIENCE_S = 40.0
ROUND_S = 0.2


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Return a browser of the system's own; one for all tests, as its start takes seconds."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        await started.close()


class Visit:
    """A page that is open, the exporter with journal and record, and all complaints of the browser."""

    def __init__(self, exporter: Exporter, journal: Journal, record: Record, bound: str, page: Page) -> None:
        self.exporter = exporter
        self.journal = journal
        self.record = record
        self.bound = bound
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def round(self, snapshot: Snapshot) -> None:
        """Record and publish a round, as the daemon does."""
        self.record.add(snapshot.clusters)
        self.exporter.publish(snapshot)

    async def round_until(self, snapshot: Callable[[], Snapshot], selector: str) -> None:
        """Publish rounds until an element is there; the record is read beside a page, which does not wait."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.page.locator(selector).count():
                self.exporter.publish(snapshot())
                await asyncio.sleep(ROUND_S)

    async def open(self, path: str = "/") -> None:
        """Open a path."""
        await self.page.goto(f"http://{self.bound}{path}")

    async def open_live(self, path: str = "/") -> None:
        """Open a path and wait until the stream is connected."""
        await self.open(path)
        await self.page.wait_for_selector(".connection.live")

    async def api(self, path: str) -> Any:
        """Return a document of the API."""
        answer = await self.page.request.get(f"http://{self.bound}/api/v1/{path}")
        assert answer.ok, await answer.text()
        return await answer.json()

    async def text(self, selector: str) -> str:
        """Return the text of the first element that fits."""
        return await self.page.locator(selector).first.inner_text()

    async def wait(self, selector: str, text: str) -> None:
        """Wait until an element that fits has this text."""
        await self.page.locator(selector, has_text=text).first.wait_for(state="visible", timeout=15_000)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, tmp_path: Path) -> AsyncIterator[Visit]:
    """Return a visit that has not opened a page yet."""
    async with Journal.open(str(tmp_path)) as journal, Record.open(str(tmp_path), journal) as record:
        record.configure(Retention(24, 24), "digest", ("etcd-prod", "prod", "camps", "big"))

        async def events(query: EventQuery) -> list[dict[str, Any]]:
            return [event.to_json() for event in await journal.events(query)]

        exporter = Exporter(Callbacks(events, history=record.history))
        (bound,) = await exporter.start("127.0.0.1:0")
        context = await browser.new_context(viewport={"width": 1280, "height": 900})
        yield Visit(exporter, journal, record, bound, await context.new_page())
        await context.close()
        await exporter.stop()

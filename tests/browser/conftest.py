"""A headless Chromium, and an exporter whose page it opens."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from skewmon.export.server import Exporter

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Return a browser of the system's own; one for all tests, as its start takes seconds."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        await started.close()


class Visit:
    """A page that is open, the exporter behind it, and every complaint of the browser."""

    def __init__(self, exporter: Exporter, bound: str, page: Page) -> None:
        self.exporter = exporter
        self.bound = bound
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def open(self, path: str = "/") -> None:
        """Open a path."""
        await self.page.goto(f"http://{self.bound}{path}")

    async def text(self, selector: str) -> str:
        """Return the text of the first element that fits."""
        return await self.page.locator(selector).first.inner_text()

    async def wait(self, selector: str, text: str) -> None:
        """Wait until an element that fits has this text."""
        await self.page.locator(selector, has_text=text).first.wait_for(state="visible", timeout=15_000)


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Return a visit that has not opened a page yet."""
    exporter = Exporter()
    (bound,) = await exporter.start("127.0.0.1:0")
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    yield Visit(exporter, bound, await context.new_page())
    await context.close()
    await exporter.stop()

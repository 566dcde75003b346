"""The page of the demo: a real daemon with journal and record, before and after the jump of one clock."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from skewmon.model import NS_PER_S, Interval
from skewmon.text import offset
from tests.browser.test_pictures import LEVELS_OF_PAIRS, VERDICTS, attributes

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: The demo's clock jumps 12 s after the start, and the machine may be busy.
PATIENCE_S = 90.0

NODES = 12
WRONG = "n3"


@pytest_asyncio.fixture(loop_scope="session")
async def demo() -> AsyncIterator[str]:
    """Return the address of the page of a running demo."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (
        "demo",
        "--nodes",
        str(NODES),
        "--port",
        str(port),
        "--no-table",
        "--no-site",
        "--duration",
        "5m",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "skewmon", *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    await process.wait()


class Shown:
    """The page of the demo, and the API at the same round."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    async def api(self, path: str) -> Any:
        answer = await self.page.request.get(f"{self.url}/api/v1/{path}")
        return await answer.json()

    async def cluster(self) -> dict[str, Any]:
        """Return the cluster's document."""
        (cluster,) = (await self.api("status"))["clusters"]
        return cluster

    async def agree(self, compare: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        """Compare page and document, of one round: a round that comes meanwhile makes it try again."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                cluster = await self.cluster()
                try:
                    return await compare(cluster)
                except AssertionError:
                    if (await self.cluster())["round"]["at"] == cluster["round"]["at"]:
                        await asyncio.sleep(0.5)  # the page may not have drawn the round yet
                        if (await self.cluster())["round"]["at"] == cluster["round"]["at"]:
                            await compare(cluster)
                            return None


async def reachable(page: Page, url: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await page.goto(url)
                await page.wait_for_selector("section.cluster", timeout=5_000)
            except Exception:
                await asyncio.sleep(0.3)
            else:
                return


async def test_all_pictures_follow_the_jump_of_the_demo(browser: Browser, demo) -> None:
    """Without a reload, and they agree with the API of the same round before and after it."""
    page = await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page()
    complaints: list[str] = []
    await reachable(page, demo)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    shown = Shown(page, demo)
    await page.evaluate("document.documentElement.dataset.kept = 'yes'")

    async def jumped(cluster: dict[str, Any]) -> None:
        assert cluster["culprits"] == [WRONG]

    async with asyncio.timeout(PATIENCE_S):
        while (await shown.cluster())["culprits"] != [WRONG]:
            await asyncio.sleep(0.5)
    await shown.agree(jumped)

    async def drawn(cluster: dict[str, Any]) -> None:
        assert await page.locator("section .verdict").inner_text() == cluster["message"]
        names = [node["name"] for node in cluster["nodes"]]
        rows = await page.locator("tbody .name").all_inner_texts()
        cells = await page.locator(".cell b").all_inner_texts()
        assert sorted(rows + cells) == sorted(names)
        pairs = [pair for pair in cluster["pairs"] if WRONG in (pair["node"], pair["peer"])]
        levels = await page.evaluate(LEVELS_OF_PAIRS, [[pair["node"], pair["peer"]] for pair in pairs])
        assert [[VERDICTS[one.split()[0]] for one in found] for found in levels] == [
            [pair["verdict"]] for pair in pairs
        ]
        middles = "".join(path for (path,) in await attributes(page, ".strip .middles", "d"))
        assert middles.count("M") == sum(node["measured"] for node in cluster["nodes"])
        assert await page.locator(".strip .middles.critical").count() == 1
        assert await page.locator(f"tr[data-name={WRONG}] .sparkline .band.critical").count() == 1
        assert await page.locator(".timeline .span.critical").count() >= 1
        assert "wrong since" in await page.locator("tr.culprit .since").inner_text()

    await shown.agree(drawn)
    assert await page.evaluate("document.documentElement.dataset.kept") == "yes"
    await page.locator(f"tr[data-name={WRONG}] a.name").click()
    await page.wait_for_selector(".connection.live")

    async def node_page(cluster: dict[str, Any]) -> None:
        node = next(node for node in cluster["nodes"] if node["name"] == WRONG)
        ends = Interval(*(round(node["offset"][end] * NS_PER_S) for end in ("lower", "upper")))
        words = offset(ends.estimate_ns, ends.bound_ns)
        assert await page.locator(".verdict").inner_text() == f"{words} from the reference"
        events = (await shown.api(f"events?node={WRONG}&limit=20"))["events"]
        kinds = await page.locator("table.events tbody .badge").all_inner_texts()
        assert kinds == [event["kind"] for event in events]
        step = next(event for event in events if event["kind"] == "step")
        assert datetime.fromisoformat(step["time"]).strftime("%H:%M:%S") in (
            await page.locator("table.events").inner_text()
        )

    await shown.agree(node_page)
    assert complaints == []

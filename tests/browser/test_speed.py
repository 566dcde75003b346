"""The cost of a page and of an update of it, against a page of the same size with nothing on it."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest
from playwright.async_api import CDPSession, Page

from tests.browser import scenes
from tests.browser.conftest import Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: Updates measured; the cheapest is the one that other programs disturbed least.
UPDATES = 3

#: The aim for 200 nodes on a machine with nothing else to do: first paint and main thread of an update.
AIM_PAINT_MS = 1_000
AIM_UPDATE_MS = 100

#: Resolved once a page has drawn all that it changed.
DRAWN = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"

#: On a busy machine, this many times as long is still no fault of the page. Updates are measured in processor
#: time of the main thread, which other programs lengthen less.
BUSY_PAINT = 4
BUSY_UPDATE = 2


class Cost(NamedTuple):
    """Milliseconds to the first paint, and of the main thread for an update."""

    paint_ms: float
    update_ms: float


async def first_paint_ms(page: Page) -> float:
    """Return when the page showed something first, on the browser's clock."""
    return await page.evaluate(
        """() => new Promise((resolve) => {
          const found = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
          const wait = () => found() === undefined ? setTimeout(wait, 20) : resolve(found());
          wait();
        })"""
    )


async def busy_ms(session: CDPSession) -> float:
    """Return the processor time of the main thread since the page was opened."""
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return 1_000 * next(one["value"] for one in metrics if one["name"] == "TaskDuration")


async def cost(page: Page, url: str, update: Callable[[int], Awaitable[None]]) -> Cost:
    """Open a page and update it a few times."""
    await page.goto(url)
    paint_ms = await first_paint_ms(page)
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable", {"timeDomain": "threadTicks"})
    await page.evaluate(DRAWN)
    updates = []
    for number in range(UPDATES):
        before_ms = await busy_ms(session)
        await update(number)
        updates.append(await busy_ms(session) - before_ms)
    return Cost(paint_ms, min(updates))


async def cost_of_empty(visit: Visit, size: int) -> Cost:
    """Return the cost of a page of this size that holds one word, and a comment for the rest."""
    page = await visit.page.context.new_page()
    body = f"<!doctype html><title>empty</title><p>empty<!--{'x' * size}-->"
    await page.route("**/empty", lambda route: route.fulfill(body=body, content_type="text/html"))

    async def update(_number: int) -> None:
        await page.evaluate(DRAWN)

    measured = await cost(page, f"http://{visit.bound}/empty", update)
    await page.close()
    return measured


@pytest.mark.parametrize("count", [200, pytest.param(1_000, marks=pytest.mark.prove)])
async def test_a_page_and_its_updates_are_quick(visit, count) -> None:
    """Also while every clock changes in every round; the figures are printed."""
    visit.round(scenes.healthy(count))
    await visit.open_live()
    await visit.round_until(lambda: scenes.healthy(count), ".cell .sparkline")
    size = len((await visit.page.content()).encode())

    async def update(number: int) -> None:
        value = await visit.text(".cell .value")
        visit.exporter.publish(scenes.healthy(count, number + 1))
        changed = "(value) => document.querySelector('.cell .value').textContent !== value"
        await visit.page.wait_for_function(changed, arg=value, polling=50)
        await visit.page.evaluate(DRAWN)

    own = await cost(visit.page, f"http://{visit.bound}/", update)
    empty = await cost_of_empty(visit, size)
    print(f"\n{count} nodes, {size / 1_000:.0f} kB, and an empty page of the same size:")
    print(f"first paint {own.paint_ms:.0f} and {empty.paint_ms:.0f} ms")
    print(f"main thread of an update {own.update_ms:.0f} and {empty.update_ms:.0f} ms")
    assert own.paint_ms < BUSY_PAINT * (AIM_PAINT_MS * count / 200 + empty.paint_ms)
    assert own.update_ms < BUSY_UPDATE * (AIM_UPDATE_MS * count / 200 + empty.update_ms)
    assert visit.complaints == []

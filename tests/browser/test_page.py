"""The page shows the API's document, live and accessible, and text of a node has no effect in it."""

import json

import pytest
from playwright.async_api import Browser

from skewmon.export.status import status
from skewmon.model import Snapshot
from tests.browser.conftest import Visit
from tests.export import samples

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVE = ".connection.live"

#: A little more than the time after which the page asks by itself.
POLL_MS = 11_000


async def names(visit: Visit) -> list[str]:
    """Return the names of the nodes in their order on the page."""
    return await visit.page.evaluate(
        """() => [...document.querySelectorAll("tbody tr")].filter((row) => row.checkVisibility())
          .flatMap((row) => [...row.querySelectorAll(".name")].map((name) => name.textContent))"""
    )


async def test_the_page_shows_the_document_of_the_api(visit) -> None:
    """Verdict, proven skew, culprit, offsets with bounds and the command to type are all there."""
    visit.exporter.publish(samples.jumped())
    await visit.open()
    await visit.page.wait_for_selector(LIVE)
    (cluster,) = status(samples.jumped())["clusters"]
    assert await visit.text("section h2") == cluster["name"]
    assert await visit.text("section .badge") == cluster["verdict"]
    assert await visit.text(".verdict") == cluster["message"]
    assert await names(visit) == ["etcd3", "etcd1", "etcd2"]
    assert await visit.text("tr.culprit .name") == cluster["culprits"][0]
    row = await visit.text("tr.culprit")
    for shown in ("+70.000000 s", "± 40 us", "chronyd: synchronized", "claims-sync-but-off", "Stepped once"):
        assert shown in row
    assert await visit.text("tr.culprit code") == cluster["nodes"][2]["findings"][0]["next"]
    assert await visit.page.title() == "critical: skewmon"
    assert visit.complaints == []


async def test_a_new_round_is_shown_without_reloading(visit) -> None:
    """The stream brings it; the verdict is announced because it changed, and only then."""
    visit.exporter.publish(samples.healthy())
    await visit.open()
    await visit.page.wait_for_selector(LIVE)
    assert await visit.text("#announcement") == ""
    visit.exporter.publish(samples.jumped())
    await visit.wait(".verdict", "etcd3 is ahead of etcd1")
    assert "etcd3 is ahead of etcd1" in await visit.text("#announcement")
    visit.exporter.publish(samples.silent())
    await visit.wait("tbody", "not measured: no answer")
    assert "Check that the machine is up" in await visit.text("tbody")
    assert visit.complaints == []


async def test_a_silent_node_is_shown_with_reason_advice_and_no_offset(visit) -> None:
    """Absence of data is never drawn as a bar."""
    visit.exporter.publish(samples.silent())
    await visit.open()
    row = visit.page.locator("tr", has_text="etcd3").first
    assert "60 min before" in await row.inner_text()
    assert await row.locator("svg").count() == 0
    assert await visit.page.locator("tbody svg").count() == 2


@pytest.mark.parametrize("path", ["/", "/?rows=all"])
async def test_hostile_text_stays_text(visit, path) -> None:
    """Markup in names, messages, commands and sources is shown as it is and does nothing."""
    visit.exporter.publish(samples.hostile())
    await visit.open(path)
    await visit.page.wait_for_selector(LIVE)
    assert await visit.page.locator("#clusters img, #clusters script").count() == 0
    assert "<img src=x onerror=alert(1)>" in await visit.text("section h2")
    assert "<img src=x onerror=alert(1)>" in await visit.text("tbody code")
    visit.exporter.publish(samples.hostile())
    await visit.page.wait_for_timeout(300)
    assert await visit.page.locator("#clusters img, #clusters script").count() == 0
    assert visit.complaints == []


async def test_a_lost_connection_and_stale_data_are_clearly_shown(visit) -> None:
    """When the server is gone, the page reports it, keeps the last state greyed, and counts its age."""
    visit.exporter.publish(samples.healthy())
    await visit.open()
    await visit.page.wait_for_selector(LIVE)
    await visit.exporter.stop()
    await visit.wait(".connection.lost", "Connection lost")
    assert await visit.page.locator("body.disconnected").count() == 1
    assert (
        await visit.text(".verdict")
        == "The 3 clocks measured agree to within 117 us, below the line of 50 ms."
    )
    await visit.page.evaluate("document.querySelector('section.cluster header').dataset.age = '3600'")
    await visit.wait(".stale .age", "stale: 60 min old")


async def test_without_a_stream_the_page_polls(visit) -> None:
    """If the stream is refused, new rounds are shown all the same."""
    visit.exporter.publish(samples.healthy())
    await visit.page.clock.install()
    await visit.page.route("**/api/v1/stream", lambda route: route.fulfill(status=503))
    await visit.open()
    visit.exporter.publish(samples.jumped())
    await visit.page.clock.fast_forward(POLL_MS)
    await visit.wait(".verdict", "etcd3 is ahead of etcd1")
    await visit.page.wait_for_selector(LIVE)


async def test_the_first_round_fills_the_page(visit) -> None:
    """Before it there are words instead of an empty page."""
    await visit.open()
    assert "The first round is not over" in await visit.text("main")
    visit.exporter.publish(samples.healthy())
    await visit.wait(".verdict", "The 3 clocks measured agree")


async def test_without_script_the_last_state_can_be_read(browser: Browser, visit) -> None:
    """The server draws everything; nothing is offered that would not work."""
    visit.exporter.publish(samples.jumped())
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"http://{visit.bound}/")
    assert "etcd3 is ahead of etcd1" in await page.locator(".verdict").inner_text()
    assert await page.locator("tbody svg").count() == 3
    assert await page.locator("button:visible, form:visible").count() == 0
    assert "reload it" in await page.locator("#connection").inner_text()
    await context.close()


async def test_a_thousand_nodes_stay_usable(visit) -> None:
    """The wrong clock has a row, all others a cell; all rows can be asked for, and the filter finds any."""
    visit.exporter.publish(samples.thousand())
    await visit.open()
    await visit.page.wait_for_selector(LIVE)
    assert await names(visit) == ["n0500"]
    assert await visit.page.locator(".cell").count() == 999
    assert await visit.page.locator(".cell.unknown").count() == 20
    assert "20 nodes" in await visit.text(".grouped")
    await visit.page.get_by_label("Filter nodes").fill("n012")
    shown = "[...document.querySelectorAll('.cell')].filter((cell) => cell.checkVisibility()).length"
    assert await visit.page.evaluate(shown) == 10
    visit.exporter.publish(samples.thousand())
    await visit.page.get_by_role("link", name="Show all 1,000").click()
    await visit.page.wait_for_selector(LIVE)
    assert len(await names(visit)) == 1_000
    assert (await names(visit))[0] == "n0500"


async def test_commands_can_be_copied_by_keyboard_and_focus_survives_a_round(visit, browser) -> None:
    """The copy button works with Enter, and a redrawing does not take the focus away."""
    await visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.exporter.publish(samples.jumped())
    await visit.open()
    await visit.page.wait_for_selector(LIVE)
    button = visit.page.locator("button.copy").first
    await button.focus()
    await visit.page.keyboard.press("Enter")
    await visit.wait("button.copy", "Copied")
    copied = await visit.page.evaluate("navigator.clipboard.readText()")
    assert copied == "ssh etcd3.example.com chronyc -n sources"
    old = await button.element_handle()
    visit.exporter.publish(samples.jumped(samples.JUMP_NS + samples.MS))
    await visit.page.wait_for_function("old => !old.isConnected", arg=old)
    assert await visit.page.evaluate("document.activeElement.className") == "copy"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("build", [samples.everything, samples.hostile], ids=lambda build: build.__name__)
async def test_text_has_enough_contrast_in_both_schemes(visit, scheme, build) -> None:
    """Every text has a contrast of 4.5 to 1 against its background (WCAG 2.2, 1.4.3)."""
    await visit.page.emulate_media(color_scheme=scheme)
    visit.exporter.publish(build())
    await visit.open()
    await visit.page.wait_for_selector(LIVE)
    assert json.loads(await visit.page.evaluate(LOW_CONTRAST)) == []


async def test_a_narrow_screen_needs_no_sideways_scrolling(visit) -> None:
    """Rows become cards, also with names that cannot be broken."""
    await visit.page.set_viewport_size({"width": 360, "height": 740})
    (view,) = samples.jumped().clusters
    long = samples.cluster_view((samples.node("a" * 120), samples.node("b")), "c" * 100)
    visit.exporter.publish(Snapshot(samples.WALL_NS, (view, long)))
    await visit.open()
    await visit.page.wait_for_selector(LIVE)
    assert await visit.page.evaluate("document.documentElement.scrollWidth") <= 360


LOW_CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const parse = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    throw new Error("nothing opaque behind");
  };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility()) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push([element.className, element.textContent.slice(0, 30), ratio]);
  }
  return JSON.stringify(low);
}"""

"""The page of a node, the table of events, and that all pages can be read and used by everyone."""

from typing import Any
from urllib.parse import quote

import pytest
from axe_playwright_python.async_playwright import Axe

from skewmon.model import NS_PER_S, Event, EventKind, Interval
from skewmon.text import offset, signed_seconds
from tests.browser import scenes
from tests.browser.conftest import Visit
from tests.export import samples

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODE = f"/node/{samples.JUMPED}"

#: Heights of a screen in pixels, by its width.
SCREENS = {1280: 900, 400: 800}


async def prepare(visit: Visit) -> None:
    """Fill journal and record with an hour, and publish its last round."""
    for one in scenes.hour():
        visit.record.add(one.clusters)
    for event in scenes.story():
        await visit.journal.append(event)
    visit.round(scenes.at(samples.jumped()))


def text_of(ends: dict[str, float]) -> str:
    interval = Interval(round(ends["lower"] * NS_PER_S), round(ends["upper"] * NS_PER_S))
    return offset(interval.estimate_ns, interval.bound_ns)


async def test_the_page_of_a_node_agrees_with_the_api(visit) -> None:
    """Offset, claims, sources, findings, history, events and pairs are those of the API."""
    await prepare(visit)
    await visit.open_live()
    await visit.page.get_by_role("link", name=samples.JUMPED, exact=True).first.click()
    await visit.page.wait_for_selector(".connection.live")
    assert visit.page.url.endswith(NODE)
    (cluster,) = (await visit.api("status"))["clusters"]
    node = next(one for one in cluster["nodes"] if one["name"] == samples.JUMPED)
    assert await visit.text(".verdict") == f"{text_of(node['offset'])} from the reference"
    whole = await visit.text("section")
    for shown in (text_of(node["admin_offset"]), node["address"], "wrong clock", "wrong since"):
        assert shown in whole
    assert await visit.text(".findings code") == node["findings"][0]["next"]
    sources = await visit.page.locator("table.plain:not(.pair-table) tbody tr").all_inner_texts()
    peers = node["timesync"]["peers"]
    assert len(sources) == len(peers) == 2
    for row, peer in zip(sources, peers, strict=True):
        assert row.split("\t")[:2] == [peer["name"], peer["state"]]
    assert signed_seconds(peers[0]["offset_seconds"]) in sources[0]
    pairs = (await visit.api(f"clusters/etcd-prod/pairs?node={samples.JUMPED}"))["pairs"]
    rows = await visit.page.locator(".pair-table tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        [pair["peer"], text_of(pair), pair["verdict"]] for pair in pairs
    ]
    events = (await visit.api(f"events?node={samples.JUMPED}"))["events"]
    shown = await visit.page.locator("table.events tbody tr").all_inner_texts()
    assert [row.split("\t")[1] for row in shown] == [event["kind"] for event in events]
    assert visit.complaints == []


@pytest.mark.parametrize(("span", "step_s"), [("3h", 60), ("24h", 600)])
async def test_the_history_of_a_node_agrees_with_the_api(visit, span, step_s) -> None:
    """One box a step that was measured, at its time; silent steps have a line instead."""
    await prepare(visit)
    await visit.open_live(NODE)
    await visit.page.get_by_role("link", name=span, exact=True).click()
    await visit.page.wait_for_selector(".history .band")
    path = f"history?cluster=etcd-prod&node={samples.JUMPED}&since={span}&step={step_s}"
    document = await visit.api(path)
    rows = [step["nodes"][samples.JUMPED] for step in document["steps"]]
    bands = await visit.page.eval_on_selector_all(
        ".history .band", "(all) => all.flatMap((one) => one.getAttribute('d').match(/M/g)).length"
    )
    missed = await visit.page.eval_on_selector_all(
        ".history .missed", "(all) => all.flatMap((one) => one.getAttribute('d').match(/M/g)).length"
    )
    assert bands == sum(row["offset"] is not None for row in rows)
    assert missed == sum(row["offset"] is None for row in rows)
    assert missed or step_s > 60
    levels = await visit.page.eval_on_selector_all(
        ".history .band", "(all) => all.map((one) => one.classList[1])"
    )
    assert {"ok", "critical"} <= set(levels)
    assert await visit.page.locator("[aria-current=true]").inner_text() == span


async def test_a_node_page_follows_the_rounds(visit) -> None:
    """The clock jumps, falls silent, and the page changes without a reload."""
    visit.round(scenes.at(samples.healthy()))
    await visit.open_live(NODE)
    await visit.page.evaluate("document.documentElement.dataset.kept = 'yes'")
    visit.round(scenes.at(samples.jumped()))
    await visit.wait(".verdict", "+70.000000 s")
    assert "critical" in await visit.page.title()
    visit.round(scenes.at(samples.silent()))
    await visit.wait(".verdict", "Not measured: no answer")
    assert await visit.page.evaluate("document.documentElement.dataset.kept") == "yes"
    assert visit.complaints == []


async def test_an_unknown_node_is_an_error_in_words(visit) -> None:
    """As is an unknown span of the history."""
    visit.round(scenes.at(samples.healthy()))
    for path, status in (("/node/nowhere", 404), (f"{NODE}?span=1y", 400)):
        answer = await visit.page.request.get(f"http://{visit.bound}{path}")
        assert answer.status == status
        assert "node" in await answer.text() or "3h" in await answer.text()


async def rows(visit: Visit) -> list[list[str]]:
    """Return kinds and messages of the events on the page."""
    texts = await visit.page.locator("table.events tbody tr").all_inner_texts()
    return [[text.split("\t")[1], text.split("\t")[-1]] for text in texts]


async def expected(visit: Visit, query: str) -> list[list[str]]:
    """Return the same from the API."""
    found: list[dict[str, Any]] = (await visit.api(f"events{query}"))["events"]
    return [[event["kind"], event["message"]] for event in found]


async def test_events_are_filtered_as_by_the_api(visit) -> None:
    """Each link narrows the table down, and the link to the JSON leads to the same events."""
    await prepare(visit)
    await visit.open_live("/events")
    assert await rows(visit) == await expected(visit, "") != []
    for link, query in (
        ("last hour", "?since=1h"),
        ("step", "?since=1h&kind=step"),
    ):
        await visit.page.locator(".filters").get_by_role("link", name=link, exact=True).click()
        await visit.page.wait_for_selector(".connection.live")
        assert await rows(visit) == await expected(visit, query) != []
    as_json = await visit.page.get_by_role("link", name="the same as JSON").get_attribute("href")
    assert [
        [one["kind"], one["message"]] for one in (await visit.api(as_json.removeprefix("api/v1/")))["events"]
    ] == (await rows(visit))
    await visit.open_live(f"/events?node={samples.JUMPED}")
    assert await rows(visit) == await expected(visit, f"?node={samples.JUMPED}")
    await visit.page.get_by_label("Filter events").fill("jumped")
    assert await visit.page.locator("tbody tr:visible").count() == 1
    answer = await visit.page.request.get(f"http://{visit.bound}/events?kinds=step")
    assert answer.status == 400
    assert visit.complaints == []


async def test_new_events_appear_with_the_next_round(visit) -> None:
    """Without a reload."""
    visit.round(scenes.at(samples.healthy()))
    await visit.open_live("/events")
    assert "No events match" in await visit.text("#count")
    await visit.journal.append(scenes.story()[6])
    visit.round(scenes.at(samples.jumped()))
    await visit.wait("table.events", "jumped forward by 70 s")


#: Markup, a mark that reverses the direction of reading, and an escape sequence.
NASTY = "<img src=x onerror=alert(1)>\u202egnp.exe\x1b[31m"
SHOWN = "<img src=x onerror=alert(1)>\\u202egnp.exe\\x1b[31m"


@pytest.mark.parametrize("path", ["/", "/?rows=all", f"/node/{quote(NASTY, safe='')}", "/events"])
async def test_hostile_names_are_text_on_every_page(visit, path) -> None:
    """Names, details, findings and events with markup and control characters are shown, and do nothing."""
    (view,) = samples.hostile().clusters
    nodes = (*view.nodes, samples.node(NASTY, samples.JUMP_NS))
    many = (*nodes, *(samples.node(f"n{number}") for number in range(20)))
    visit.round(scenes.at(samples.snapshot(samples.cluster_view(many, NASTY))))
    for kind in (EventKind.STEP, EventKind.CULPRITS, EventKind.NOT_MEASURED):
        detail = {"culprits": [NASTY], "alert": NASTY, "severity": NASTY}
        await visit.journal.append(Event(scenes.story()[-1].wall_ns, kind, NASTY, NASTY, NASTY, detail))
    await visit.open_live(path)
    visit.round(scenes.at(samples.snapshot(samples.cluster_view(many[:-1], NASTY))))
    await visit.page.wait_for_timeout(300)
    assert SHOWN in await visit.text("main")
    page = await visit.page.content()
    assert not {"\u202e", "\x1b"} & set(page)
    assert await visit.page.locator("main img, main script, [onerror]").count() == 0
    assert visit.complaints == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 400)])
async def test_axe_finds_no_serious_fault(visit, scheme, width) -> None:
    """On every page, with rows and grid, on a desktop and dark on a phone."""
    await visit.page.emulate_media(color_scheme=scheme)
    await visit.page.set_viewport_size({"width": width, "height": SCREENS[width]})
    await prepare(visit)
    views = (*samples.everything().clusters, *scenes.camps(24).clusters)
    visit.round(scenes.at(samples.snapshot(*views)))
    for path in ("/", NODE, "/events"):
        await visit.open_live(path)
        found = await Axe().run(visit.page)
        assert len(found.response["passes"]) > 10
        serious = [
            (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"][:3]])
            for one in found.response["violations"]
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path
        assert await visit.page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert visit.complaints == []


@pytest.mark.parametrize("path", ["/", NODE, "/events"])
async def test_the_keyboard_reaches_everything(visit, path) -> None:
    """Tab visits each link, button, field and picture with a cursor once, in the order of the page."""
    await prepare(visit)
    visit.round(scenes.at(samples.snapshot(*samples.jumped().clusters, *scenes.camps(20).clusters)))
    await visit.open_live(path)
    count = await visit.page.evaluate(
        """() => {
          const all = [...document.querySelectorAll("a[href], button, input, summary, svg[tabindex]")];
          const usable = all.filter((one) => one.checkVisibility());
          usable.forEach((one, number) => { one.dataset.order = number; });
          document.activeElement.blur();
          window.reached = [];
          document.addEventListener("focusin", (event) => reached.push(Number(event.target.dataset.order)));
          return usable.length;
        }"""
    )
    for _ in range(count):
        await visit.page.keyboard.press("Tab")
    assert await visit.page.evaluate("reached") == list(range(count))


@pytest.mark.parametrize(("width", "screens"), [(1280, 3), (400, 6)])
async def test_three_hundred_healthy_nodes_take_few_screens(visit, width, screens) -> None:
    """Three of a desktop, six of a phone, with their sparklines."""
    await visit.page.set_viewport_size({"width": width, "height": SCREENS[width]})
    visit.round(scenes.healthy(300))
    visit.round(scenes.healthy(300, 1))
    await visit.open_live()
    await visit.round_until(lambda: scenes.healthy(300), ".cell .sparkline")
    assert await visit.page.locator(".cell").count() == 300
    height = await visit.page.evaluate("document.documentElement.scrollHeight")
    print(f"300 nodes at {width} px: {height} px, {height / SCREENS[width]:.1f} screens")
    assert height <= screens * SCREENS[width]

"""The pictures of the page show the figures of the API: strip, matrix, sparklines, timeline and history."""

import json
import math
import random
import re
import time
from datetime import datetime
from typing import Any

import pytest
from playwright.async_api import Page

from skewmon.export.page.sparkline import HEIGHT as SPARKLINE_HEIGHT
from skewmon.model import NS_PER_S, Interval, Verdict
from skewmon.text import offset
from tests.browser import scenes
from tests.browser.conftest import Visit
from tests.export import samples

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY_S = 86_400

#: The levels of a drawn pair, as the verdicts of the API.
VERDICTS = {"ok": "ok", "ambiguous": "ambiguous", "warning": "breach", "critical": "breach"}

LEVELS_OF_PAIRS = """(pairs) => {
  const svg = document.querySelector("svg.pairs");
  const clocks = JSON.parse(svg.dataset.clocks);
  const cell = svg.viewBox.baseVal.width / clocks.length;
  const paths = [...svg.querySelectorAll(":scope > path")].filter((path) => !path.matches(
    ".diagonal, .separator, .cursor"));
  return pairs.map(([node, peer]) => {
    const point = new DOMPoint((clocks.indexOf(peer) + 0.5) * cell, (clocks.indexOf(node) + 0.5) * cell);
    return paths.filter((path) => path.isPointInFill(point)).map((path) => path.getAttribute("class"));
  });
}"""


def ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)


async def attributes(page: Page, selector: str, *names: str) -> list[list[str]]:
    """Return attributes of all elements that fit."""
    script = "(all, names) => all.map((one) => names.map((name) => one.getAttribute(name)))"
    return await page.eval_on_selector_all(selector, script, list(names))


async def check_matrix(visit: Visit, cluster: str, sample: int) -> list[str]:
    """Compare drawn pairs with the pairs of the API, in both directions; return the order of clocks."""
    pairs = (await visit.api(f"clusters/{cluster}/pairs?limit=1000"))["pairs"]
    clocks = json.loads(await visit.page.get_attribute("svg.pairs", "data-clocks"))
    drawn = [pair for pair in pairs if pair["node"] in clocks and pair["peer"] in clocks]
    chosen = random.Random(1).sample(drawn, min(sample, len(drawn)))
    there = [[pair["node"], pair["peer"]] for pair in chosen]
    for found in (
        await visit.page.evaluate(LEVELS_OF_PAIRS, there),
        await visit.page.evaluate(LEVELS_OF_PAIRS, [pair[::-1] for pair in there]),
    ):
        assert all(len(levels) == 1 for levels in found), found
        assert [VERDICTS[levels[0].split()[0]] for levels in found] == [pair["verdict"] for pair in chosen]
    return clocks


async def check_strip(visit: Visit, nodes: list[dict[str, Any]]) -> None:
    """Compare every point and its bounds with the offsets of the API."""
    ((even, furthest),) = await attributes(visit.page, "svg.strip", "data-even", "data-furthest")

    def place(seconds: float) -> float:
        scaled = math.log1p(abs(ns(seconds)) / float(even)) / float(furthest)
        return 1_000 * (0.5 + math.copysign(scaled, seconds) * 0.48)

    offsets = [node["offset"] for node in nodes if node["offset"]]
    middles = "".join(path for (path,) in await attributes(visit.page, ".strip .middles", "d"))
    points = sorted(float(x) for x in re.findall(r"M([\d.-]+) ", middles))
    assert points == pytest.approx(sorted(place(one["seconds"]) for one in offsets), abs=0.06)
    bounds = "".join(path for (path,) in await attributes(visit.page, ".strip .bounds", "d"))
    lower = sorted(float(x) for x in re.findall(r"M([\d.-]+) ", bounds))
    assert lower == pytest.approx(sorted(place(one["lower"]) for one in offsets), abs=0.06)
    upper = sorted(float(x) for x in re.findall(r"H([\d.-]+)", bounds))
    assert upper == pytest.approx(sorted(place(one["upper"]) for one in offsets), abs=0.06)


async def test_the_matrix_and_the_strip_agree_with_the_api(visit) -> None:
    """Every pair has the verdict of the API, camps are blocks, and each clock has its place."""
    visit.round(scenes.camps())
    await visit.open_live()
    clocks = await check_matrix(visit, "camps", 300)
    (cluster,) = (await visit.api("status"))["clusters"]
    await check_strip(visit, cluster["nodes"])
    camps = [int(name[1:]) % 8 for name in clocks]
    order = [0 if camp % 4 else 1 if camp else 2 for camp in camps]
    assert order == sorted(order)
    assert "3 camps proven apart" in await visit.text(".matrix-box")
    visit.round(scenes.camps(shift_ns=10 * samples.MS))
    await visit.page.wait_for_timeout(500)
    (moved,) = (await visit.api("status"))["clusters"]
    await check_strip(visit, moved["nodes"])
    assert visit.complaints == []


async def test_the_matrix_is_useful_at_200_nodes_and_limited_at_1000(visit) -> None:
    """It draws 200 clocks, those furthest from the reference, and names the limit and the rest."""
    visit.round(scenes.camps(200))
    await visit.open_live()
    assert len(await check_matrix(visit, "camps", 200)) == 199
    visit.exporter.publish(scenes.at(samples.thousand()))
    await visit.wait("h2", "big")
    clocks = await check_matrix(visit, "big", 200)
    assert len(clocks) == 200
    assert "n0500" in clocks
    (cluster,) = (await visit.api("status"))["clusters"]
    offsets = {node["name"]: node["offset"] for node in cluster["nodes"] if node["offset"]}
    rest = [offsets[name] for name in offsets.keys() - set(clocks)]
    assert max(abs(one["seconds"]) for one in rest) <= min(abs(offsets[name]["seconds"]) for name in clocks)
    text = await visit.text(".matrix-box .rest")
    assert "200 clocks furthest from the reference" in text
    assert f"the {len(rest)} others" in text


async def test_the_pair_at_the_cursor_is_named_with_its_offset(visit) -> None:
    """By keyboard and pointer, in the words of the terminal, and the cursor survives a round."""
    visit.round(scenes.camps())
    await visit.open_live()
    clocks = json.loads(await visit.page.get_attribute("svg.pairs", "data-clocks"))
    await visit.page.locator("svg.pairs").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        await visit.page.keyboard.press(key)
    pair = (clocks[2], clocks[1])
    await visit.wait(".readout", f"{pair[0]} minus {pair[1]}: ")

    async def expected() -> str:
        (cluster,) = (await visit.api("status"))["clusters"]
        ends = {node["name"]: node["offset"] for node in cluster["nodes"]}
        own, other = (Interval(ns(ends[name]["lower"]), ns(ends[name]["upper"])) for name in pair)
        apart = own - other
        return f"{pair[0]} minus {pair[1]}: {offset(apart.estimate_ns, apart.bound_ns)}"

    await visit.wait(".readout", await expected())
    nodes = list(scenes.camps().clusters[0].nodes)
    place = next(number for number, node in enumerate(nodes) if node.name == pair[0])
    nodes[place] = samples.node(pair[0], 30 * samples.MS)
    view = samples.cluster_view(tuple(nodes), "camps", Verdict.CRITICAL)
    visit.round(scenes.at(samples.snapshot(view)))
    await visit.wait(".readout", await expected())
    assert await visit.page.evaluate("document.activeElement.matches('svg.pairs')")


async def test_numbers_are_spelled_as_in_the_terminal(visit) -> None:
    """The script's text of an interval is that of skewmon/text.py."""
    visit.round(scenes.camps())
    await visit.open_live()
    chance = random.Random(2)
    ends = []
    for _ in range(500):
        middle = round(chance.choice((-1, 1)) * 10 ** chance.uniform(0, 13))
        half = round(10 ** chance.uniform(0, 12))
        ends.append([middle - half, middle + half])
    spelled = await visit.page.evaluate("async (ends) => (await import('./page/format.js')).all(ends)", ends)
    expected = [Interval(*one) for one in ends]
    assert spelled == [offset(one.estimate_ns, one.bound_ns) for one in expected]


def drawn_steps(path: str) -> dict[int, tuple[int, int]]:
    """Return top and bottom of each step that a band of a sparkline covers."""
    x, y = map(int, re.match(r"M(\d+) (\d+)", path).groups())
    rows: dict[int, list[int]] = {}
    for command, text in re.findall(r"([HV])(\d+)", path):
        value = int(text)
        if command == "V":
            y = value
            continue
        for step in range(min(x, value) // 2, max(x, value) // 2):
            rows.setdefault(step, []).append(y)
        x = value
    return {step: (min(found), max(found)) for step, found in rows.items()}


async def of_one_step(visit: Visit) -> tuple[int, dict[str, Any]]:
    """Load the page; return the first instant of its sparklines, and the API's history of the same step."""
    while True:
        now_s = int(time.time())
        await visit.open_live()
        await visit.round_until(lambda: scenes.at(samples.jumped()), ".sparkline .band")
        document = await visit.api("history?cluster=etcd-prod&nodes=all&step=180")
        if int(time.time()) // 180 == now_s // 180:
            return now_s // 180 * 180 + 180 - 3 * 3_600, document


async def test_sparklines_agree_with_the_history_of_the_api(visit) -> None:
    """Each step has the level and the height of its extremes, and missed steps have no band."""
    for one in scenes.hour():
        visit.record.add(one.clusters)
    visit.round(scenes.at(samples.jumped()))
    begin_s, document = await of_one_step(visit)
    (cluster,) = (await visit.api("status"))["clusters"]
    ((even, furthest),) = await attributes(visit.page, "svg.strip", "data-even", "data-furthest")
    for node in cluster["nodes"]:
        row = f"tr[data-name={node['name']}] .sparkline"
        drawn: dict[int, tuple[str, int, int]] = {}
        for kind, path in await attributes(visit.page, f"{row} .band", "class", "d"):
            for step, (top, bottom) in drawn_steps(path).items():
                drawn[step] = (kind.split()[1], top, bottom)
        expected: dict[int, tuple[str, float, float]] = {}
        for step in document["steps"]:
            ends = step["nodes"][node["name"]]["offset"]
            place = (round(datetime.fromisoformat(step["time"]).timestamp()) - begin_s) // 180
            if ends:
                heights = (height(ends[end], even, furthest) for end in ("upper_max", "lower_min"))
                expected[place] = (level(ends), *heights)
        assert drawn.keys() == expected.keys()
        for step, (kind, top, bottom) in expected.items():
            assert drawn[step][0] == kind, (node["name"], step)
            assert drawn[step][1] == pytest.approx(top, abs=1.01)
            assert drawn[step][2] == pytest.approx(bottom, abs=1.01)
    missed = await attributes(visit.page, f"tr[data-name={samples.JUMPED}] .missed", "d")
    assert missed
    assert "wrong since" not in await visit.text("tbody")  # the journal has no culprit


def level(ends: dict[str, float]) -> str:
    """Return the worst that a step proves against 50 ms and 1 s."""
    proven = max(0.0, ends["lower_max"], -ends["upper_min"])
    if proven > 0.05:
        return "critical" if proven > 1 else "warning"
    return "ok" if max(ends["upper_max"], -ends["lower_min"]) < 0.05 else "ambiguous"


def height(seconds: float, even: str, furthest: str) -> float:
    """Return the height of a value on the scale of the cluster."""
    half = SPARKLINE_HEIGHT / 2
    scaled = math.copysign(math.log1p(abs(ns(seconds)) / float(even)) / float(furthest), seconds)
    return half - scaled * (half - 1)


async def test_the_timeline_agrees_with_the_events_of_the_api(visit) -> None:
    """Bars begin and end with their events, marks stand at theirs, and a wrong clock has its begin."""
    for event in scenes.story():
        await visit.journal.append(event)
    visit.round(scenes.at(samples.jumped()))
    await visit.open_live()
    events = (await visit.api("events?since=24h"))["events"]
    now = time.time()

    def age(kind: str, node: str | None) -> float:
        times = [event["time"] for event in events if event["kind"] == kind and event["node"] == node]
        return 1 - (now - datetime.fromisoformat(times[0]).timestamp()) / DAY_S

    drawn = await attributes(visit.page, ".timeline .span", "class", "x", "width", "y")
    spans = [
        (kind.split()[1], float(x[:-1]) / 100, float(x[:-1]) / 100 + float(width[:-1]) / 100, int(y) // 18)
        for kind, x, width, y in drawn
    ]
    lanes = {number: [span for span in spans if span[3] == number] for number in range(5)}
    assert [len(lanes[number]) for number in range(5)] == [2, 1, 1, 1, 2]
    tolerance = 120 / DAY_S + 0.002
    first, last = sorted(lanes[0], key=lambda span: span[1])
    assert first[1:3] == pytest.approx(
        (age("alert-firing", "etcd1"), age("alert-resolved", "etcd1")), abs=tolerance
    )
    assert last[1:3] == pytest.approx((age("alert-firing", samples.JUMPED), 1.0), abs=tolerance)
    ((_, begin, end, _),) = lanes[2]
    outage = age("not-measured", samples.JUMPED), age("measured-again", samples.JUMPED)
    assert (begin, end) == pytest.approx(outage, abs=tolerance)
    assert lanes[3][0][1] == pytest.approx(age("step", samples.JUMPED), abs=tolerance)
    begun = next(event["time"] for event in events if event["kind"] == "culprits")
    assert f"wrong since {begun[11:16]} UTC, for 12 min" in await visit.text("tr.culprit")


async def test_after_a_jump_everything_changes_without_reloading(visit) -> None:
    """Verdict, rows, strip, matrix, sparkline and timeline follow within one update of the page."""
    for one in scenes.hour():
        visit.record.add([replace_jump(view) for view in one.clusters])
    visit.round(scenes.at(samples.healthy()))
    await visit.open_live()
    await visit.round_until(lambda: scenes.at(samples.healthy()), ".sparkline .band")
    await visit.page.evaluate("document.documentElement.dataset.kept = 'yes'")
    wrong = ".badge.critical, .band.critical, .span.critical, .middles.critical, svg.pairs .critical"
    assert await visit.page.locator(wrong).count() == 0
    for event in scenes.story():
        await visit.journal.append(event)
    visit.round(scenes.at(samples.jumped()))
    await visit.wait(".verdict", "etcd3 is ahead of etcd1")
    await visit.round_until(lambda: scenes.at(samples.jumped()), ".sparkline .band.critical")
    page = visit.page
    for selector in (
        ".strip .middles.critical",
        f"tr[data-name={samples.JUMPED}] .sparkline .band.critical",
        ".timeline .span.critical",
        "tr.culprit .since",
        "svg.pairs .critical",
    ):
        assert await page.locator(selector).count(), selector
    (cluster,) = (await visit.api("status"))["clusters"]
    await check_strip(visit, cluster["nodes"])
    await check_matrix(visit, "etcd-prod", 10)
    assert await page.evaluate("document.documentElement.dataset.kept") == "yes"
    assert visit.complaints == []


def replace_jump(view: Any) -> Any:
    """Return a healthy round at the instant of another."""
    (healthy,) = scenes.at(samples.healthy(), view.at_wall_ns).clusters
    return healthy

"""The record over HTTP: what it answers, and how much of it."""

import json

import pytest

from skewmon.errors import JournalError
from skewmon.export.history import ROWS_MAX, STEPS_MAX
from skewmon.export.published import Callbacks
from skewmon.model.record import ClusterRow, EndRange, HistoryQuery, Line, LineTime, NodeRow, Period
from tests.export.samples import healthy, hostile, thousand

LINE = {Line("skew", "warning", 50_000_000): LineTime(12_000, 500)}


def _step(start_s: int, cluster: str, node: str) -> Period:
    ends = EndRange(-1_000_000, 2_000_000, 3_000_000, 4_000_000)
    rows = {node: NodeRow(ends, None, 4, 1, 2, 45_000, 15_000, ("chronyd: x",), LINE)}
    return Period(
        start_s,
        60,
        {cluster: ClusterRow(ends, 5, (60_000, 0, 0, 1, 2), 7, ("digest",), (), ("ntp1",), LINE, rows)},
    )


async def test_steps_have_every_figure_in_seconds(serve, client) -> None:
    """Of the cluster and of the nodes asked for."""
    asked = []

    async def history(query: HistoryQuery) -> list[Period]:
        asked.append(query)
        return [_step(1_795_003_200, "etcd-prod", "etcd1")]

    exporter, url = await serve(Callbacks(history=history))
    exporter.publish(healthy())
    async with client.get(f"{url}/api/v1/history?cluster=etcd-prod&node=etcd1&since=1h&step=5m") as answer:
        document = json.loads(await answer.text())
    (query,) = asked
    assert (query.cluster, query.node, query.step_s) == ("etcd-prod", "etcd1", 300)
    assert query.since_s % 300 == 0
    assert 3_600 < query.until_s - query.since_s <= 3_901
    (step,) = document["steps"]
    ends = {"lower_min": -0.001, "lower_max": 0.002, "upper_min": 0.003, "upper_max": 0.004}
    line = {"kind": "skew", "severity": "warning", "limit": 0.05, "beyond_seconds": 12.0, "open_seconds": 0.5}
    assert step == {
        "time": "2026-11-18T12:00:00Z",
        "rounds": 5,
        "skew": ends,
        "verdict_seconds": {
            "ok": 60.0,
            "warning": 0.0,
            "critical": 0.0,
            "unknown": 0.001,
            "ambiguous": 0.002,
        },
        "lines": [line],
        "utc_confirmed_seconds": 0.007,
        "configs": ["digest"],
        "references": ["ntp1"],
        "falsetickers": [],
        "nodes": {
            "etcd1": {
                "offset": ends,
                "utc": None,
                "measured": 4,
                "missed": 1,
                "culprit": 2,
                "measured_seconds": 45.0,
                "missed_seconds": 15.0,
                "sources": ["chronyd: x"],
                "lines": [line],
            }
        },
    }


@pytest.mark.parametrize(
    ("query", "step_s", "node"),
    [
        ("", 60, ""),
        ("&nodes=all", 60, None),
        ("&nodes=all&since=24h", 1_800 // 2 * 2, None),
        ("&since=24h", 60, ""),
        ("&since=48h", 300, ""),
        ("&since=7d", 900, ""),
        ("&since=31d", 3_600, ""),
        ("&since=3650d", 604_800, ""),
    ],
)
async def test_the_step_fits_the_span(serve, client, query: str, step_s: int, node: str | None) -> None:
    """Without a step, the shortest one whose answer keeps within the limits."""
    asked = []

    async def history(one: HistoryQuery) -> list[Period]:
        asked.append(one)
        return []

    exporter, url = await serve(Callbacks(history=history))
    exporter.publish(thousand(300))
    async with client.get(f"{url}/api/v1/history?cluster=big{query}") as answer:
        assert answer.status == 200
    steps = (asked[0].until_s - asked[0].since_s) // asked[0].step_s
    assert asked[0].node == node
    assert steps <= STEPS_MAX
    assert node is not None or steps * 300 <= ROWS_MAX
    assert step_s == 1_800 or asked[0].step_s == step_s


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("", "cluster"),
        ("?cluster=", "cluster"),
        ("?cluster=big&nodes=some", "nodes"),
        ("?cluster=big&nodes=all&node=n1", "found both"),
        ("?cluster=big&since=-1", "since"),
        ("?cluster=big&since=2h&step=90s", "whole minutes"),
        ("?cluster=big&step=0", "whole minutes"),
        ("?cluster=big&since=7d&step=1m", "900 seconds or more"),
        ("?cluster=big&nodes=all&since=3h&step=1m", "300 seconds or more"),
        ("?cluster=gone&nodes=all&since=3h&step=1m", "300 seconds or more"),
        ("?cluster=big&nodes=all&since=3650d", "ask for one node"),
        ("?cluster=big&stepp=1m", "unknown parameter"),
    ],
)
async def test_a_query_beyond_the_limits_is_refused_with_advice(serve, client, query: str, word: str) -> None:
    """A shorter answer than the one asked for would mislead."""
    exporter, url = await serve(Callbacks())
    exporter.publish(thousand())
    async with client.get(f"{url}/api/v1/history{query}") as answer:
        assert answer.status == 400
        assert word in json.loads(await answer.text())["error"]


async def test_an_unknown_cluster_and_an_unreadable_record_are_errors(serve, client) -> None:
    """An empty list would mean that nothing was measured."""

    async def unreadable(_query: HistoryQuery) -> list[Period]:
        raise JournalError("The record cannot be read: disk I/O error.")

    exporter, url = await serve(Callbacks(history=unreadable))
    exporter.publish(healthy())
    async with client.get(f"{url}/api/v1/history?cluster=etcd-prod") as answer:
        assert answer.status == 503
    exporter, url = await serve(Callbacks())
    exporter.publish(healthy())
    async with client.get(f"{url}/api/v1/history?cluster=absent") as answer:
        assert answer.status == 404


async def test_hostile_names_are_escaped(serve, client) -> None:
    """No control character of a name reaches a terminal that prints the answer."""
    evil = hostile().clusters[0].nodes[1].name

    async def history(query: HistoryQuery) -> list[Period]:
        return [_step(0, query.cluster, evil + "\x1b[2J\u202e")]

    exporter, url = await serve(Callbacks(history=history))
    exporter.publish(healthy())
    async with client.get(f"{url}/api/v1/history?cluster=etcd-prod&nodes=all") as answer:
        text = await answer.text()
    assert text.replace("\n", "").isprintable()
    (node,) = json.loads(text)["steps"][0]["nodes"]
    assert node.endswith("\x1b[2J\u202e")

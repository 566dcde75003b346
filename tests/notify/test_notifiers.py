"""Requests of each notifier, and their secrets."""

import json
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import structlog
from aiohttp import web

from skewmon.config.secrets import SECRET_BYTES_MAX
from skewmon.model import NS_PER_S
from skewmon.notify.dry_run import DryRun
from skewmon.notify.receiver import (
    Delivery,
    DeliveryReason,
    Origin,
    ReceiverConfig,
    Result,
    identity_of,
    shown,
)
from skewmon.notify.registry import NOTIFIERS, build
from skewmon.text import rfc3339
from tests.notify.tools import NOW_NS, Scripted, ended, firing, receiver

ORIGIN = Origin(page_url="http://admin:10061/")
SECRET = "T0PS3CRET"


async def _send(target: ReceiverConfig, *alerts: object, origin: Origin = ORIGIN) -> Delivery:
    async with aiohttp.ClientSession() as session:
        (notifier,) = build([target], origin, session)
        return await notifier.send(alerts or (firing(),), NOW_NS)  # type: ignore[arg-type] # alerts


def _secret(tmp_path: Path, text: str) -> str:
    path = tmp_path / "secret"
    path.write_text(text)
    return str(path)


async def test_alertmanager_gets_labels_without_values_and_an_end_in_the_future() -> None:
    """Identity in labels, numbers in annotations, endsAt a day away."""
    async with receiver() as server:
        server.date_ns = NOW_NS
        await _send(ReceiverConfig("alertmanager", f"{server.url}/prefix"))
    assert server.paths == ["/prefix/api/v2/alerts"]
    assert server.bodies == [
        [
            {
                "labels": {
                    "alertname": "SkewmonSkewHigh",
                    "cluster_name": "prod",
                    "severity": "critical",
                    "kind": "skew",
                    "node": "etcd3",
                },
                "annotations": {
                    "summary": "The clock is wrong.",
                    "description": "At least 70 s.",
                    "next": "skewmon probe etcd3 -v",
                    "runbook_url": f"{ORIGIN.runbook_url}#skewmonskewhigh",
                },
                "startsAt": "2026-11-22T12:38:17.123Z",
                "endsAt": "2026-11-23T12:39:47.123Z",
                "generatorURL": "http://admin:10061/",
            }
        ]
    ]


async def test_alertmanager_gets_an_end_with_its_time() -> None:
    """The same labels with endsAt in the past."""
    async with receiver() as server:
        server.date_ns = NOW_NS
        await _send(ReceiverConfig("alertmanager", server.url), firing(), ended(firing()))
    still, over = server.bodies[0]
    assert over["labels"] == still["labels"]
    assert over["endsAt"] == "2026-11-22T12:39:47.123Z"


async def test_a_test_alert_ends_soon() -> None:
    """It is sent once, so its end is four resend intervals away."""
    async with receiver() as server:
        server.date_ns = NOW_NS
        await _send(ReceiverConfig("alertmanager", server.url), origin=replace(ORIGIN, resends=False))
    assert server.bodies[0][0]["endsAt"] == "2026-11-22T12:43:47.123Z"


async def test_the_watchdog_ends_soon_and_goes_with_every_request() -> None:
    """It has the labels that a dead man's switch is routed by, and the host's name."""
    async with receiver() as server:
        server.date_ns = NOW_NS
        await _send(ReceiverConfig("alertmanager", server.url), origin=replace(ORIGIN, on_time=lambda: True))
    alert, watchdog = server.bodies[0]
    assert alert["labels"]["alertname"] == "SkewmonSkewHigh"
    assert watchdog["labels"] == {
        "alertname": "SkewmonWatchdog",
        "severity": "none",
        "instance": socket.gethostname(),
    }
    assert watchdog["endsAt"] == "2026-11-22T12:43:47.123Z"


async def test_the_watchdog_is_not_sent_while_rounds_are_late() -> None:
    """A daemon that lives and does not measure is dead to those who wait for its alerts."""
    async with receiver() as server:
        await _send(ReceiverConfig("alertmanager", server.url), origin=replace(ORIGIN, on_time=lambda: False))
    assert [one["labels"]["alertname"] for one in server.bodies[0]] == ["SkewmonSkewHigh"]


async def test_alertmanager_gets_instants_of_its_own_clock() -> None:
    """If clocks differ, the alert is sent again; later ones are corrected until the clocks agree again."""
    async with receiver() as server, aiohttp.ClientSession() as session:
        (notifier,) = build([ReceiverConfig("alertmanager", server.url)], ORIGIN, session)
        server.date_ns = NOW_NS + 3_600 * NS_PER_S
        for later_ns in (0, 60 * NS_PER_S):
            await notifier.send([firing(), ended(firing("n1"))], NOW_NS + later_ns)
            server.date_ns += 60 * NS_PER_S
        server.date_ns = NOW_NS + 120 * NS_PER_S
        await notifier.send([firing()], NOW_NS + 120 * NS_PER_S)
    assert [body[0]["endsAt"][11:16] for body in server.bodies] == [
        "12:39",
        "13:39",
        "13:40",
        "13:41",
        "12:41",
    ]
    assert [body[1]["endsAt"][11:16] for body in server.bodies[:3]] == ["12:39", "13:39", "13:39"]
    assert server.bodies[1][0]["startsAt"].startswith("2026-11-22T13:38:1")


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 2026 12:39:47 GMT"])
async def test_an_unreadable_date_changes_nothing(date: str) -> None:
    """A proxy may drop or mangle the header."""

    async def dated(request: web.Request) -> web.StreamResponse:
        response = web.Response()
        response.headers["Date"] = date
        return response

    async with receiver() as server:
        server.answers.append(dated)
        delivery = await _send(ReceiverConfig("alertmanager", server.url))
    assert (delivery.result, len(server.bodies)) == (Result.OK, 1)


async def test_an_alert_of_a_cluster_has_no_node_label() -> None:
    """An empty label would be another identity."""
    async with receiver() as server:
        await _send(ReceiverConfig("alertmanager", server.url), firing(None))
    assert "node" not in server.bodies[0][0]["labels"]


async def test_a_webhook_gets_the_documented_json() -> None:
    """Every field of docs/alerting.md, and only those."""
    async with receiver() as server:
        await _send(ReceiverConfig("webhook", server.url), firing(), ended(firing(None)))
    body = server.bodies[0]
    documented = _documented()
    assert set(body) == set(documented)
    assert {*body["alerts"][0]} == {*body["alerts"][1]} == {*documented["alerts"][0]}
    assert [(one["status"], one["node"], one["ended_at"]) for one in body["alerts"]] == [
        ("firing", "etcd3", None),
        ("resolved", None, "2026-11-22T12:39:47.123Z"),
    ]


def _documented() -> dict[str, list[dict[str, object]]]:
    text = (Path(__file__).parents[2] / "docs" / "alerting.md").read_text()
    found = re.search(r"```json\n(\{\n  \"schema\".*?)```", text, re.DOTALL)
    assert found is not None
    documented: dict[str, list[dict[str, object]]] = json.loads(found[1])
    return documented


def _choosy(limit: int, *bad: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return an answer that takes at most so many alerts and none of these nodes."""

    async def answer(request: web.Request) -> web.StreamResponse:
        alerts = (await request.json())["alerts"]
        refused = any(alert["node"] in bad for alert in alerts)
        return web.Response(status=400 if refused else 413 if len(alerts) > limit else 200)

    return answer


@pytest.mark.parametrize("bad", [{3}, {0, 7}, set(range(8)), set()])
async def test_a_webhook_that_refuses_one_alert_gets_the_others(bad: set[int]) -> None:
    """A 400 splits the batch until the bad ones are alone; a batch that is too large goes in parts."""
    alerts = [firing(f"n{number}") for number in range(8)]
    async with receiver() as server:
        server.answers.append(_choosy(2, *(f"n{number}" for number in bad)))
        delivery = await _send(ReceiverConfig("webhook", server.url), *alerts)
    assert {alerts.index(alert) for alert in delivery.refused} == bad
    assert delivery.result is (Result.GIVE_UP if len(bad) == 8 else Result.OK)
    alone = {body["alerts"][0]["node"] for body in server.bodies if len(body["alerts"]) == 1}
    assert {f"n{number}" for number in bad} <= alone


@pytest.mark.parametrize("taken", [(), (200,)], ids=["first", "second"])
async def test_a_webhook_that_dies_while_a_batch_is_split_is_tried_again(taken: tuple[int, ...]) -> None:
    """The whole batch stays due, in whichever half it happened."""
    async with receiver() as server:
        server.answer_with(400, *taken, 503)
        delivery = await _send(ReceiverConfig("webhook", server.url), firing("a"), firing("b"))
    assert delivery.result is Result.RETRY


async def test_an_alertmanager_takes_headers_from_a_file(tmp_path: Path) -> None:
    """Read at each request, so that a rotated secret needs no restart; the path of the URL is kept."""
    headers = _secret(tmp_path, f"Authorization: Bearer {SECRET}\n")
    async with receiver() as server:
        target = ReceiverConfig("alertmanager", f"{server.url}/prefix", headers_file=headers)
        delivery = await _send(target)
    assert delivery.result is Result.OK
    assert server.paths[0] == "/prefix/api/v2/alerts"
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"


async def test_an_alertmanager_whose_headers_cannot_be_read_is_tried_again(tmp_path: Path) -> None:
    """The failure names the file and not its content."""
    target = ReceiverConfig("alertmanager", "http://127.0.0.1:9/", headers_file=_secret(tmp_path, SECRET))
    delivery = await _send(target)
    assert (delivery.result, delivery.reason) == (Result.RETRY, DeliveryReason.SECRET_UNREADABLE)
    assert SECRET not in delivery.detail


async def test_a_webhook_takes_headers_and_url_from_files(tmp_path: Path) -> None:
    """Both are read each time, so that a rotated secret needs no restart."""
    headers = _secret(tmp_path, f"# a comment\n\nAuthorization: Bearer {SECRET}\nX-Team: sre\n")
    async with receiver() as server:
        (tmp_path / "url").write_text(f"{server.url}/hook\n")
        await _send(ReceiverConfig("webhook", url_file=str(tmp_path / "url"), headers_file=headers))
    assert server.paths == ["/hook"]
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
    assert server.headers[0]["X-Team"] == "sre"


@pytest.mark.parametrize(
    "content",
    [SECRET, f": {SECRET}", f"A: {SECRET}\x00", "x" * (SECRET_BYTES_MAX + 1)],
    ids=["no colon", "no name", "control character", "too large"],
)
async def test_a_bad_secret_file_is_reported_without_its_content(tmp_path: Path, content: str) -> None:
    """The fault names file and line; it is tried again, for files get mended."""
    target = ReceiverConfig("webhook", "http://127.0.0.1:9/", headers_file=_secret(tmp_path, content))
    delivery = await _send(target)
    assert (delivery.result, delivery.reason) == (Result.RETRY, DeliveryReason.SECRET_UNREADABLE)
    assert SECRET not in delivery.detail
    assert "xxx" not in delivery.detail


@pytest.mark.parametrize("name", ["/nonexistent/secret", "credential:absent", "/dev"])
async def test_a_missing_secret_is_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no credential, a directory: one reason for all."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    delivery = await _send(ReceiverConfig("webhook", "http://127.0.0.1:9/", headers_file=name))
    assert delivery.reason is DeliveryReason.SECRET_UNREADABLE


async def test_a_secret_that_is_no_text_is_reported(tmp_path: Path) -> None:
    """A key file in the wrong place is bytes."""
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe")
    delivery = await _send(ReceiverConfig("webhook", "http://127.0.0.1:9/", headers_file=str(path)))
    assert "not UTF-8" in delivery.detail


async def test_the_log_gets_one_line_a_change() -> None:
    """A firing alert with its texts, and its end in short."""
    with structlog.testing.capture_logs() as lines:
        await _send(ReceiverConfig("log"), firing(), ended(firing()))
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("alert fires", "warning"),
        ("alert ended", "info"),
    ]
    assert lines[1]["lasted_s"] == 90
    assert "description" not in lines[1]
    assert lines[0]["node"] == "etcd3"


async def test_a_dry_run_prints_and_sends_nothing() -> None:
    """Receiver, state and labels are printed."""
    printed: list[str] = []
    inner = Scripted()
    delivery = await DryRun(inner, printed.append).send([firing(), ended(firing(None))], NOW_NS)
    assert delivery.result is Result.OK
    assert inner.sent == []
    assert printed[0].startswith("would send to scripted at a test: firing {alertname=SkewmonSkewHigh")
    assert "resolved" in printed[1]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (f"https://hooks.example.com/services/{SECRET}?token={SECRET}", "https://hooks.example.com"),
        (f"http://user:{SECRET}@127.0.0.1:9093/", "http://127.0.0.1:9093"),
        ("no url", "an unusable URL"),
        ("http://[::1", "an unusable URL"),
    ],
)
def test_a_receiver_is_shown_without_its_secrets(url: str, text: str) -> None:
    """Paths, queries and passwords never reach log or report."""
    assert shown(url) == text


def test_identities_distinguish_receivers_and_keep_secrets() -> None:
    """The same target is the same receiver after a restart; another URL is another one."""
    one, other = (identity_of(ReceiverConfig("webhook", f"http://h/{SECRET}{n}")) for n in (1, 2))
    assert one != other
    assert one == identity_of(ReceiverConfig("webhook", f"http://h/{SECRET}1"))
    assert SECRET not in one


async def test_the_family_is_complete_and_each_target_is_built_once() -> None:
    """Four kinds, and a URL that is listed twice is one receiver."""
    assert set(NOTIFIERS) == {"alertmanager", "webhook", "apprise", "log"}
    async with aiohttp.ClientSession() as session:
        built = build(
            [ReceiverConfig("log"), ReceiverConfig("log"), ReceiverConfig("webhook", "http://h/")],
            ORIGIN,
            session,
        )
    assert [one.name for one in built] == ["log", "webhook"]


def test_instants_before_the_epoch_do_not_break_the_clock() -> None:
    """An admin box without a battery wakes up in 1970, or before."""
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(-1) == "1969-12-31T23:59:59.999Z"

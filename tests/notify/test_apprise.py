"""The real Apprise, against a real receiver, and against services that misbehave."""

import sys
import threading
from pathlib import Path

import aiohttp
import apprise
import pytest

from skewmon.notify import apprise as module
from skewmon.notify.apprise import Apprise
from skewmon.notify.receiver import Delivery, DeliveryReason, Origin, ReceiverConfig, Result
from tests.notify.tools import NOW_NS, ended, firing, receiver

# Apprise imports every service it knows, and one of them a module that Python 3.11 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


async def _send(path: Path, count: int = 1) -> Delivery:
    async with aiohttp.ClientSession() as session:
        notifier = Apprise(ReceiverConfig("apprise", url_file=str(path)), Origin(), session)
        return await notifier.send([firing(f"n{number}") for number in range(count)], NOW_NS)


@pytest.fixture
def urls(tmp_path: Path) -> Path:
    """Return the path of a URL file that holds nothing yet."""
    path = tmp_path / "urls"
    path.write_text("")
    return path


async def test_a_service_gets_title_and_text(urls: Path) -> None:
    """One alert: its severity, cluster and summary in the title, the rest in the body."""
    async with receiver() as server:
        urls.write_text(server.url.replace("http:", "json:"))
        assert (await _send(urls)).result is Result.OK
    (body,) = server.bodies
    assert body["title"] == "[critical] prod: The clock is wrong."
    assert "Next: skewmon probe etcd3 -v" in body["message"]
    assert body["type"] == "failure"


async def test_many_alerts_are_one_message(urls: Path) -> None:
    """A screenful is quoted and the rest is counted."""
    async with receiver() as server:
        urls.write_text(server.url.replace("http:", "json:"))
        await _send(urls, count=module.ALERTS_IN_MESSAGE_MAX + 3)
    assert server.bodies[0]["title"] == "skewmon: 13 firing, 0 resolved"
    assert server.bodies[0]["message"].rstrip().endswith("… and 3 more.")


async def test_an_end_is_good_news(urls: Path) -> None:
    """Services colour a message by its type, and an end advises nothing."""
    async with receiver() as server, aiohttp.ClientSession() as session:
        urls.write_text(server.url.replace("http:", "json:"))
        notifier = Apprise(ReceiverConfig("apprise", url_file=str(urls)), Origin(), session)
        await notifier.send([ended(firing())], NOW_NS)
    assert server.bodies[0]["type"] == "success"
    assert server.bodies[0]["title"].startswith("[resolved] prod")
    assert "Next:" not in server.bodies[0]["message"]


async def test_a_service_that_fails_is_tried_again(urls: Path) -> None:
    """Apprise gives no further reason."""
    async with receiver() as server:
        server.answer_with(500)
        urls.write_text(server.url.replace("http:", "json:"))
        delivery = await _send(urls)
    assert (delivery.result, delivery.reason) == (Result.RETRY, DeliveryReason.CONNECTION)


@pytest.mark.parametrize("content", ["", "no-such-service://T0PS3CRET"])
async def test_a_url_file_without_a_service_is_final(urls: Path, content: str) -> None:
    """And its content is not quoted."""
    urls.write_text(content)
    delivery = await _send(urls)
    assert (delivery.result, delivery.reason) == (Result.GIVE_UP, DeliveryReason.REFUSED)
    assert "T0PS3CRET" not in delivery.detail


async def test_a_missing_url_file_is_reported(tmp_path: Path) -> None:
    """It may come back."""
    delivery = await _send(tmp_path / "absent")
    assert (delivery.result, delivery.reason) == (Result.RETRY, DeliveryReason.SECRET_UNREADABLE)


async def test_without_the_extra_the_remedy_is_named(urls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the command to run."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    delivery = await _send(urls)
    assert delivery.reason is DeliveryReason.NOT_INSTALLED
    assert "pip install 'skewmon[apprise]'" in delivery.detail


async def test_a_service_that_raises_ends_in_a_reason(urls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of a plugin is no traceback of ours, and its message may hold the secret."""

    def fail(self: object, **_: object) -> bool:
        raise RuntimeError("T0PS3CRET")

    urls.write_text("json://127.0.0.1:9")
    monkeypatch.setattr(apprise.Apprise, "notify", fail)
    delivery = await _send(urls)
    assert (delivery.reason, delivery.detail) == (
        DeliveryReason.CONNECTION,
        "the service failed with RuntimeError",
    )


async def test_a_service_that_hangs_is_left_and_not_joined_by_a_second(
    urls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads cannot be stopped, so at most one is ever lost."""
    release = threading.Event()
    monkeypatch.setattr(apprise.Apprise, "notify", lambda self, **_: release.wait(30))
    monkeypatch.setattr(module, "SEND_TIMEOUT_S", 0.05)
    urls.write_text("json://127.0.0.1:9")
    async with aiohttp.ClientSession() as session:
        notifier = Apprise(ReceiverConfig("apprise", url_file=str(urls)), Origin(), session)
        hung = await notifier.send([firing()], NOW_NS)
        again = await notifier.send([firing()], NOW_NS)
        release.set()
    assert hung.detail == "not sent within 0.05 s"
    assert again.detail == "the previous message is still on its way"

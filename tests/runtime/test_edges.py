"""Every other edge: an unexpected exception costs one request, inventory, receiver, round or callback."""

import asyncio
import gc
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from skewmon.alert.alerts import Alert
from skewmon.cli.main import EXIT_TRY_AGAIN, EXIT_UNUSABLE, run
from skewmon.config.loader import loads
from skewmon.errors import ConfigError, InventoryError, NodeError, Reason, SkewmonError
from skewmon.export.published import Callbacks
from skewmon.export.server import Exporter
from skewmon.inventory import file_sd
from skewmon.inventory.resolve import resolve
from skewmon.model import Cluster, ClusterView
from skewmon.monitor import status_poller
from skewmon.monitor.check import check
from skewmon.monitor.state import MonitorState
from skewmon.monitor.status_poller import StatusPoller
from skewmon.notify import dispatcher as dispatcher_module
from skewmon.notify.dispatcher import Counts, Dispatcher, MemoryStore
from skewmon.notify.receiver import Delivery
from skewmon.runtime import containment, logs
from skewmon.runtime.containment import Where, contained, internal_errors, node_error, translated
from tests.inside import running_inside
from tests.notify.tools import Scripted, by_key, firing

#: A secret of a configured URL that an exception may quote.
SECRET = "hunter" + "2"


class ForeignError(Exception):
    """No exception that any edge expects."""


def defective(*_: object, **_more: object) -> None:
    """Fail as a bug does."""
    raise ForeignError(SECRET)


def counted() -> dict[Where, int]:
    """Return the edges with errors, and their counts."""
    return {where: count for where, count in internal_errors.counts.items() if count}


# --- the helper -------------------------------------------------------------------------------------------


def test_every_edge_is_counted_from_zero() -> None:
    """An increase needs a series before the first error."""
    assert internal_errors.counts == dict.fromkeys(Where, 0)


def test_a_kind_is_logged_once_with_its_traceback_and_counted_each_time() -> None:
    """A kind is a type of exception and the line that raises it."""
    with capture_logs() as logged:
        for _ in range(3):
            with contained(Where.NODE, node="n1") as block:
                defective()
        with contained(Where.NODE):
            raise ForeignError("elsewhere")
    assert counted() == {Where.NODE: 4}
    assert len(logged) == 2
    assert "defective()" in logged[0]["exception"]
    assert logged[0]["node"] == "n1"
    assert block.error.startswith("Internal error: ForeignError at runtime/test_edges.py:")


def test_words_of_a_node_forge_no_log_line() -> None:
    """An exception may quote them; they stay within their own, indented lines."""
    with capture_logs() as logged, contained(Where.NODE) as block:
        raise ForeignError("\x1b[2J\x9b\u202e\r\n2026-01-01 [info] all is well")
    assert block.error.isprintable()
    assert all(line.isprintable() and line.startswith("    ") for line in logged[0]["exception"].split("\n"))


def test_skewmons_own_errors_pass_through() -> None:
    """The caller handles them."""
    with pytest.raises(ConfigError), contained(Where.NODE):
        raise ConfigError
    with pytest.raises(ConfigError), translated(Where.NODE, node_error):
        raise ConfigError
    assert counted() == {}


def test_an_unexpected_error_becomes_one_of_the_node() -> None:
    """With the reason ``internal-error``."""
    with pytest.raises(NodeError) as raised, translated(Where.STATUS, node_error):
        defective()
    assert raised.value.reason is Reason.INTERNAL_ERROR
    assert counted() == {Where.STATUS: 1}


async def test_a_cancelled_task_ends_and_a_cancellation_out_of_a_library_does_not_end_one() -> None:
    """A library that cancels a future which a task awaits would else end that task without a word."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    survived = asyncio.Event()

    async def wait() -> None:
        with contained(Where.NODE):
            await future
        survived.set()
        with contained(Where.NODE):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    future.cancel()
    await survived.wait()
    assert counted() == {Where.NODE: 1}
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert counted() == {Where.NODE: 1}


def test_exceptions_that_reach_the_loop_are_contained() -> None:
    """A callback that raises, and a task that nothing awaits; a shortage of the system is not a bug."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.call_soon(defective)
        loop.call_exception_handler({"message": "accept failed", "exception": OSError(24, "no descriptor")})
        task = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        del task
        gc.collect()
        return "done"

    async def fail() -> None:
        defective()

    assert containment.run(main()) == "done"
    assert counted() == {Where.LOOP: 2}


def test_a_log_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error may be a pipe whose reader has gone."""

    class Broken:
        def write(self, _text: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stderr", Broken())
    logs.configure()
    with contained(Where.NODE):
        defective()
    assert counted() == {Where.NODE: 1}


# --- the edges --------------------------------------------------------------------------------------------


async def test_a_request_that_fails_is_answered_and_the_next_one_works() -> None:
    """With 500 and one sentence; the exception's words stay inside."""
    exporter = Exporter(Callbacks(config_text=defective))
    (address,) = await exporter.start("127.0.0.1:0")
    async with aiohttp.ClientSession(f"http://{address}") as client:
        async with client.get("/config") as answer:
            assert answer.status == 500
            assert await answer.text() == "An internal error; skewmon's log has the details.\n"
        async with client.get("/-/healthy") as answer:
            assert answer.status == 200
    await exporter.stop()
    assert counted() == {Where.HTTP: 1}


async def test_an_inventory_that_fails_is_an_inventory_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an error that start, reload and refresh expect; its words may hold a password."""
    monkeypatch.setattr(file_sd, "read", defective)
    with capture_logs() as logged, pytest.raises(InventoryError, match="cluster c, file_sd: ") as raised:
        await resolve(loads("clusters: {c: {inventory: [{file_sd: /x.json}]}}", "f.yml"))
    assert SECRET not in str(raised.value) + str(logged)
    assert counted() == {Where.INVENTORY: 1}


class Defective(Scripted):
    """A receiver with a bug, which is mended after its second sending."""

    async def send(self, alerts: Sequence[Alert], now: int) -> Delivery:
        """See ``Notifier``."""
        delivery = await super().send(alerts, now)
        if len(self.sent) <= 2:
            defective()
        return delivery


@pytest.mark.looptime
async def test_a_receiver_that_fails_delays_its_own_alerts_alone() -> None:
    """They are sent again with back-off, and its words stay out of the log."""
    bad, good, counts = Defective(name="webhook"), Scripted(), Counts()
    clock = asyncio.get_running_loop().time
    sending = Dispatcher((bad, good), MemoryStore(), counts, base_clock=clock)
    task = asyncio.create_task(sending.run())
    with capture_logs() as logged:
        sending.submit([firing()], by_key(firing()))
        await asyncio.sleep(30)
    task.cancel()
    assert len(good.sent) == 1
    assert len(bad.sent) >= 3
    assert SECRET not in str(logged)
    assert counted() == {Where.RECEIVER: 2}
    assert counts.failed["webhook", "internal-error"] == 2


@pytest.mark.looptime
async def test_a_queue_that_fails_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """It neither ends the others nor keeps a processor busy."""
    bad, good = Scripted(), Scripted(name="other")
    sending = Dispatcher((bad, good), MemoryStore(), Counts(), base_clock=asyncio.get_running_loop().time)
    monkeypatch.setattr(sending.receivers[0].queue, "batch", defective)
    task = asyncio.create_task(sending.run())
    sending.submit([firing()], by_key(firing()))
    await asyncio.sleep(100)
    task.cancel()
    assert len(good.sent) >= 1
    assert counted()[Where.RECEIVER] <= 100 / dispatcher_module.DEFECT_PAUSE_S + 1


async def test_the_admin_boxs_own_status_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again; a missing answer is nothing new."""
    asked = asyncio.Event()

    async def fail() -> None:
        if internal_errors.counts[Where.ADMIN_BOX]:
            asked.set()
        defective()

    monkeypatch.setattr(status_poller, "own_status", fail)
    task = asyncio.create_task(StatusPoller(MonitorState()).poll_admin_box(0.01))
    await asyncio.wait_for(asked.wait(), 10)
    assert not task.done()
    task.cancel()


async def test_rounds_that_fail_are_counted_at_once_and_end_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though no round ends, /metrics has the count."""
    monkeypatch.setattr("skewmon.monitor.monitor.run_round", defective)
    async with running_inside(tmp_path, Cluster("c", (), interval_s=0.05)) as inside:
        daemon = inside.daemon
        await inside.until(
            lambda: daemon._exporter._published.newest.stats.internal_errors.get("round", 0) > 2
        )


@pytest.mark.parametrize("step", ["skewmon.monitor.round.evaluate", "skewmon.daemon.report.cluster_events"])
async def test_an_error_in_one_cluster_costs_that_cluster_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Two clusters share their rounds; the evaluation or the report of one of them fails."""
    whole = pkgutil.resolve_name(step.replace(".evaluate", ":evaluate").replace(".cluster_", ":cluster_"))

    def failing(subject: Cluster | ClusterView, *rest: object) -> object:
        return defective() if subject.name == "bad" else whole(subject, *rest)

    monkeypatch.setattr(step, failing)
    clusters = [Cluster(name, (), interval_s=0.05) for name in ("bad", "good", "last")]
    async with running_inside(tmp_path, *clusters) as inside:
        published = inside.daemon._exporter._published

        def rounds(name: str) -> int:
            views = published.newest.snapshot.clusters
            return next((view.rounds for view in views if view.name == name), 0)

        await inside.until(lambda: min(rounds("good"), rounds("last")) > 2)
        assert published.newest.stats.internal_errors["round"] > 1


async def test_a_check_without_the_evaluation_of_a_cluster_has_no_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its exit code would otherwise be that of the other clusters."""
    monkeypatch.setattr("skewmon.monitor.round.evaluate", defective)
    with pytest.raises(
        SkewmonError, match=r"Cluster c could not be evaluated\. Internal error: ForeignError"
    ):
        await check([Cluster("c", ())], 1, 5.0)


def test_an_unexpected_error_of_a_command_exits_as_unusable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python's own exit code, 1, would be a proven warning of ``check``."""
    monkeypatch.setattr("skewmon.cli.targets.clusters_of", defective)
    assert run(["check", "n1", "n2"]) == EXIT_UNUSABLE
    errors = capsys.readouterr().err
    assert errors.startswith("skewmon: Internal error: ForeignError at ")
    assert errors.endswith("Please report this as a bug.\n")
    assert errors.count("\n") == 1


def test_a_daemon_that_fails_unexpectedly_logs_it_and_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By systemd, because the configuration is not at fault."""
    monkeypatch.setattr("skewmon.config.loader.load", defective)
    with capture_logs() as logged:
        assert run(["run", "--config.file", "/x.yml"]) == EXIT_TRY_AGAIN
    assert "defective" in logged[0]["exception"]

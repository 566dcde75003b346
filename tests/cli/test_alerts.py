"""`skewmon alerts test`, as a person runs it before going on holiday."""

import asyncio
from pathlib import Path

from click.testing import CliRunner, Result

from skewmon.cli.alerts import command
from tests.notify.tools import receiver


async def _run(path: Path, *options: str) -> Result:
    """Run the command beside the receivers' loop, because it has a loop of its own."""
    arguments = ["test", "--config.file", str(path), *options]
    return await asyncio.to_thread(CliRunner().invoke, command, arguments, standalone_mode=False)


def _config(tmp_path: Path, alerts: str) -> Path:
    path = tmp_path / "skewmon.yml"
    path.write_text(f"clusters: {{c: {{nodes: [a, b]}}}}\nalerts: {alerts}\n")
    return path


async def test_every_receiver_is_tried_and_quoted(tmp_path: Path) -> None:
    """One accepts, one refuses, one is down; the exit code reports the failures."""
    async with receiver() as good, receiver() as bad:
        bad.answer_with(403, text="who are you")
        path = _config(
            tmp_path,
            f"{{alertmanagers: ['{good.url}', 'http://127.0.0.1:9'], "
            f"webhooks: [{{url: '{bad.url}/T0PS3CRET'}}]}}",
        )
        result = await _run(path)
        sent = good.bodies[0]
    assert result.return_value == 1
    taken, absent, refused = result.output.splitlines()
    assert taken == f"alertmanager {good.url}: taken (HTTP 200)"
    assert absent.startswith("alertmanager http://127.0.0.1:9: not taken, connection: ")
    assert refused == f"webhook {bad.url}: not taken, refused: HTTP 403: who are you"
    assert [alert["labels"]["severity"] for alert in sent] == ["warning", "critical"]
    assert {alert["labels"]["cluster_name"] for alert in sent} == {"skewmon-test"}
    assert {alert["annotations"]["summary"] for alert in sent} == {"This is a test of skewmon's alerts."}


async def test_one_severity_can_be_tested_alone(tmp_path: Path) -> None:
    """A test of the ticket queue need not page anyone."""
    async with receiver() as good:
        await _run(_config(tmp_path, f"{{alertmanagers: ['{good.url}']}}"), "--severity", "warning")
    assert [alert["labels"]["severity"] for alert in good.bodies[0]] == ["warning"]


async def test_all_is_well_when_all_take_it(tmp_path: Path) -> None:
    """Exit 0, so that a provisioning script can rely on it."""
    async with receiver() as good:
        assert (await _run(_config(tmp_path, f"{{alertmanagers: ['{good.url}']}}"))).return_value == 0


async def test_no_receiver_is_said(tmp_path: Path) -> None:
    """Nothing to test is no success."""
    result = await _run(_config(tmp_path, "{}"))
    assert result.return_value == 3
    assert "names no receiver" in result.stderr

"""``skewmon events``: the journal for a person and for a program, while the daemon runs."""

import json
import time
from pathlib import Path

import pytest

from skewmon.cli.main import EXIT_UNUSABLE, run
from skewmon.journal import Event, Journal
from skewmon.model import NS_PER_S


async def _fill(directory: Path) -> None:
    now_ns = time.time_ns()
    async with Journal.open(str(directory)) as journal:
        await journal.append(Event(now_ns - 72 * 3600 * NS_PER_S, "restart", "Long ago."))
        await journal.append(Event(now_ns - 60 * NS_PER_S, "step", "It stepped by 70 s.", "lab", "n1"))
        await journal.append(
            Event(now_ns, "alert", "It\x1b[31m fires.", "lab", "n2", {"severity": "critical"})
        )


async def test_events_are_listed_oldest_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, without those before --since, and without control characters."""
    await _fill(tmp_path)
    assert run(["events", "--state-directory", str(tmp_path)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("step            lab/n1  It stepped by 70 s.")
    assert "lab/n2" in second
    assert "\x1b" not in second


async def test_events_can_be_had_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With every field, for one node."""
    await _fill(tmp_path)
    options = ["--state-directory", str(tmp_path), "--since", "30d", "--node", "n2", "-o", "json"]
    assert run(["events", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    (event,) = document["events"]
    assert event["kind"] == "alert"
    assert event["detail"] == {"severity": "critical"}


@pytest.mark.parametrize(("option", "value"), [("--kind", "step"), ("--cluster", "lab"), ("--node", "n1")])
async def test_events_are_narrowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """Each filter leaves what it names, and a value that nothing has leaves a sentence."""
    await _fill(tmp_path)
    base = ["events", "--state-directory", str(tmp_path), "--since", "30d"]
    assert run([*base, option, value]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("It stepped by 70 s." in line for line in lines)
    assert not any("Long ago." in line for line in lines)
    assert run([*base, option, "other"]) == 0
    assert capsys.readouterr().err == "No events in the last 30d of other.\n"


async def test_the_journal_is_read_while_the_daemon_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader needs no lock that the daemon holds."""
    async with Journal.open(str(tmp_path)) as journal:
        await journal.append(Event(time.time_ns(), "step", "Now."))
        assert run(["events", "--state-directory", str(tmp_path)]) == 0
        assert "Now." in capsys.readouterr().out
        assert await journal.append(Event(time.time_ns(), "step", "Later."))


async def test_no_events_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not silence, and not on standard output."""
    await _fill(tmp_path)
    assert run(["events", "--state-directory", str(tmp_path), "--node", "n9"]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "No events in the last 2d of n9.\n"


def test_the_configuration_names_the_state_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--config.file is enough; a directory without a journal is one readable message."""
    config = tmp_path / "skewmon.yml"
    config.write_text(f"state_directory: {tmp_path}/state\nclusters: {{lab: {{nodes: [n1]}}}}\n")
    assert run(["events", "--config.file", str(config)]) == EXIT_UNUSABLE
    assert f"There is no journal in {tmp_path}/state" in capsys.readouterr().err


def test_a_bad_duration_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Naming the option and what was expected."""
    assert run(["events", "--state-directory", str(tmp_path), "--since", "yesterday"]) == EXIT_UNUSABLE
    assert "--since" in capsys.readouterr().err

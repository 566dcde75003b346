"""``skewmon events``: the journal for a person and for a program, while the daemon runs."""

import contextlib
import json
import os
import sqlite3
import time
from pathlib import Path

import pytest

from skewmon.cli.main import EXIT_UNUSABLE, run
from skewmon.journal import Journal
from skewmon.model import NS_PER_S, Event


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
    """Each filter keeps the events it names; if no event is left, a sentence says so."""
    await _fill(tmp_path)
    base = ["events", "--state-directory", str(tmp_path), "--since", "30d"]
    assert run([*base, option, value]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("It stepped by 70 s." in line for line in lines)
    assert not any("Long ago." in line for line in lines)
    assert run([*base, option, "other"]) == 0
    assert capsys.readouterr().err == "No events in the last 30d of other.\n"


async def test_all_events_are_all_at_any_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An admin box whose battery is empty begins in 1970; its events of then can be read later."""
    base = ["events", "--state-directory", str(tmp_path)]
    async with Journal.open(str(tmp_path)) as journal:
        await journal.append(Event(-5, "step", "In 1969."))
        await journal.append(Event(NS_PER_S, "step", "In 1970."))
    assert run([*base, "--since", "all"]) == 0
    assert [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()] == ["In 1969.", "In 1970."]
    assert run([*base, "--since", "all", "--kind", "reboot"]) == 0
    assert capsys.readouterr().err == "No events at all of reboot.\n"


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
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == "No events in the last 2d of n9.\n"


def test_the_configuration_names_the_state_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--config.file is enough; a directory without a journal is one readable message."""
    config = tmp_path / "skewmon.yml"
    config.write_text(f"state_directory: {tmp_path}/state\nclusters: {{lab: {{nodes: [n1]}}}}\n")
    assert run(["events", "--config.file", str(config)]) == EXIT_UNUSABLE
    assert f"There is no journal in {tmp_path}/state" in capsys.readouterr().err


def test_a_bad_duration_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Naming the option and the expected form."""
    assert run(["events", "--state-directory", str(tmp_path), "--since", "yesterday"]) == EXIT_UNUSABLE
    assert "--since" in capsys.readouterr().err


async def test_hidden_events_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The oldest are missing, and standard output stays readable by a program."""
    await _fill(tmp_path)
    assert run(["events", "--state-directory", str(tmp_path), "--limit", "1"]) == 0
    output = capsys.readouterr()
    assert len(output.out.splitlines()) == 1
    assert output.err == "Only the newest 1 are shown; --limit raises that.\n"


@pytest.mark.parametrize(
    "damage",
    [
        "detail = '{\"clust'",
        "detail = '[1]'",
        "detail = CAST(x'7bff7d' AS TEXT)",
        "message = CAST(x'49ff' AS TEXT)",
        "wall_ns = 'noon'",
    ],
)
async def test_a_damaged_event_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """A flipped bit in a value is no fault of the file's structure, and no check finds it."""
    await _fill(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as connection, connection:
        connection.execute(f"UPDATE event SET {damage} WHERE node = 'n1'")
    for narrowed in ([], ["--cluster", "lab"]):
        assert run(["events", "--state-directory", str(tmp_path), *narrowed]) == 0
        assert "fires" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--limit", "9" * 30], "--limit"), (["--node", "\udcff"], "No events in the last 2d of \\udcff.")],
)
async def test_no_option_is_too_odd_for_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    """A number that no machine word holds, and bytes that are no text."""
    await _fill(tmp_path)
    run(["events", "--state-directory", str(tmp_path), *options])
    assert said in capsys.readouterr().err


def test_an_unusable_journal_is_reported_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty file, and a pipe without a writer."""
    path = tmp_path / "journal.db"
    path.touch()
    assert run(["events", "--state-directory", str(tmp_path)]) == EXIT_UNUSABLE
    assert "cannot be read: no such table" in capsys.readouterr().err
    path.unlink()
    os.mkfifo(path)
    assert run(["events", "--state-directory", str(tmp_path)]) == EXIT_UNUSABLE
    assert "is not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("own", [False, True], ids=["none of one's own", "one of one's own"])
async def test_the_journal_of_the_service_is_found_from_any_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, own: bool
) -> None:
    """The daemon has its directory from systemd; an interactive shell does not have it."""
    service, home, trial = tmp_path / "service", tmp_path / "home", tmp_path / "trial.yml"
    trial.write_text("clusters: {lab: {nodes: [n1]}}\n")
    monkeypatch.setattr("skewmon.cli.state_directory.SERVICE_STATE_DIRECTORY", str(service))
    monkeypatch.setattr("skewmon.cli.state_directory.DEFAULT_CONFIG", str(tmp_path / "none.yml"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    for directory, message in ((service, "Of the service."), (home / "skewmon", "Of a trial.")):
        if own or directory is service:
            async with Journal.open(str(directory)) as journal:
                await journal.append(Event(time.time_ns(), "step", message))
    assert run(["events"]) == 0
    assert "Of the service." in capsys.readouterr().out
    assert run(["events", "--config.file", str(trial)]) == 0
    assert ("Of a trial." if own else "Of the service.") in capsys.readouterr().out


def test_the_shown_state_directory_is_that_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root's shell has no STATE_DIRECTORY; the service has one, with a journal in it or not yet."""
    file = tmp_path / "skewmon.yml"
    file.write_text("clusters: {lab: {nodes: [n1, n2]}}\n")
    monkeypatch.setattr("skewmon.cli.state_directory.DEFAULT_CONFIG", str(file))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert run(["config", "show", str(file)]) == 0
    assert "state_directory: /var/lib/skewmon\n" in capsys.readouterr().out
    file.write_text("state_directory: kept\nclusters: {lab: {nodes: [n1, n2]}}\n")
    assert run(["config", "show", str(file)]) == 0
    assert f"state_directory: {tmp_path}/kept\n" in capsys.readouterr().out

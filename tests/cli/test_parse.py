"""``skewmon parse`` from end to end."""

import io
import json
import sys
from pathlib import Path

import pytest

from skewmon.cli.main import run
from tests.timesync.captures import DIRECTORY


def test_a_file_that_is_understood_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON names the unit in every key, and nothing is complained of."""
    assert run(["parse", "ntpq", str(DIRECTORY / "ntpq-4.2.6-centos7.txt")]) == 0
    shown, complained = capsys.readouterr()
    report = json.loads(shown)
    assert complained == ""
    assert report["lines"] == {"parsed": 3, "noise": 3, "unparsed": 0}
    assert report["status"]["offset_seconds"] == -0.001631
    assert report["status"]["peers"][1]["name"] == "202.118.1.130"


def test_lines_that_are_not_understood_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 1, and each line on standard error."""
    assert run(["parse", "ntpq", str(DIRECTORY / "ntpq-foreign-lines.txt")]) == 1
    shown, complained = capsys.readouterr()
    assert len(json.loads(shown)["unparsed"]) == 3
    assert "skewmon: not understood: Welcome to n3, authorised use only" in complained


def test_standard_input_is_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without FILE, and bytes that are no UTF-8 do not matter."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"unsynchronised\ncaf\xe9\n")))
    assert run(["parse", "ntpstat"]) == 1
    assert json.loads(capsys.readouterr().out)["status"]["synchronized"] is False


def test_a_table_copied_from_a_page_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page keeps its columns in line with blanks that are none."""
    row = "^* 192.0.2.1   2   6   377    23   -923us[ -924us] +/-   43ms\n".replace(" ", "\u00a0")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(row.encode())))
    assert run(["parse", "chronyc-sources"]) == 0
    assert json.loads(capsys.readouterr().out)["status"]["offset_seconds"] == -0.000923


def test_additions_of_a_terminal_are_removed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Colours, doubled carriage returns, a mark of byte order: recorded or pasted, the table is the same."""
    plain = (DIRECTORY / "ntpctl-sensor-and-pool.txt").read_bytes()
    dressed = b"\xef\xbb\xbf" + plain.replace(b"\n", b"\x1b[0m\r\r\n")
    shown = []
    for text in (plain, dressed):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        assert run(["parse", "ntpctl"]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


def test_empty_input_is_not_understood(tmp_path: Path) -> None:
    """Silence is not health."""
    (tmp_path / "empty").touch()
    assert run(["parse", "ntpq", str(tmp_path / "empty")]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["parse", "nonsense"],
        ["parse"],
        ["parse", "ntpq", "/nonexistent"],
        ["parse", "ntpq", "/proc/self/mem"],
    ],
)
def test_unusable_input_is_one_message_and_status_three(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback for any wrong argument."""
    assert run(arguments) == 3
    complained = capsys.readouterr().err
    assert complained
    assert "Traceback" not in complained


def test_too_much_input_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No time tool prints megabytes."""
    big = tmp_path / "big"
    big.write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    assert run(["parse", "ntpq", str(big)]) == 3
    assert "big: the file is larger than 4 MiB" in capsys.readouterr().err

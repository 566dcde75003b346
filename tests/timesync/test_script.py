"""The status script in real shells, with fake tools that misbehave."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from skewmon.timesync import script

NONCE = "a1b2c3d4e5"

SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Return a directory that comes first on PATH."""
    place = tmp_path / "bin"
    place.mkdir()
    fake(place, "ntptime", "echo unused")
    return place


def fake(place: Path, name: str, body: str) -> None:
    """Put a tool there."""
    path = place / name
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)


def run(place: Path, shell: str = "dash", path: str = "/usr/bin:/bin") -> dict[str, script.ToolOutput]:
    """Feed the script to a shell as probe does, and take the answer apart."""
    command = [shell, "ash"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [shutil.which(command[0]) or command[0], *command[1:]],
        input=script.script(NONCE).encode(),
        capture_output=True,
        timeout=60,
        check=False,
        env={"PATH": f"{place}:{path}"},
    )
    text = done.stdout.decode(errors="replace")
    assert done.stderr == b""
    assert done.returncode == 0
    assert script.is_complete(NONCE, text)
    return script.split(NONCE, text)


def test_three_shells_are_there_to_be_tried() -> None:
    """A missing shell must not pass in silence."""
    assert SHELLS == ["dash", "bash", "busybox"]


@pytest.mark.parametrize("shell", SHELLS)
def test_both_streams_and_the_status_come_back_exactly(tools: Path, shell: str) -> None:
    """Also without a final newline, with blank lines at the ends, and with a mark's look-alike inside."""
    fake(tools, "ntpctl", "printf '\\n one\\n\\ntwo  without newline'; printf 'three\\n\\n' >&2; exit 7")
    fake(tools, "ntp-ctl", f"echo '{NONCE[:-1]} begin ntpq'")
    outputs = run(tools, shell)
    ntpctl = outputs["ntpctl"]
    assert (ntpctl.stdout, ntpctl.stderr, ntpctl.status) == ("\n one\n\ntwo  without newline", "three\n\n", 7)
    assert outputs["ntp-ctl"].stdout == f"{NONCE[:-1]} begin ntpq\n"
    assert "ntpq" not in outputs


@pytest.mark.parametrize("shell", SHELLS)
def test_hanging_tools_cost_one_limit_together(tools: Path, shell: str) -> None:
    """Three that hang are ended at the same time, and their output so far is kept."""
    for name in ("ntpctl", "ntp-ctl", "ntpstat"):
        fake(tools, name, "echo so far; exec sleep 60")
    began = time.monotonic()
    outputs = run(tools, shell)
    assert time.monotonic() - began < script.TOOL_LIMIT_S + 3
    for name in ("ntpctl", "ntp-ctl", "ntpstat"):
        assert outputs[name].timed_out, outputs[name]
        assert outputs[name].stdout == "so far\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_child_left_behind_costs_the_limit_of_its_tool(tools: Path, shell: str) -> None:
    """A child in the background holds both streams open; the output of the tool itself is kept."""
    fake(tools, "ntpctl", "echo said; sleep 30 & exit 0")
    fake(tools, "ntp-ctl", "echo quick; exit 3")
    began = time.monotonic()
    outputs = run(tools, shell)
    assert time.monotonic() - began < script.TOOL_LIMIT_S + 4
    assert (outputs["ntpctl"].stdout, outputs["ntpctl"].status) == ("said\n", 0)
    assert (outputs["ntp-ctl"].stdout, outputs["ntp-ctl"].status) == ("quick\n", 3)


def test_without_timeout_a_hanging_tool_is_ended_all_the_same(tools: Path, tmp_path: Path) -> None:
    """A system without timeout(1) has the shell's own watchman, who leaves when the tool was quick."""
    few = tmp_path / "few"
    few.mkdir()
    for name in ("sh", "cat", "head", "sleep", "tr", "uname", "date", "readlink"):
        (few / name).symlink_to(shutil.which(name) or name)
    fake(few, "timeout", "exit 125")
    fake(tools, "ntpctl", "echo so far; exec sleep 60")
    fake(tools, "ntp-ctl", "echo quick; exit 3")
    began = time.monotonic()
    outputs = run(tools, path=f"{few}:/usr/bin:/bin")
    assert time.monotonic() - began < script.TOOL_LIMIT_S + 3
    assert (outputs["ntpctl"].stdout, outputs["ntpctl"].timed_out) == ("so far\n", True)
    assert (outputs["ntp-ctl"].stdout, outputs["ntp-ctl"].status) == ("quick\n", 3)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_flood_is_cut_and_named(tools: Path, shell: str) -> None:
    """Endless output ends at the limit, on either stream."""
    fake(tools, "ntpctl", "exec yes")
    fake(tools, "ntp-ctl", "exec yes >&2")
    outputs = run(tools, shell)
    for name, stream in (("ntpctl", outputs["ntpctl"].stdout), ("ntp-ctl", outputs["ntp-ctl"].stderr)):
        assert outputs[name].flooded
        assert len(stream) == script.TOOL_LIMIT_BYTES
        assert not outputs[name].timed_out


def test_tools_do_not_eat_the_script_or_each_other(tools: Path) -> None:
    """Every tool reads an empty standard input."""
    for name in ("ntpctl", "ntp-ctl", "ntpstat"):
        fake(tools, name, "wc -c")
    outputs = run(tools)
    assert {outputs[name].stdout.strip() for name in ("ntpctl", "ntp-ctl", "ntpstat")} == {"0"}


def test_bytes_that_are_no_text_come_through(tools: Path) -> None:
    """A tool that prints Latin-1 costs no line."""
    fake(tools, "ntpctl", "printf 'caf\\351\\nnext\\n'")
    assert run(tools)["ntpctl"].stdout.splitlines() == ["caf\ufffd", "next"]


def test_a_locale_does_not_reach_the_tools(tools: Path) -> None:
    """LC_ALL=C is set whatever the session brought along."""
    fake(tools, "ntpctl", 'echo "$LC_ALL"')
    assert run(tools)["ntpctl"].stdout == "C\n"


def test_a_cut_status_output_keeps_the_whole_tools(tools: Path) -> None:
    """The last tool's output is there, its status is not."""
    text = (
        f"banner\n\n{NONCE} begin ntpq\nrow\n\n{NONCE} err\n\n{NONCE} end 0\n"
        f"\n{NONCE} begin ntpstat\nsynchronised to"
    )
    outputs = script.split(NONCE, text)
    assert not script.is_complete(NONCE, text)
    assert (outputs["ntpq"].stdout, outputs["ntpq"].status) == ("row\n", 0)
    assert (outputs["ntpstat"].stdout, outputs["ntpstat"].status) == ("synchronised to", None)


def test_the_script_fits_one_shell_and_no_file() -> None:
    """Nothing is written and no privileges are requested."""
    text = script.script(NONCE)
    assert "sudo" not in text
    assert "mktemp" not in text
    assert "{" + "nonce}" not in text
    redirections = [word for word in text.split() if word.startswith((">", "2>", "3>")) and "&" not in word]
    assert set(redirections) <= {">/dev/null", "2>/dev/null"}


@pytest.mark.parametrize("nonce", ["", "short", "with space12", "quote'1234", "dollar$1234"])
def test_a_nonce_that_a_shell_could_read_is_refused(nonce: str) -> None:
    """The nonce stands unquoted in a script."""
    with pytest.raises(AssertionError):
        script.script(nonce)

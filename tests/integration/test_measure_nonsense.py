"""Any nonsense on the command line or in the file: one readable sentence, the right code, no traceback."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skewmon.cli.main import run

BROKEN = sorted((Path(__file__).parents[1] / "config" / "testdata").glob("invalid-*.yml"))

OPTIONS = (
    "--config.file",
    "--cluster",
    "-l",
    "-p",
    "-i",
    "--known-hosts",
    "-J",
    "-w",
    "-c",
    "--profile",
    "--samples",
    "--rounds",
    "--timeout",
    "-o",
)

NONSENSE = (
    "",
    " ",
    "-",
    "--",
    "-1",
    "0",
    "1e9",
    "nan",
    "inf",
    "-5s",
    "5",
    "99999999999999999999999999s",
    "\x1b[31m",
    "a\nb",
    "ä\u202e\U0001f600",
    "\udcff",
    "/dev/null",
    "/",
    "~nobody-at-all/x",
    "[1-",
    "n[3-1]",
    "n[1-999999999]",
    "@",
    "a@b@c",
    "host:99999",
    "[::1",
    "%s%n{0}",
    "x" * 5_000,
)


def check(*arguments: str) -> tuple[int, str]:
    """Run ``skewmon check`` in this process and return its code and its standard error."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
        code = run(["check", *arguments])
    return code, told.getvalue()


def assert_readable(code: int, text: str) -> None:
    """Check that the output is usable by a person, and by Nagios."""
    assert code == 3, text
    assert text.strip()
    assert "Traceback" not in text
    assert "\x1b" not in text
    assert len(text) < 20_000


@pytest.mark.parametrize("value", NONSENSE, ids=repr)
@pytest.mark.parametrize("option", OPTIONS)
def test_nonsense_in_an_option_is_one_sentence(option: str, value: str, tmp_path: Path) -> None:
    """Or it is a value after all; then the missing host fails."""
    code, text = check(option, value, "--timeout", "1s", "no-such-host.invalid")
    assert code == 3, text
    assert "Traceback" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize("node", [one for one in NONSENSE if one != "--"], ids=repr)
def test_nonsense_for_a_node_is_one_sentence(node: str) -> None:
    """Names, ranges and addresses that are none."""
    code, text = check("--timeout", "1s", "--", node)
    assert code == 3, text
    assert "Traceback" not in text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.sampled_from((*OPTIONS[1:], *NONSENSE)), st.text(max_size=20)), max_size=5))
def test_any_arguments_at_all_end_in_a_code(arguments: list[str]) -> None:
    """A fuzzer's command lines: unknown arguments are reported as such."""
    if any(one.startswith(("-h", "--h", "--v")) for one in arguments):
        return
    code, text = check("--config.file", "/nonexistent/skewmon.yml", *arguments)
    assert code == 3, (code, text)
    assert "Traceback" not in text


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem.removeprefix("invalid-"))
def test_a_broken_file_is_one_readable_message(path: Path) -> None:
    """The file is named, with the position of the fault if there is one."""
    code, text = check("--config.file", str(path))
    assert_readable(code, text)
    assert path.name in text


def test_there_are_more_than_thirty_broken_files() -> None:
    """One for every rule."""
    assert len(BROKEN) > 30


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--nope"),
        ("check", "-o", "xml", "n1"),
        ("nope",),
        ("check",),
        ("check", "-w", "2s", "-c", "1s", "n"),
    ],
    ids=" ".join,
)
def test_a_process_of_its_own_ends_without_a_traceback(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """As a user types it, in a home without anything."""
    done = subprocess.run(
        [sys.executable, "-m", "skewmon", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HOME": str(tmp_path)},
        check=False,
    )
    assert_readable(done.returncode, done.stderr)
    assert done.stdout == ""

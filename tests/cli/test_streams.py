"""Standard streams that are closed, full or read no further: one sentence, or none."""

import subprocess
import sys

import pytest

COMMAND = f"{sys.executable} -m skewmon"


def shell(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("buffered", "printed"),
    [
        ("env -u PYTHONUNBUFFERED", "skewmon: standard output: No space left on device\n"),
        ("env PYTHONUNBUFFERED=1", "skewmon: No space left on device\n"),
    ],
)
def test_a_full_disk_behind_standard_output_is_reported(buffered, printed):
    """Lost output is not a success, and one sentence says why, once."""
    done = shell(f"{buffered} {COMMAND} profiles >/dev/full")
    assert (done.returncode, done.stderr) == (3, printed)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(closed):
    """Started without standard input, output or error, a command does its work in silence."""
    done = shell(f"{COMMAND} profiles {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_goes_away_is_no_fault():
    """`| head -1` ends quietly."""
    done = shell(f"{COMMAND} profiles -o json | head -c 1")
    assert (done.stdout, done.stderr) == ("[", "")


@pytest.mark.parametrize("arguments", ["profiles", "check --config.file {} -o json"])
def test_a_reader_that_goes_away_proves_no_warning(arguments, tmp_path):
    """Exit code 1 is kept for a proven warning, even if the output could not be written."""
    config = tmp_path / "many.yml"
    config.write_text('ssh: {identity: []}\nclusters: {a: {nodes: ["n[1-300]"]}}\n')
    done = shell(f"({COMMAND} {arguments.format(config)}; echo $? >&2) | exec true")
    assert done.stderr == "3\n"

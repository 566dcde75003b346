"""Standard streams that are closed, full or read no further are told in words, or not at all."""

import subprocess
import sys

import pytest

COMMAND = f"{sys.executable} -m skewmon"


def shell(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=False, timeout=60)


def test_a_full_disk_behind_standard_output_is_told():
    """What could not be printed is no success, and one sentence says why."""
    done = shell(f"{COMMAND} profiles >/dev/full")
    assert (done.returncode, done.stderr) == (3, "skewmon: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(closed):
    """Started without standard input, output or error, a command does its work in silence."""
    done = shell(f"{COMMAND} profiles {closed}")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_goes_away_is_no_fault():
    """`| head -1` ends quietly."""
    done = shell(f"{COMMAND} profiles -o json | head -c 1")
    assert (done.stdout, done.stderr) == ("[", "")

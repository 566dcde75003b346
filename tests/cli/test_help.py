"""Help is there for every command, at once."""

import json
import os
import resource
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from skewmon import __version__
from skewmon.cli.main import COMMANDS, skewmon

#: Loading any of these takes longer than a person notices.
HEAVY = ("aiohttp", "asyncssh", "cryptography", "prometheus_client", "pydantic", "rich", "structlog", "yaml")

#: "At once" for a person; measured as processor time, because the tests share the machine.
LIMIT_S = 0.2

PRINT_LOADED = """
import json, sys
from skewmon.cli.main import run
try:
    run(sys.argv[1:])
finally:
    json.dump(sorted(name for name in sys.modules if "." not in name), sys.stderr)
"""


def processor_s(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "skewmon", *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_comes_at_once(name):
    """The best of three runs uses less than 0.2 s of processor time, the interpreter's start included."""
    arguments = ([name] if name else []) + ["--help"]
    assert min(processor_s(*arguments) for _ in range(3)) < LIMIT_S


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_loads_nothing_heavy(name):
    """Libraries are imported when a command runs, not for its help."""
    arguments = ([name] if name else []) + ["--help"]
    done = subprocess.run(
        [sys.executable, "-c", PRINT_LOADED, *arguments], capture_output=True, text=True, check=False
    )
    assert set(json.loads(done.stderr)) & set(HEAVY) == set()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_help_explains_the_command(name):
    """Every command has a sentence, its examples keep their lines, and no markup is left in the text."""
    command = [sys.executable, "-m", "skewmon", name, "--help"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.startswith(f"Usage: skewmon {name}")
    assert "\\b" not in output
    assert "\b" not in output
    assert "-h, --help" in output


#: Every command, and those below commands.
ALL_COMMANDS = (
    *(name for name in COMMANDS if name not in ("config", "alerts", "keys", "record")),
    *(f"config {name}" for name in ("check", "init", "schema", "show")),
    "alerts test",
    *(f"keys {name}" for name in ("authorize", "scan")),
    *(f"record {name}" for name in ("size", "verify")),
)


@pytest.mark.parametrize("name", ALL_COMMANDS)
def test_help_has_an_example_and_fits_a_terminal(name):
    """A tired person copies the nearest line; no line is wider than 80 columns."""
    output = CliRunner().invoke(skewmon, [*name.split(), "--help"], terminal_width=80).output
    usage, _, rest = output.partition("\n")
    assert usage.startswith(f"Usage: skewmon {name}")
    assert f" skewmon {name}" in rest
    assert max(len(line) for line in output.splitlines() if "completion" not in line) <= 80


def test_the_list_of_commands_is_complete_without_importing_them():
    """`skewmon --help` names every command with its sentence."""
    output = CliRunner().invoke(skewmon, ["--help"]).output
    for name, sentence in COMMANDS.items():
        assert name in output
        assert sentence.split(".")[0] in " ".join(output.split())


def test_the_version_is_printed():
    """`skewmon --version` prints name and version."""
    assert CliRunner().invoke(skewmon, ["--version"]).output == f"skewmon, version {__version__}\n"


def test_help_survives_a_machine_without_home(tmp_path):
    """No HOME, no terminal, an empty environment: help is help."""
    began = time.monotonic()
    environment = {"PATH": os.defpath}
    done = subprocess.run(
        [sys.executable, "-m", "skewmon", "check", "--help"], env=environment, capture_output=True, check=True
    )
    assert b"Usage" in done.stdout
    assert time.monotonic() - began < 30

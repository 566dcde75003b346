"""The completion scripts are ones that their shells take, and words are offered."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from skewmon.cli.completion import SHELLS, command


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_printed(shell):
    """Each names the program and the variable by which it asks."""
    output = CliRunner().invoke(command, [shell]).output
    assert "_SKEWMON_COMPLETE" in output


def test_bash_parses_its_script(tmp_path):
    """Bash reads the script without a complaint."""
    script = tmp_path / "skewmon"
    script.write_text(CliRunner().invoke(command, ["bash"]).output)
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_words_are_offered():
    """After `skewmon wa` comes watch; after `skewmon check --out` the option."""
    for typed, position, offered in (("skewmon wa", 1, "watch"), ("skewmon check --out", 2, "--output")):
        asked = {"_SKEWMON_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(position)}
        done = subprocess.run(
            [sys.executable, "-c", "import sys; sys.argv[0] = 'skewmon'; import skewmon.__main__"],
            env={**os.environ, **asked},
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"plain,{offered}" in done.stdout

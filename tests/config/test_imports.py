"""Modules are loaded at use, so that the command line stays quick."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        ("['--help']", {"pydantic", "asyncssh", "aiohttp", "yaml", "rich", "prometheus_client"}),
        ("['config', '--help']", {"pydantic", "asyncssh", "aiohttp", "yaml"}),
        ("['config', 'check', 'config/skewmon.minimal.yml']", {"asyncssh", "aiohttp", "prometheus_client"}),
    ],
)
def test_a_command_loads_only_what_it_needs(arguments: str, unwanted: set[str]) -> None:
    """Measured in a fresh interpreter."""
    code = f"import sys; from skewmon.cli.main import run; run({arguments})"
    code += "; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not unwanted & set(done.stderr.split())
    assert done.stdout

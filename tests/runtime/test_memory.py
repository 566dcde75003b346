"""Memory that the daemon has freed goes back to the system."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from skewmon.runtime.memory import COLLECT_AFTER, COLLECT_AFTER_PER_NODE, collect_by

#: Frees one large block, as a scrape does; then holds small blocks between large ones, frees those, and
#: prints the MiB that are still resident beyond the start.
PROGRAM = """
import os, sys
from pathlib import Path
from skewmon.runtime.memory import give_back

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

if sys.argv[1] == "give back":
    give_back()
before = resident_mib()
scrape = b"x" * (16 * 2**20)
del scrape
large, small = [], []
for number in range(50):
    large.append(b"x" * (2 * 2**20 + number))
    small.append(b"x" * (1000 + number))
del large
print(resident_mib() - before)
"""

LARGE_MIB = 50 * 2


def _held_mib(mode: str) -> float:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], check=True, capture_output=True, timeout=60)
    return float(done.stdout)


def test_large_blocks_that_were_freed_go_back_to_the_system() -> None:
    assert _held_mib("as it is") > LARGE_MIB / 2, "glibc gives them back without a setting"
    assert _held_mib("give back") < LARGE_MIB / 10


@pytest.fixture
def _thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("_thresholds")
@pytest.mark.parametrize(
    ("nodes", "containers"), [(0, COLLECT_AFTER), (100, COLLECT_AFTER), (3000, 3000 * COLLECT_AFTER_PER_NODE)]
)
def test_the_more_nodes_the_seldomer_python_searches_for_cycles(nodes: int, containers: int) -> None:
    collect_by(nodes)
    assert gc.get_threshold()[0] == containers

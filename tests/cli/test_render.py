"""The table of a round in a terminal."""

import os
import subprocess
import sys
from dataclasses import replace

from rich.console import Console

from skewmon.cli import render
from skewmon.cli.render import FORESEEN_WITHIN_S
from skewmon.clock.forecast import sentence
from skewmon.errors import Reason
from skewmon.export.status import cluster_status
from skewmon.model import ClusterView, Failed, Passing, SyncStatus
from tests.alert.views import S, missing, node, view
from tests.export.samples import FORECAST

#: Prints a round with signs that ASCII lacks as a command would, from the very start of the program.
PRINT_A_ROUND = """
from skewmon.cli.main import _take_streams
from skewmon.cli.outputs import show
from tests.export.samples import jumped
_take_streams()
for output in ("table", "json", "nagios", "prometheus"):
    show(jumped(), output)
"""


def drawn(round_: ClusterView) -> str:
    """Return the round as a wide terminal shows it."""
    console = Console(width=render.PIPE_WIDTH, highlight=False)
    with console.capture() as captured:
        console.print(render.cluster(cluster_status(round_), wide=True))
    return captured.get()


def test_a_fault_of_many_nodes_is_one_line():
    """A key that cannot be used is one fault; a node with another one has a line of its own."""
    failed = Failed(Reason.KEY_UNUSABLE, "No key can be used: /key: No such file.", "Name one.")
    nodes = [replace(missing(name), outcome=failed) for name in ("a", "b", "c")]
    lines = drawn(view(*nodes, missing("d"))).splitlines()
    assert [line for line in lines if "No key can be used" in line] == [
        "  a, b, c  No key can be used: /key: No such file. Name one."
    ]
    assert "  d  It is silent. Is it up?" in lines


def test_a_node_without_a_time_daemon_has_none():
    """In words, for "none" alone could be the name of one."""
    without = node("a", timesync=SyncStatus("none"))
    assert "none runs" in drawn(view(without, node("b")))


def test_every_output_can_be_printed_in_ascii():
    """LC_ALL=C: signs that the terminal lacks are replaced, and microseconds are "us" anyway."""
    env = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", PRINT_A_ROUND], env=env, capture_output=True, check=True)
    assert done.stdout.isascii()
    assert b"us  " in done.stdout
    assert done.stderr == b""


def test_a_line_that_may_be_passed_within_a_day_is_forecast():
    """Below the table, with both ends; one further off, or passed already, has no line."""
    far = replace(FORECAST, passings=(Passing(S, 2 * FORESEEN_WITHIN_S, 3 * FORESEEN_WITHIN_S),))
    passed = replace(FORECAST, passings=(Passing(S, 0.0, 0.0),))
    shown = drawn(view(node("a", forecast=FORECAST), node("b", forecast=far), node("c", forecast=passed)))
    assert f"  a  {sentence(FORECAST)}" in shown
    assert shown.count("steers this clock") == 1

"""The README shows the program's real output and arguments."""

import shlex
from dataclasses import replace
from pathlib import Path

import click
import pytest
from rich.console import Console

from skewmon.cli import render
from skewmon.cli.main import skewmon
from skewmon.culprit.decide import decide
from skewmon.export.status import cluster_status
from skewmon.model import Interval, Verdict
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.alert.views import MS, US, S, missing, node, view

README = Path(__file__).parents[2] / "README.md"

#: The lines that are set off as input or output.
SET_OFF = [line.strip() for line in README.read_text().splitlines() if line.startswith("    ")]

TYPED = [line for line in SET_OFF if line.startswith("skewmon ")]


#: The clocks of the sample.
OFFSETS = {
    "n1": Interval.around(1 * US, 89 * US),
    "n2": Interval.around(-54 * US, 67 * US),
    "n3": Interval.around(70 * S + 52 * US, 64 * US),
    "n4": Interval.around(4_632 * US, 56 * US),
    "n5": Interval.around(-10 * MS, 26 * MS),
    "n7": Interval.around(-1 * US, 74 * US),
}

CLOCKS = {name: NodeEvidence(name, None, offset) for name, offset in OFFSETS.items()}


def drawn() -> list[str]:
    """Return the sample's round as a wide terminal shows it today."""
    nodes = [node(name, one.estimate_ns, one.bound_ns) for name, one in OFFSETS.items()]
    round_ = view(*nodes, missing("n6"), vote=decide(CLOCKS, 50 * MS), name="demo")
    console = Console(width=render.PIPE_WIDTH, highlight=False)
    with console.capture() as captured:
        status = cluster_status(replace(round_, verdict=Verdict.CRITICAL))
        console.print(render.cluster(status, wide=True))
    return [line.strip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("line", TYPED)
def test_every_command_of_the_readme_is_understood(line):
    """A copied line has no unknown command, option or value."""
    group: click.Command = skewmon
    words = shlex.split(line, comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words
    while isinstance(group, click.Group):
        context = click.Context(group)
        name, found, words = group.resolve_command(context, words)
        assert name is not None
        assert found is not None
        group = found
    assert group.make_context(line, words)


def test_the_sample_has_the_columns_that_are_printed():
    """The head of the sample is the head that the table has today."""
    head = drawn()[0].split()
    assert any(line.split() == head for line in SET_OFF)


def test_the_sample_ends_as_its_round_would_today():
    """The verdict on the clocks of the sample is word for word the one in the sample."""
    assert [line for line in drawn() if line.startswith("CRITICAL")] == [
        line for line in SET_OFF if line.startswith("CRITICAL")
    ]

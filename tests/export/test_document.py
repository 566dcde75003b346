"""The document is drawn by one sentence and in one order, in the terminal, on the page and for Nagios."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from skewmon.cli import render
from skewmon.export.document import worst_first
from skewmon.export.status import cluster_status, status
from skewmon.model import Interval, Snapshot, Verdict, Vote
from tests.export import samples
from tests.export.pages import overview
from tests.export.samples import MS, cluster_view, node, unreachable


def of(name: str, lower_ns: int, upper_ns: int) -> object:
    """Return a node whose offset lies between these ends."""
    return replace(node(name), offset=Interval(lower_ns, upper_ns))


#: The near one has the larger estimate, the far one is provably further away; the others are alike.
MIXED = cluster_view(
    (
        of("alike2", -MS, MS),
        of("wide", -MS, 99 * MS),
        unreachable("gone2"),
        of("alike1", -MS, MS),
        of("proven", 20 * MS, 30 * MS),
        unreachable("gone1"),
        of("culprit", -5 * MS, -4 * MS),
    ),
    verdict=Verdict.CRITICAL,
    vote=Vote("named", ("culprit",), "It is far from the rest."),
)

ORDER = ["culprit", "gone1", "gone2", "proven", "wide", "alike1", "alike2"]


def text(round_: Snapshot) -> str:
    """Return the output of a wide terminal."""
    console = Console(width=render.PIPE_WIDTH, highlight=False)
    with console.capture() as captured:
        render.document(status(round_), console)
    return captured.get()


def test_nodes_have_one_order_everywhere() -> None:
    """Culprits, unmeasured nodes, then by proven distance, estimate and name."""
    document = cluster_status(MIXED)
    assert [one["name"] for one in worst_first(document)] == ORDER
    page = overview(status(samples.snapshot(MIXED)))
    assert re.findall(r'<tr [^>]*data-name="(\w+)"', page) == ORDER
    rows = text(samples.snapshot(MIXED)).splitlines()[1 : 1 + len(ORDER)]
    assert [row.split()[0] for row in rows] == ORDER


#: Each place escapes foreign text in its own way.
FRIENDLY = [build for build in samples.EVERY_SAMPLE if build is not samples.hostile]


@pytest.mark.parametrize("build", FRIENDLY, ids=lambda build: build.__name__)
def test_one_sentence_and_one_spelling_of_offsets_everywhere(build: object) -> None:
    """Table, page and JSON have the same verdict in the same words, and print an offset alike."""
    round_ = build()
    terminal, page = text(round_), overview(status(round_))
    for cluster in status(round_)["clusters"]:
        assert cluster["message"].endswith(".")
        assert cluster["message"] in " ".join(terminal.split())
        assert cluster["message"] in page
    offsets = re.findall(r'class="value">([^<]+)</span> <span class="minor">(± [^<]+)<', page)
    for value, bound in offsets:
        assert re.search(rf"{re.escape(value)} +{re.escape(bound)}", terminal)
    assert len(offsets) == sum(view.measured for view in round_.clusters)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (samples.healthy, "The 3 clocks measured agree to within 117 us, below the line of 50 ms."),
        (
            samples.jumped,
            (
                "The clocks are at least 69.99 s apart: etcd3 is ahead of etcd1. "
                "etcd1 and etcd2 agree within 95 us; etcd3 is 70 s from both."
            ),
        ),
        (
            samples.silent,
            "The 2 clocks measured agree to within 95 us, below the line of 50 ms. Not measured: etcd3.",
        ),
        (
            samples.ambiguous,
            (
                "The clocks are between 0 ns and 100 ms apart, and the warning line of 50 ms lies in "
                "between: more cannot be proven over this network."
            ),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_verdict_is_one_sentence(build: object, message: str) -> None:
    """With the threshold that decides and the nodes that are missing."""
    (cluster,) = status(build())["clusters"]
    assert cluster["message"] == message


def test_a_single_node_has_no_skew() -> None:
    """The sentence has the next step."""
    assert cluster_status(cluster_view((node("a"),)))["message"].startswith("One node has no other")


def test_the_document_is_made_without_a_server() -> None:
    """``check`` loads neither aiohttp nor prometheus_client for it."""
    heavy = {"aiohttp", "prometheus_client", "pydantic", "rich"}
    code = f"import sys, skewmon.cli.outputs; print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

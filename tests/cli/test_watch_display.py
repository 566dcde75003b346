"""The rounds of `skewmon watch` in the height of a terminal: verdicts, the worst nodes, advice."""

from dataclasses import replace

import pytest
from rich.console import Console

from skewmon.cli.watch_display import drawn
from skewmon.export.document import Status
from skewmon.export.status import status
from skewmon.model import ClusterView, Finding, NodeView, Snapshot, Verdict
from tests.alert.views import S, named, node, view

WIDTH, HEIGHT = 80, 24
NEXT = "ssh n7 chronyc -n sources -v"


def lines_of(*views: ClusterView, height: int = HEIGHT) -> list[str]:
    """Return the lines that a terminal shows."""
    console = Console(width=WIDTH, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(drawn(document(*views), "", console))
    return captured.get().splitlines()


def document(*views: ClusterView) -> Status:
    return status(Snapshot(0, views))


def wrong(name: str, kind: str = "claims-sync-but-off") -> NodeView:
    """Return a node that is 70 s ahead, with a long finding and a command to type next."""
    message = "chronyd says synchronized, but the clock is at least 69.9 s ahead of the cluster's median"
    return node(name, 70 * S, findings=(Finding(kind, "critical", message, NEXT),))


def breached(count: int) -> ClusterView:
    """Return a cluster of so many nodes, of which the seventh is wrong."""
    nodes = [wrong(f"n{k}") if k == 7 else node(f"n{k}") for k in range(1, count + 1)]
    return replace(view(*nodes, vote=named("n7")), verdict=Verdict.CRITICAL)


@pytest.mark.parametrize("height", [16, 24, 50])
def test_sixty_nodes_show_the_worst_the_advice_and_every_verdict(height: int) -> None:
    """The terminal is full, no line is beyond it, and a healthy cluster gives way to a critical one."""
    healthy = view(*(node(f"h{k}") for k in range(60)), name="healthy")
    shown = lines_of(healthy, breached(60), height=height)
    assert height - 2 <= len(shown) <= height
    text = "\n".join(shown)
    assert "WRONG" in shown[1]
    assert shown[1].startswith("n7")
    assert f"      {NEXT}" in shown
    assert text.index("CRITICAL prod") < text.index("OK healthy")
    assert "Ctrl-C ends." in shown[-1]


def test_a_small_cluster_is_shown_whole() -> None:
    """Five nodes leave lines free; none of them is hidden."""
    shown = lines_of(breached(7))
    assert not [line for line in shown if "more" in line]
    assert len([line for line in shown if line.startswith("n")]) == 8  # with the head of the table


def test_a_table_that_does_not_fit_says_how_much_is_hidden() -> None:
    """Nodes and advice are counted."""
    many = replace(
        view(*(wrong(f"n{k}", "unsynchronized") for k in range(40)), *(node(f"h{k}") for k in range(41))),
        verdict=Verdict.CRITICAL,
    )
    different = replace(
        many,
        nodes=tuple(
            replace(one, findings=tuple(replace(each, message=one.name) for each in one.findings))
            for one in many.nodes
        ),
    )
    shown = "\n".join(lines_of(different))
    assert "more nodes" in shown
    assert "more lines of advice" in shown
    grouped = "\n".join(lines_of(many))
    assert "lines of advice" not in grouped
    assert "n0, n1, n10, n11, n12 and 35 more  unsynchronized" in grouped.replace("\n", " ")

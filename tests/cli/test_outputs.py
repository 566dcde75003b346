"""The Nagios line: the worst cluster first, whole names, and nothing that breaks it."""

from dataclasses import replace

import pytest

from skewmon.cli.outputs import NAGIOS_LINE, show
from skewmon.model import Snapshot, Verdict, Vote
from tests.alert.views import WALL_NS
from tests.export.samples import ambiguous, cluster_view, healthy, jumped, node, silent, snapshot


def printed(round_: Snapshot, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line that Nagios reads; nothing follows it."""
    show(round_, "nagios")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return out.rstrip("\n")


def wrong(*names: str, cluster: str = "etcd") -> Snapshot:
    """Return a critical cluster with these culprits."""
    nodes = tuple(node(name, 70 * 10**9 if name in names else 0) for name in ("n1", "n2", *names))
    vote = Vote("named", names, "They are far from the rest.")
    return snapshot(cluster_view(nodes, cluster, verdict=Verdict.CRITICAL, vote=vote))


def test_the_line_is_about_the_worst_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    """It is named in the line, and its performance data comes first."""
    line = printed(
        Snapshot(WALL_NS, (*healthy().clusters, *silent().clusters, *wrong("n9").clusters)), capsys
    )
    text, _, data = line.partition(" | ")
    assert text == "SKEW CRITICAL: etcd 69.99 s..70.01 s, 3/3 nodes, wrong: n9"
    assert data.startswith("'etcd_skew_proven'=69.999920000s;0.05;1.0;0 ")
    assert data.count("_skew_proven'") == 3


def test_exit_codes_are_those_of_nagios(capsys: pytest.CaptureFixture[str]) -> None:
    """The worst verdict decides."""
    rounds = [
        healthy(),
        jumped(),
        silent(),
        ambiguous(),
        Snapshot(WALL_NS, (*silent().clusters, *jumped().clusters)),
    ]
    assert [show(one, "nagios") for one in rounds] == [0, 2, 3, 3, 2]
    assert "SKEW UNKNOWN: far" in capsys.readouterr().out


@pytest.mark.parametrize("count", range(1, 12))
def test_no_name_is_cut(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A part of a name would be another node; culprits that do not fit are counted."""
    names = [f"etcd-{number}" for number in range(10, 10 + count)]
    text = printed(wrong(*names), capsys).partition(" | ")[0]
    assert len(text) <= NAGIOS_LINE
    shown, _, more = text.partition("wrong: ")[2].partition(" and ")
    assert shown.split(",") == names[: len(shown.split(","))]
    assert len(shown.split(",")) + int(more.split()[0] if more else 0) == count


def test_a_name_that_fills_the_line_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """The line may become longer, but it stays true."""
    text = printed(wrong("n9", cluster="c" * 100), capsys).partition(" | ")[0]
    assert f"{'c' * 100} 69.99 s..70.01 s" in text


def test_names_cannot_begin_performance_data_or_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Nagios takes everything after the first bar for data."""
    round_ = wrong("a|b\nc", cluster="d|e='1'\n")
    line = printed(round_, capsys)
    text, _, data = line.partition(" | ")
    assert "|" not in text + data
    assert "wrong: a/b\\nc" in text
    assert data.startswith("'d/e1")


def test_a_cluster_without_a_skew_has_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    """U is Nagios's unknown."""
    (view,) = silent().clusters
    line = printed(snapshot(replace(view, skew=None, worst=None)), capsys)
    assert line == "SKEW UNKNOWN: etcd-prod, 2/3 nodes, no skew known | 'etcd-prod_skew_proven'=U;0.05;1.0;0"

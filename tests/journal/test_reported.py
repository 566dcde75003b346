"""Reported outages and culprits outlive the daemon, and damage to them does not stop the next one."""

import json
from typing import Any

import pytest

from skewmon.errors import Reason
from skewmon.journal.detect import cluster_events
from skewmon.journal.reported import ReportedState
from skewmon.model import Cluster, ClusterView, Failed, Node, NodeView, Verdict, Vote


def _view(reasons: dict[str, Reason], vote: Vote | None = None) -> ClusterView:
    """Return a round of one cluster in which every node failed for its reason."""
    nodes = tuple(NodeView(name, name, Failed(why, "It failed.", "")) for name, why in reasons.items())
    cluster = Cluster("lab", tuple(Node(name, name) for name in reasons))
    return ClusterView(cluster, Verdict.UNKNOWN, 1, 0.1, nodes, None, None, vote or Vote("none"))


def _told(view: ClusterView, past: ReportedState) -> list[tuple[str, str | None]]:
    return [(event.kind, event.node) for event in cluster_events(view, past)]


def test_the_first_round_reports_only_changes_since_the_last_report() -> None:
    """Outages that began between two daemons, and culprits; earlier reports are not repeated."""
    vote = Vote("named", ("n3",), "n3 is wrong.")
    view = _view({"n1": Reason.NO_ANSWER, "n2": Reason.CONNECTION_REFUSED}, vote)
    assert _told(view, ReportedState()) == [
        ("not-measured", "n1"),
        ("not-measured", "n2"),
        ("culprits", None),
    ]
    assert _told(view, ReportedState({"n1": "no-answer"})) == [("not-measured", "n2"), ("culprits", None)]
    assert _told(view, ReportedState.of(view)) == []


def test_a_first_connection_neither_begins_nor_ends_an_outage() -> None:
    """Nothing is known yet of a node whose first connection is being made."""
    view = _view({"n1": Reason.CONNECTING})
    assert _told(view, ReportedState()) == []
    assert ReportedState.of(view).failed == {}
    down = ReportedState({"n1": "no-answer"})
    assert _told(view, down) == []
    assert ReportedState.of(view, down).failed == {"n1": "no-answer"}


def test_it_is_kept_as_json() -> None:
    """As the journal keeps states."""
    past = ReportedState({"n1": "no-answer"}, "named", ("n3",))
    assert ReportedState.from_json(json.loads(json.dumps(past.to_json()))) == past


@pytest.mark.parametrize("kept", [None, 1, [], {}, {"failed": 1, "verdict": "none", "culprits": []}])
def test_damaged_saved_state_is_ignored(kept: Any) -> None:
    """The next round then reports once more."""
    assert ReportedState.from_json(kept) is None


def test_culprits_in_another_order_are_not_a_change() -> None:
    """A live inventory lists its nodes as it likes."""
    past = ReportedState({}, "named", ("n2", "n3"))
    assert past.is_of(Vote("named", ("n3", "n2"), "Both are wrong."))
    assert not past.is_of(Vote("named", ("n3",), "One is wrong."))

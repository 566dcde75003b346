"""Findings about a cluster are logged when they appear and when they are gone, and not in between."""

from dataclasses import replace

from structlog.testing import capture_logs

from skewmon.daemon.finding_log import FindingLog
from skewmon.model import ClusterView, Finding, FindingKind
from tests.alert.views import missing, node, view

OFF = Finding(FindingKind.ADMIN_BOX_OFF, "warning", "It is 70 s ahead of n1, n2, n3.", "timedatectl")
MIXED = Finding(FindingKind.MIXED_DAEMONS, "info", "chronyd on n1; ntpd on n2, n3")


def _round(*findings: Finding, silent: int = 0) -> ClusterView:
    names = [f"n{number}" for number in range(1, 4)]
    nodes = [missing(name) if at < silent else node(name) for at, name in enumerate(names)]
    return replace(view(*nodes), findings=findings)


def _logged(*rounds: ClusterView) -> list[list[str]]:
    finding_log, lines = FindingLog(), []
    for one in rounds:
        with capture_logs() as logs:
            finding_log.take(one)
        lines.append([f"{line['log_level']} {line['event']} {line['kind']}" for line in logs])
    return lines


def test_an_admin_box_that_is_off_is_logged_once_and_again_at_its_end() -> None:
    """Not every round, and other news do not repeat it."""
    assert _logged(_round(), _round(OFF), _round(OFF, MIXED), _round(MIXED), _round(OFF)) == [
        [],
        ["warning finding admin-box-off"],
        [],
        ["info finding is gone admin-box-off"],
        ["warning finding admin-box-off"],
    ]


def test_the_line_has_the_evidence_and_the_next_command() -> None:
    """As the page and the JSON have it."""
    with capture_logs() as logs:
        FindingLog().take(_round(OFF))
    (line,) = logs
    assert (line["cluster"], line["evidence"], line["next"]) == ("prod", OFF.message, "timedatectl")


def test_a_round_that_measures_few_nodes_ends_no_finding() -> None:
    """A failure to measure is not a recovery."""
    assert _logged(_round(OFF), _round(silent=2), _round(OFF), _round(silent=1)) == [
        ["warning finding admin-box-off"],
        [],
        [],
        ["info finding is gone admin-box-off"],
    ]


def test_a_cluster_that_left_the_configuration_is_forgotten() -> None:
    """If it returns, its findings are logged again."""
    finding_log = FindingLog()
    finding_log.take(_round(OFF))
    finding_log.retain(())
    with capture_logs() as logs:
        finding_log.take(_round(OFF))
    assert len(logs) == 1

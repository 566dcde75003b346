"""The shipped Prometheus and Alertmanager files, judged by Prometheus's and Alertmanager's own tools."""

import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from skewmon.alert.alerts import NAMES, RUNBOOK_URL
from skewmon.alert.thresholds import STATES, in_force
from skewmon.cli.rules import render
from skewmon.export.rules import build_rules
from skewmon.export.rules_utc import utc_rule
from skewmon.model import Cluster, Threshold, ThresholdKind
from tests.export.samples import BY_NAME

CONFIG = Path(__file__).parents[2] / "config"
DOCS = Path(__file__).parents[2] / "docs"
RULES = CONFIG / "prometheus" / "skewmon.rules.yml"

#: A cluster with a line of every kind, and a name that has to be quoted.
EVERYTHING = Cluster(
    'o"d\\d',
    (),
    interval_s=300.0,
    thresholds=in_force(
        None,
        [
            Threshold(
                severity,
                0 if kind in STATES else 1_500_000,
                kind,
                for_s=0.0 if severity == "critical" else 90.5,
            )
            for kind in ThresholdKind
            for severity in ("warning", "critical")
        ],
    ),
)


def _rules(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in document["groups"] for rule in group["rules"]]


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a tool that must be installed and must succeed; return its output."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_shipped_rules_are_what_the_program_prints() -> None:
    """One source: `skewmon rules > config/prometheus/skewmon.rules.yml`."""
    assert RULES.read_text() == render(None)


def test_promtool_accepts_the_shipped_rules_and_their_tests_pass() -> None:
    """Check, and the unit tests of the rules."""
    assert "SUCCESS" in _run("promtool", "check", "rules", RULES)
    tests = sorted(path.name for path in RULES.parent.glob("*.test.yml"))
    assert len(tests) == 3
    for name in tests:
        assert "SUCCESS" in _run("promtool", "test", "rules", name, cwd=RULES.parent)


@pytest.mark.parametrize(("name", "for_s"), [("utc.test.yml", 0.0), ("utc-for.test.yml", 300.0)])
def test_rules_on_utc_name_a_node_or_the_whole_cluster(name: str, for_s: float, tmp_path: Path) -> None:
    """One clock off, all of them, unconfirmed UTC, no references any more, and a box that dies."""
    line = Threshold("critical", 50_000_000, ThresholdKind.UTC, for_s=for_s, clear_for_s=60.0)
    rules = {"groups": build_rules([Cluster("unused", (), thresholds=())])["groups"][:1]}
    rules["groups"].append({"name": "utc", "rules": [utc_rule(line, "")]})
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(rules))
    test = Path(__file__).with_name("promtool") / name
    (tmp_path / test.name).write_text(test.read_text())
    assert "SUCCESS" in _run("promtool", "test", "rules", test.name, cwd=tmp_path)


def test_prometheus_accepts_the_example() -> None:
    """The rules are in the same directory; nothing is scraped that may not be installed."""
    path = CONFIG / "prometheus" / "prometheus.example.yml"
    _run("promtool", "check", "config", path)
    assert [job["job_name"] for job in yaml.safe_load(path.read_text())["scrape_configs"]] == ["skewmon"]


def test_alertmanager_accepts_the_example_and_routes_by_severity() -> None:
    """Critical alerts go to the pager, all others to the team, and the watchdog to its switch."""
    path = CONFIG / "alertmanager" / "alertmanager.example.yml"
    _run("amtool", "check-config", path)
    routes = {
        ("SkewmonSkewHigh", "critical"): "pager",
        ("SkewmonSkewHigh", "warning"): "team",
        ("SkewmonWatchdog", "none"): "dead-mans-switch",
    }
    for (alert, severity), receiver in routes.items():
        routed = _run(
            *("amtool", "config", "routes", "test", f"--config.file={path}"),
            *(f"alertname={alert}", f"severity={severity}", "cluster_name=prod"),
        )
        assert routed.strip() == receiver


def test_promtool_accepts_rules_for_lines_of_every_kind(tmp_path: Path) -> None:
    """Two clusters with everything, one with an awkward name and a slow pace."""
    document = build_rules([EVERYTHING, Cluster("plain", (), thresholds=in_force(None, ()))])
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document))
    _run("promtool", "check", "rules", tmp_path / "rules.yml")
    assert {rule["alert"] for rule in _rules(document) if "alert" in rule} >= set(NAMES.values())


def test_rules_follow_the_configuration(tmp_path: Path) -> None:
    """Each cluster's lines with its own limits, times and name."""
    path = tmp_path / "skewmon.yml"
    path.write_text(
        "clusters:\n  kv:\n    nodes: [n1, n2]\n    thresholds:\n"
        "      - {severity: warning, skew: 500ms, for: 1m}\n"
    )
    found = [rule for rule in _rules(yaml.safe_load(render(str(path)))) if rule.get("labels", {}).get("kind")]
    (rule,) = found
    assert rule["expr"].startswith(
        'max without (instance) ((skewmon_skew_lower_seconds{cluster_name="kv"} or '
    )
    assert " > 0.5\n" in rule["expr"]
    assert 'max without (instance) (skewmon_skew_upper_seconds{cluster_name="kv"}) < 0.5 ' in rule["expr"]
    assert rule["for"] == "1m"
    assert rule["labels"] == {"severity": "warning", "kind": "skew", "cluster_name": "kv"}


def test_clusters_of_any_interval_share_the_rules_about_skewmon_itself() -> None:
    """The interval is a metric, so the slowest cluster does not delay the alerts of the others."""
    groups = [
        build_rules(clusters)["groups"][2] for clusters in (None, [EVERYTHING], [Cluster("fast", (), 1.0)])
    ]
    assert groups[0] == groups[1] == groups[2]


def test_a_failed_skewmon_silences_no_alert_of_another_one() -> None:
    """Every inhibition of the example compares the instance."""
    example = yaml.safe_load((CONFIG / "alertmanager" / "alertmanager.example.yml").read_text())
    assert len(example["inhibit_rules"]) > 2
    assert [rule for rule in example["inhibit_rules"] if not {"instance", "job"} <= set(rule["equal"])] == []


@pytest.mark.parametrize(
    "document", [build_rules(), build_rules([EVERYTHING])], ids=["shipped", "everything"]
)
def test_no_rule_drops_labels_of_the_target(document: dict[str, Any]) -> None:
    """An aggregation names the labels that it removes; a further label of the target would split alerts."""
    assert [rule for rule in _rules(document) if re.search(r"\bby\b", rule["expr"])] == []


@pytest.mark.parametrize(
    "document", [build_rules(), build_rules([EVERYTHING])], ids=["shipped", "everything"]
)
def test_every_query_parses_and_asks_for_metrics_that_exist(document: dict[str, Any]) -> None:
    """No rule waits for a metric that was renamed."""
    recorded = {rule["record"] for rule in _rules(document) if "record" in rule}
    for rule in _rules(document):
        promql_parser.parse(rule["expr"])
        used = set(re.findall(r"(?<![:\w])skewmon_\w+", rule["expr"].replace("cluster_name:skewmon", "")))
        asked = set(re.findall(r"cluster_name:\w+:\w+", rule["expr"]))
        assert used <= set(BY_NAME), rule
        assert asked <= recorded
        assert used or asked or 'up{job="skewmon"}' in rule["expr"], rule  # else the test looked at nothing


@pytest.mark.parametrize("rule", [rule for rule in _rules(build_rules()) if "alert" in rule], ids=str)
def test_every_alert_has_a_summary_and_a_runbook_section(rule: dict[str, Any]) -> None:
    """A sentence, a severity that routes know, and a section of the runbook that exists."""
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["labels"]["severity"] in {"warning", "critical"}
    url, anchor = rule["annotations"]["runbook_url"].split("#")
    assert url == RUNBOOK_URL
    headings = re.findall(r"^## (\S+)$", (DOCS / "runbook-alerts.md").read_text(), re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}


@pytest.mark.prove
@pytest.mark.parametrize("path", sorted(RULES.parent.glob("*.test.yml")), ids=lambda path: path.name)
def test_an_extra_label_of_the_targets_changes_no_outcome(path: Path, tmp_path: Path) -> None:
    """Every unit test of the rules passes with a label that the scrape configuration adds."""
    lines, query = [], ""
    for line in path.read_text().splitlines():
        query = line if "expr:" in line else query
        is_counted = "count" in query and "labels:" in line  # a count has no labels of its own
        lines.append(line if is_counted or "env=" in line else _labelled(line))
    (tmp_path / RULES.name).write_text(RULES.read_text())
    (tmp_path / path.name).write_text("\n".join(lines))
    assert "SUCCESS" in _run("promtool", "test", "rules", path.name, cwd=tmp_path)


def _labelled(line: str) -> str:
    """Return a line of a unit test with one more label in each input and in each expected series."""
    line = line.replace("labels: '{cluster_name", 'labels: \'{env="live", cluster_name')
    line = re.sub(r"((?:series|labels): (?:&\w+ )?'?[\w:]+)\{", r'\1{env="live", ', line)
    return line.replace("exp_labels: {", "exp_labels: {env: live, ")

"""`skewmon profiles` and `skewmon rules`, piped and read."""

import json

import pytest
import yaml
from click.testing import CliRunner

from skewmon.alert.profiles import PROFILES
from skewmon.cli import profiles, rules


def test_every_profile_is_a_line_when_piped() -> None:
    """Tabs between name, lines and consequence: made for cut and grep."""
    lines = CliRunner().invoke(profiles.command).output.splitlines()
    assert [line.split("\t")[0] for line in lines] == list(PROFILES)
    assert lines[0].split("\t")[1] == "warning: 50ms, critical: 1s"


def test_one_profile_is_shown_with_its_source() -> None:
    """The compared quantity, its lines, the damage, and the source."""
    output = CliRunner().invoke(profiles.command, ["kudu"]).output
    assert output.startswith("kudu compares: maxerror\n  critical: 20s\n  critical: unsynchronized\n")
    assert "Source:\n  docs.cloudera.com" in output


@pytest.mark.parametrize("name", [[], ["etcd"]])
def test_json_holds_seconds(name: list[str]) -> None:
    """For programs, whole or one."""
    found = json.loads(CliRunner().invoke(profiles.command, [*name, "-o", "json"]).output)
    (etcd,) = [profile for profile in found if profile["name"] == "etcd"]
    assert etcd["thresholds"][0]["limit_seconds"] == 1.0
    assert len(found) == (1 if name else len(PROFILES))


def test_a_misspelt_profile_is_corrected() -> None:
    """The nearest name is offered."""
    result = CliRunner().invoke(profiles.command, ["etdc"])
    assert "did you mean etcd?" in result.output
    assert result.exit_code != 0


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a heading, and folded to the width."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    output = CliRunner().invoke(profiles.command, color=True).output
    assert "what breaks beyond" in output
    assert "redis-sentinel" in output


def test_rules_are_yaml() -> None:
    """Three groups, and a header with a warning."""
    output = CliRunner().invoke(rules.command).output
    assert output.startswith("# Prometheus alerting and recording rules")
    assert [group["name"] for group in yaml.safe_load(output)["groups"]] == [
        "skewmon-records",
        "skewmon-clocks",
        "skewmon-itself",
    ]

"""The thresholds of ``skewmon check`` and of the daemon come out the same."""

import asyncio
from itertools import product
from pathlib import Path

import pytest

from skewmon.cli.targets import Selection, clusters_of
from skewmon.config.loader import load
from skewmon.inventory.resolve import resolve
from skewmon.model import Threshold

PROFILES = (None, "default", "cockroachdb", "couchbase", "loki")
WARNINGS = (None, "10ms", "450ms")
CRITICALS = (None, "500ms", "70s")

#: Thresholds of a configuration file; limits, a state alone, and none.
FILES = (
    "[]",
    "[{severity: warning, skew: 20ms, for: 1m}]",
    "[{severity: critical, skew: 2s}, {severity: warning, behind: 1s}]",
    "[{severity: critical, unreachable: true}]",
)


def written(profile: str | None, thresholds: str, path: Path) -> str:
    """Write a configuration with one cluster."""
    named = f"    profile: {profile}\n" if profile else ""
    path.write_text(f"clusters:\n  check:\n    nodes: [n1, n2]\n{named}    thresholds: {thresholds}\n")
    return str(path)


def options(warning: str | None, critical: str | None) -> list[str]:
    """Return ``-w`` and ``-c`` as thresholds of a file."""
    given = {"warning": warning, "critical": critical}
    return [f"{{severity: {one}, skew: {at}, clear_for: 0s}}" for one, at in given.items() if at]


def daemon(path: str) -> set[Threshold]:
    """Return the thresholds in force in a daemon with this configuration."""
    (cluster,) = asyncio.run(resolve(load(path)))
    return set(cluster.thresholds)


def check(**selection: str | None) -> set[Threshold]:
    """Return the thresholds in force in ``skewmon check`` with these options."""
    nodes = () if "config_file" in selection else ("n1", "n2")
    (cluster,) = clusters_of(Selection(nodes=nodes, **selection))  # type: ignore[arg-type] # texts alone
    return set(cluster.thresholds)


@pytest.mark.parametrize(("profile", "warning", "critical"), [*product(PROFILES, WARNINGS, CRITICALS)])
def test_options_mean_the_same_as_a_file(
    profile: str | None, warning: str | None, critical: str | None, tmp_path: Path
) -> None:
    """For nodes on the command line they are the profile and the thresholds."""
    file = written(profile, f"[{', '.join(options(warning, critical))}]", tmp_path / "skewmon.yml")
    assert check(profile=profile, warning=warning, critical=critical) == daemon(file)


@pytest.mark.parametrize(("profile", "own"), [*product(PROFILES, FILES)])
def test_check_without_options_judges_as_the_daemon_does(
    profile: str | None, own: str, tmp_path: Path
) -> None:
    """The file alone counts."""
    file = written(profile, own, tmp_path / "skewmon.yml")
    assert check(config_file=file) == daemon(file)


@pytest.mark.parametrize(
    ("profile", "own", "warning", "critical"), [*product(PROFILES, FILES, WARNINGS, CRITICALS)]
)
def test_options_over_a_file_mean_the_same_as_another_file(
    profile: str | None, own: str, warning: str | None, critical: str | None, tmp_path: Path
) -> None:
    """``-w`` and ``-c`` add to the thresholds of the file; ``--profile`` replaces them."""
    file = written("etcd", own, tmp_path / "skewmon.yml")
    if profile is None:
        expected = written("etcd", _joined(own, options(warning, critical)), tmp_path / "expected.yml")
    else:
        expected = written(profile, _joined("[]", options(warning, critical)), tmp_path / "expected.yml")
    selected = check(config_file=file, profile=profile, warning=warning, critical=critical)
    assert selected == daemon(expected)


def test_an_option_beside_the_default_profile_keeps_the_rest_of_it(tmp_path: Path) -> None:
    """The daemon would call a clock 70 s off critical, so ``check -w`` over its file must not say less."""
    file = written(None, "[]", tmp_path / "skewmon.yml")
    found = {(line.kind, line.severity): line.limit_ns for line in check(config_file=file, warning="10ms")}
    assert found["skew", "warning"] == 10_000_000
    assert found["skew", "critical"] == 1_000_000_000
    assert found["step", "warning"] == 10_000_000


def _joined(own: str, more: list[str]) -> str:
    return f"[{', '.join(filter(None, (own.strip('[]'), *more)))}]"

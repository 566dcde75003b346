"""Outward contracts may grow; a change or removal needs an entry and a reason in ``INTENDED``."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.contracts.surface import surface

#: The contracts of version 0.1.
BASELINE: dict[str, str] = json.loads(Path(__file__).with_name("baseline.json").read_text(encoding="utf-8"))

#: The contracts that differ from the baseline, each with the reason.
INTENDED: Mapping[str, str] = {
    "config.clusters[].samples": "grew by auto, the new default",
    "json.clusters[].nodes[].timesync.daemon": "grew by ntp, for nodes that are measured by NTP",
    "reason/internal": "became internal-error, as the log and docs/troubleshooting.md call it",
}


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths whose contract was removed or changed; additions do not count."""
    return (path for path, contract in before.items() if now.get(path) != contract)


def test_every_contract_of_the_baseline_holds() -> None:
    """Options, metrics, fields, kinds and exit codes that users' scripts rely on are still there."""
    now = surface()
    assert len(BASELINE) > 300
    assert sorted(differing(BASELINE, now)) == sorted(INTENDED)
    print("added:", *sorted(now.keys() - BASELINE.keys()), sep="\n  ")


@pytest.mark.parametrize(
    "kind", ["cli", "config", "json", "metric", "exit", "finding", "reason", "alert", "event"]
)
def test_each_kind_of_contract_is_compared(kind: str) -> None:
    """A surface that no longer lists one kind would make the comparison above pass or fail as a whole."""
    ours = {path for path in surface() if path.startswith((f"{kind}/", f"{kind}."))}
    theirs = {path for path in BASELINE if path.startswith((f"{kind}/", f"{kind}."))}
    assert theirs - INTENDED.keys() <= ours
    assert theirs


def test_a_removed_or_changed_contract_is_found() -> None:
    """The comparison itself: an addition passes, a removal and a change do not."""
    before = {"a": "1", "b": "2", "c": "3"}
    assert list(differing(before, {"a": "1", "b": "3", "d": "4"})) == ["b", "c"]

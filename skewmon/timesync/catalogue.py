"""Every kind of finding: how severe, and what it means; docs/runbook.md explains it. Text and data only."""

from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.model import Finding, Severity


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding; a rule may raise the severity to ``worst`` where its own evidence says so."""

    summary: str
    severity: Severity
    worst: Severity | None = None


#: The order is that in which findings are shown: what explains the most comes first.
FINDINGS: Mapping[str, Kind] = {
    "time-zone-error": Kind(
        "The clock is off by whole half hours: its hardware clock is probably kept in local time.",
        "critical",
    ),
    "time-scale-error": Kind(
        "The clock is off by the whole seconds between UTC and another time scale: TAI, or that of GPS.",
        "critical",
    ),
    "panic-threshold": Kind(
        "The clock is further off than its ntpd corrects by itself.", "warning", worst="critical"
    ),
    "claims-sync-but-off": Kind(
        "The time daemon says that it is synchronized, and the measurement proves it wrong.", "critical"
    ),
    "common-wrong-source": Kind(
        "The nodes that deviate share an upstream that the others do not use.", "critical"
    ),
    "local-island": Kind("The node follows its own oscillator and calls that synchronized.", "warning"),
    "no-time-daemon": Kind("Nothing disciplines the clock.", "warning"),
    "two-time-daemons": Kind("More than one daemon could steer the clock.", "warning"),
    "unsynchronized": Kind("The time daemon says itself that it is not synchronized.", "warning"),
    "stale-sync": Kind("The daemon says synchronized, but heard of no source for many polls.", "warning"),
    "no-reachable-source": Kind("No source answers.", "warning"),
    "falsetickers": Kind("Sources contradict each other.", "info", worst="warning"),
    "single-source": Kind("There is one source, and nothing to check it against.", "warning"),
    "few-sources": Kind("With fewer than four sources a wrong one is not reliably outvoted.", "info"),
    "frequency-limit": Kind("The oscillator drifts by more than a daemon can correct.", "warning"),
    "stepped": Kind("The wall clock jumped.", "warning"),
    "suspended": Kind("The machine was suspended.", "warning"),
    "rebooted": Kind("The machine was rebooted.", "info"),
    "slewing": Kind("The clock is being slewed.", "info"),
    "leap-smear-split": Kind("Around a leap second some nodes smear it and others do not.", "warning"),
    "no-common-reference": Kind("No two nodes share an upstream.", "info"),
    "mixed-daemons": Kind("The nodes run different time daemons.", "info"),
    "tool-failed": Kind("A time tool did not answer, or not to the end.", "info"),
    "unparsed-output": Kind("Some lines of a time tool were not understood.", "info"),
}


def finding(kind: str, message: str, command: str | None = None, *, worst: bool = False) -> Finding:
    """Return a finding with the severity of its kind."""
    known = FINDINGS[kind]
    severity = known.worst if worst and known.worst is not None else known.severity
    return Finding(kind, severity, message, command)

"""Every kind of finding: how severe, and what it means; docs/runbook.md explains it. Text and data only."""

from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.model import Finding, Severity


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One kind of finding; a rule may raise the severity to ``worst`` where its own evidence says so."""

    summary: str
    severity: Severity
    worst: Severity | None = None


#: The order is that in which findings are shown: what explains the most comes first.
FINDINGS: Mapping[str, Diagnosis] = {
    "time-zone-error": Diagnosis(
        "The clock is off by whole half hours: its hardware clock is probably kept in local time.",
        "critical",
    ),
    "time-scale-error": Diagnosis(
        "The clock is off by the whole seconds between UTC and another time scale: TAI, or that of GPS.",
        "critical",
    ),
    "panic-threshold": Diagnosis(
        "The clock is further off than its ntpd corrects by itself.", "warning", worst="critical"
    ),
    "claims-sync-but-off": Diagnosis(
        "The time daemon says that it is synchronized, and the measurement proves it wrong.", "critical"
    ),
    "common-wrong-source": Diagnosis(
        "The nodes that deviate share an upstream that the others do not use.", "critical"
    ),
    "local-island": Diagnosis("The node follows its own oscillator and calls that synchronized.", "warning"),
    "no-time-daemon": Diagnosis("Nothing disciplines the clock.", "warning"),
    "two-time-daemons": Diagnosis("More than one daemon could steer the clock.", "warning"),
    "unsynchronized": Diagnosis("The time daemon says itself that it is not synchronized.", "warning"),
    "stale-sync": Diagnosis(
        "The daemon says synchronized, but heard of no source for many polls.", "warning"
    ),
    "no-reachable-source": Diagnosis("No source answers.", "warning"),
    "falsetickers": Diagnosis("Sources contradict each other.", "info", worst="warning"),
    "single-source": Diagnosis("There is one source, and nothing to check it against.", "warning"),
    "few-sources": Diagnosis("With fewer than four sources a wrong one is not reliably outvoted.", "info"),
    "frequency-limit": Diagnosis("The oscillator drifts by more than a daemon can correct.", "warning"),
    "stepped": Diagnosis("The wall clock jumped.", "warning"),
    "suspended": Diagnosis("The machine was suspended.", "warning"),
    "rebooted": Diagnosis("The machine was rebooted.", "info"),
    "slewing": Diagnosis("The clock is being slewed.", "info"),
    "boot-id-shared": Diagnosis("Nodes show one boot id, and their clocks are apart.", "warning"),
    "leap-smear-split": Diagnosis("Around a leap second some nodes smear it and others do not.", "warning"),
    "no-common-reference": Diagnosis("No two nodes share an upstream.", "info"),
    "mixed-daemons": Diagnosis("The nodes run different time daemons.", "info"),
    "tool-failed": Diagnosis("A time tool did not answer, or not to the end.", "info"),
    "unparsed-output": Diagnosis("Some lines of a time tool were not understood.", "info"),
}


def finding(kind: str, message: str, command: str | None = None, *, worst: bool = False) -> Finding:
    """Return a finding with the severity of its kind."""
    known = FINDINGS[kind]
    severity = known.worst if worst and known.worst is not None else known.severity
    return Finding(kind, severity, message, command)

"""Every kind of finding with its severity and meaning; docs/runbook.md explains it. Text and data only."""

from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.model import Finding, FindingKind, Severity


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One kind of finding; a rule may raise the severity to ``worst`` by its own evidence."""

    summary: str
    severity: Severity
    worst: Severity | None = None


#: Findings are shown in this order: those that explain the most come first.
FINDINGS: Mapping[FindingKind, Diagnosis] = {
    FindingKind.TIME_ZONE_ERROR: Diagnosis(
        "The clock is off by whole half hours: its hardware clock is probably kept in local time.",
        "critical",
    ),
    FindingKind.TIME_SCALE_ERROR: Diagnosis(
        "The clock is off by the whole seconds between UTC and another time scale: TAI, or that of GPS.",
        "critical",
    ),
    FindingKind.GPS_WEEK_ROLLOVER: Diagnosis(
        "The clock is off by 1,024 weeks or a multiple: a GPS receiver lost count of its weeks.", "critical"
    ),
    FindingKind.WRONG_DATE: Diagnosis("The clock is a day or more off.", "critical"),
    FindingKind.PANIC_THRESHOLD: Diagnosis(
        "The clock is further off than its ntpd corrects by itself.", "warning", worst="critical"
    ),
    FindingKind.CLAIMS_SYNC_BUT_OFF: Diagnosis(
        "The time daemon claims to be synchronized, and the measurement proves it wrong.", "critical"
    ),
    FindingKind.COMMON_WRONG_SOURCE: Diagnosis(
        "The nodes that deviate share an upstream that the others do not use.", "critical"
    ),
    FindingKind.CLUSTER_OFF_UTC: Diagnosis(
        "All clocks of the cluster are proven to be off UTC, on one side of it.", "critical"
    ),
    FindingKind.LOCAL_ISLAND: Diagnosis(
        "The node follows its own oscillator and calls that synchronized.", "warning"
    ),
    FindingKind.NO_TIME_DAEMON: Diagnosis("Nothing disciplines the clock.", "warning"),
    FindingKind.TWO_TIME_DAEMONS: Diagnosis("More than one daemon could steer the clock.", "warning"),
    FindingKind.CORRECTS_SLOWLY: Diagnosis(
        "chronyd reports its own clock far off, and slews it instead of stepping.", "warning"
    ),
    FindingKind.UNSYNCHRONIZED: Diagnosis("The time daemon reports that it is not synchronized.", "warning"),
    FindingKind.STALE_SYNC: Diagnosis(
        "The daemon claims to be synchronized, but has not heard from a source for many polls.", "warning"
    ),
    FindingKind.NO_REACHABLE_SOURCE: Diagnosis("No source answers.", "warning"),
    FindingKind.FALSETICKERS: Diagnosis("Sources contradict each other.", "info", worst="warning"),
    FindingKind.SINGLE_SOURCE: Diagnosis("There is one source, and nothing to check it against.", "warning"),
    FindingKind.FEW_SOURCES: Diagnosis(
        "With fewer than four sources a wrong one is not reliably outvoted.", "info"
    ),
    FindingKind.FREQUENCY_LIMIT: Diagnosis(
        "The oscillator drifts by more than a daemon can correct.", "warning"
    ),
    FindingKind.OSCILLATOR_OFF: Diagnosis(
        "The oscillator is proven to run more than 100 ppm fast or slow.", "warning"
    ),
    FindingKind.VANTAGE_CONTRADICTION: Diagnosis(
        "The stamps of the vantage for this node contradict its other stamps, and are not used.", "warning"
    ),
    FindingKind.VANTAGE_UNAVAILABLE: Diagnosis(
        "The node is measured over the whole path, because its vantage runs no relay.", "warning"
    ),
    FindingKind.STEPPED: Diagnosis("The wall clock jumped.", "warning"),
    FindingKind.SUSPENDED: Diagnosis("The machine was suspended.", "warning"),
    FindingKind.REBOOTED: Diagnosis("The machine was rebooted.", "info"),
    FindingKind.SLEWING: Diagnosis("The clock is being slewed.", "info"),
    FindingKind.ADMIN_BOX_OFF: Diagnosis(
        "The clock of the admin box is provably apart from most nodes.", "warning"
    ),
    FindingKind.UTC_UNCONFIRMED: Diagnosis(
        "References are configured, but do not confirm UTC: nothing is judged against it.", "warning"
    ),
    FindingKind.REFERENCE_FALSETICKER: Diagnosis(
        "A reference contradicts the majority of the references.", "warning"
    ),
    FindingKind.REFERENCE_EARLY_LEAP: Diagnosis(
        "A reference announces a leap second while none can be near.", "info"
    ),
    FindingKind.BOOT_ID_SHARED: Diagnosis("Nodes show one boot id, and their clocks are apart.", "warning"),
    FindingKind.LEAP_SMEAR_SPLIT: Diagnosis(
        "Around a leap second some nodes smear it and others do not.", "warning"
    ),
    FindingKind.NO_COMMON_REFERENCE: Diagnosis("No two nodes share an upstream.", "info"),
    FindingKind.MIXED_DAEMONS: Diagnosis("The nodes run different time daemons.", "info"),
    FindingKind.TOOL_FAILED: Diagnosis("A time tool did not answer, or not to the end.", "info"),
    FindingKind.UNPARSED_OUTPUT: Diagnosis("Some lines of a time tool were not understood.", "info"),
    FindingKind.INVENTORY_UNREADABLE: Diagnosis(
        "A live inventory cannot be read, and its last answer counts.", "warning"
    ),
    FindingKind.INVENTORY_ENTRY_REJECTED: Diagnosis(
        "A live inventory has entries that cannot be nodes, so they are not measured.", "warning"
    ),
}


def finding(kind: FindingKind, message: str, command: str | None = None, *, worst: bool = False) -> Finding:
    """Return a finding with the severity of its kind."""
    known = FINDINGS[kind]
    severity = known.worst if worst and known.worst is not None else known.severity
    return Finding(kind, severity, message, command)

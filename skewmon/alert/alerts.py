"""What an alert is: its identity, what was seen of it, and how it changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from skewmon.model import Threshold, ThresholdKind

#: Where each alert's section of the runbook is; the anchor is the alert's name in lower case.
RUNBOOK_URL = "https://github.com/skewmon/skewmon/blob/main/docs/runbook-alerts.md"

#: The name of the alert that a line of each kind raises.
NAMES: Mapping[ThresholdKind, str] = {
    ThresholdKind.SKEW: "SkewmonSkewHigh",
    ThresholdKind.AHEAD: "SkewmonSkewHigh",
    ThresholdKind.BEHIND: "SkewmonSkewHigh",
    ThresholdKind.DRIFT: "SkewmonSkewHigh",
    ThresholdKind.STEP: "SkewmonClockStepped",
    ThresholdKind.UNSYNCHRONIZED: "SkewmonTimeSyncBroken",
    ThresholdKind.UNREACHABLE: "SkewmonNodeUnreachable",
    ThresholdKind.UNKNOWN: "SkewmonSkewUnknown",
}


Severity = Literal["warning", "critical"]

#: The alert that always fires while skewmon measures, for a dead man's switch; it has no condition.
WATCHDOG = "SkewmonWatchdog"


@dataclass(frozen=True, slots=True)
class Key:
    """The identity of an alert; never changes while it lives. ``node`` is None where nobody can be blamed."""

    cluster: str
    kind: ThresholdKind
    severity: Severity
    node: str | None = None

    @property
    def name(self) -> str:
        """The alert's name."""
        return NAMES[self.kind]

    @property
    def labels(self) -> dict[str, str]:
        """The identity as labels; no label holds a value that changes."""
        labels = {
            "alertname": self.name,
            "cluster_name": self.cluster,
            "severity": self.severity,
            "kind": self.kind,
        }
        return labels if self.node is None else {**labels, "node": self.node}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fires or has ended; ``description`` has the numbers, ``next`` the command to type."""

    key: Key
    started_wall_ns: int
    ended_wall_ns: int | None = None
    summary: str = ""
    description: str = ""
    next: str = ""

    @property
    def firing(self) -> bool:
        """Whether the alert still fires."""
        return self.ended_wall_ns is None


class Sight(StrEnum):
    """What one round shows of one alert's condition."""

    PROVEN = "proven"  # beyond the line, and this alert's node is to blame
    SHARED = "shared"  # beyond the line, but the blame lies elsewhere or with nobody
    CLEAR = "clear"  # proven to be within the line
    AMBIGUOUS = "ambiguous"  # the line lies inside the interval
    UNKNOWN = "unknown"  # no data


@dataclass(frozen=True, slots=True)
class ConditionSample:
    """One round's sight of one alert's condition, with the words to tell it."""

    key: Key
    line: Threshold
    sight: Sight
    summary: str = ""
    description: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one round shows of one cluster."""

    cluster: str
    at_wall_ns: int
    readings: tuple[ConditionSample, ...]


class Cause(StrEnum):
    """Why an alert began or ended to fire."""

    PROVEN_FOR = "proven-for"  # proven for as long as the line asks
    PROVEN_AGAIN = "proven-again"  # the same, soon after it had ended: it flaps
    CLEAR_FOR = "clear-for"  # proven to be within the line for as long as the line asks
    SUPERSEDED = "superseded"  # an alert that names the node has taken over
    WITHDRAWN = "withdrawn"  # the cluster, the node, the line or all its pairs are no longer configured


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert that began to fire or ended, and why."""

    cause: Cause
    alert: Alert

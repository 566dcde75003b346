"""An alert: its identity, the samples of its condition, and its transitions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal, NamedTuple

from skewmon.model import Threshold, ThresholdKind

#: The runbook has a section for each alert; the anchor is the alert's name in lower case.
RUNBOOK_URL = "https://github.com/skewmon/skewmon/blob/main/docs/runbook-alerts.md"

#: The name of the alert that a threshold of each kind raises.
NAMES: Mapping[ThresholdKind, str] = {
    ThresholdKind.SKEW: "SkewmonSkewHigh",
    ThresholdKind.AHEAD: "SkewmonSkewHigh",
    ThresholdKind.BEHIND: "SkewmonSkewHigh",
    ThresholdKind.DRIFT: "SkewmonSkewHigh",
    ThresholdKind.STEP: "SkewmonClockStepped",
    ThresholdKind.UTC: "SkewmonUtcDivergence",
    ThresholdKind.UNSYNCHRONIZED: "SkewmonTimeSyncBroken",
    ThresholdKind.UNREACHABLE: "SkewmonNodeUnreachable",
    ThresholdKind.UNKNOWN: "SkewmonSkewUnknown",
}

Severity = Literal["warning", "critical"]

#: The alert that always fires while skewmon measures, for a dead man's switch; it has no condition.
WATCHDOG = "SkewmonWatchdog"


@dataclass(frozen=True, slots=True)
class Key:
    """The identity of an alert, fixed while it lives. ``node`` is None if no single node is to blame."""

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


class Texts(NamedTuple):
    """The texts of an alert: ``description`` has the numbers, ``next`` the command to run."""

    summary: str = ""
    description: str = ""
    next: str = ""


#: Builds the texts of one round. They change each round, and are needed when an alert changes or is sent.
Describe = Callable[[], Texts]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that fires or has ended; the texts are those of ``Texts``."""

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

    def described(self, describe: Describe | None) -> "Alert":
        """Return the alert with new texts, or with those it has if there are none."""
        return self if describe is None else replace(self, **describe()._asdict())


class ConditionState(StrEnum):
    """The state of one alert's condition in one round."""

    PROVEN = "proven"  # beyond the line, and this alert's node is to blame
    SHARED = "shared"  # beyond the line, but another node or no single node is to blame
    CLEAR = "clear"  # proven to be within the line
    AMBIGUOUS = "ambiguous"  # the line lies inside the interval
    UNKNOWN = "unknown"  # no data


#: The states that prove a breach of the line, whichever node is to blame.
BEYOND = frozenset({ConditionState.PROVEN, ConditionState.SHARED})


@dataclass(frozen=True, slots=True)
class ConditionSample:
    """The state of one alert's condition in one round; one beyond its line can be described."""

    key: Key
    line: Threshold
    condition: ConditionState
    describe: Describe | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """The samples of the conditions of one cluster in one round."""

    cluster: str
    at_wall_ns: int
    samples: tuple[ConditionSample, ...]


class Cause(StrEnum):
    """The reason why an alert started or ended."""

    PROVEN_FOR = "proven-for"  # proven for as long as the line requires
    PROVEN_AGAIN = "proven-again"  # the same, soon after it had ended: it flaps
    CLEAR_FOR = "clear-for"  # proven to be within the line for as long as the line requires
    SUPERSEDED = "superseded"  # replaced by an alert that names the node
    WITHDRAWN = "withdrawn"  # cluster, node, line, references or all its pairs are no longer configured


@dataclass(frozen=True, slots=True)
class Transition:
    """An alert that started or ended, and the cause."""

    cause: Cause
    alert: Alert

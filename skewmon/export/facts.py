"""What the daemon knows about itself: published beside the snapshot, and frozen like it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """One alert that fires now; ``node`` is empty where the culprit is undetermined."""

    cluster_name: str
    alert: str
    severity: str
    node: str = ""


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """The daemon's own counters at the moment of one snapshot; a one-shot check has none, hence the defaults.

    Counters count since the start of the process.
    """

    reload_successful: bool = True
    reload_success_wall_ns: int | None = None
    notifications: Mapping[str, int] = field(default_factory=dict)  # by notifier, failed ones included
    notification_failures: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by notifier, reason
    firing: tuple[FiringAlert, ...] = ()
    history_resets: Mapping[str, int] = field(default_factory=dict)  # by reason
    self_check_failures: Mapping[str, int] = field(default_factory=dict)  # by check

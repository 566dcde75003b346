"""What the daemon knows about itself: published beside the snapshot, and frozen like it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from skewmon.alert.alerts import Key


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """The daemon's own counters at the moment of one snapshot; a one-shot check has none, hence the defaults.

    Counters count since the start of the process.
    """

    reload_successful: bool = True
    reload_success_wall_ns: int | None = None
    notifications: Mapping[str, int] = field(default_factory=dict)  # by notifier, failed ones included
    notification_failures: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by notifier, reason
    firing: tuple[Key, ...] = ()
    history_resets: Mapping[str, int] = field(default_factory=dict)  # by reason
    loop_lag_s: float = 0.0
    journal_healthy: bool | None = None  # None where there is no journal
    journal_held_up: int | None = None
    journal_given_up: int | None = None
    journal_restarted: int | None = None
    self_check_failures: Mapping[str, int] = field(default_factory=dict)  # by check
    internal_errors: Mapping[str, int] = field(default_factory=dict)  # by the edge that contained them

"""Claims of a node's time daemons, and findings."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Severity = Literal["info", "warning", "critical"]

#: ``ntp`` is a server of which only its replies are known.
DaemonName = Literal[
    "ntpd", "ntpsec", "chronyd", "timesyncd", "openntpd", "ntpd-rs", "ntp", "none", "unknown"
]


@dataclass(frozen=True, slots=True)
class Peer:
    """One source as the time daemon sees it; None is missing, never 0.

    ``state`` is the word for the tally code: system, pps, candidate, outlier, falseticker, backup, excess,
    rejected, unreachable, selectable, variable, unknown. ``offset_s`` is positive if the *node's* clock is
    ahead of the source.
    """

    name: str
    state: str
    refid: str | None = None
    stratum: int | None = None
    kind: str | None = None
    last_heard_s: float | None = None
    poll_s: float | None = None
    reach: int | None = None
    delay_s: float | None = None
    offset_s: float | None = None
    jitter_s: float | None = None
    tally: str = ""


@dataclass(frozen=True, slots=True)
class KernelClock:
    """The node's kernel about its own discipline (adjtimex); None is "not reported".

    ``offset_s`` and ``frequency_ppm`` keep the signs of SyncStatus.
    """

    synchronized: bool | None = None
    max_error_s: float | None = None
    offset_s: float | None = None
    frequency_ppm: float | None = None
    leap: str | None = None
    tai_s: int | None = None


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """The claims of one node's time daemon; None is "not reported".

    ``offset_s`` is positive if the node's clock is *ahead* of true time as the daemon estimates it.
    ``root_distance_s`` is the daemon's own bound of its error: root delay / 2 + root dispersion.
    ``frequency_ppm`` is positive if the clock would run *fast* without correction.
    ``leap`` is the word for the leap indicator: none, insert, delete, unsynchronized.
    ``reach`` is the reachability register (0 to 255) of the selected source.
    """

    daemon: DaemonName
    synchronized: bool | None = None
    stratum: int | None = None
    source: str | None = None
    refid: str | None = None
    offset_s: float | None = None
    root_distance_s: float | None = None
    reach: int | None = None
    last_update_s: float | None = None
    poll_s: float | None = None
    leap: str | None = None
    frequency_ppm: float | None = None
    updated_wall_s: float | None = None  # the last update by the node's own clock, Unix seconds
    smear_s: float | None = None  # a leap smear that the daemon applies on purpose
    rtc_local: bool | None = None  # the hardware clock is kept in local time
    version: str | None = None
    kernel: KernelClock | None = None
    peers: tuple[Peer, ...] = ()
    unparsed: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()  # values kept although outside a sane range, named
    failures: tuple[str, ...] = ()  # tools that timed out, flooded or refused, named
    daemons: tuple[
        str, ...
    ] = ()  # every daemon that runs (busybox's too) but those that leave the clock alone


class FindingKind(StrEnum):
    """Every kind of finding; timesync/findings/catalogue.py explains each."""

    TIME_ZONE_ERROR = "time-zone-error"
    TIME_SCALE_ERROR = "time-scale-error"
    GPS_WEEK_ROLLOVER = "gps-week-rollover"
    WRONG_DATE = "wrong-date"
    PANIC_THRESHOLD = "panic-threshold"
    CLAIMS_SYNC_BUT_OFF = "claims-sync-but-off"
    COMMON_WRONG_SOURCE = "common-wrong-source"
    LOCAL_ISLAND = "local-island"
    NO_TIME_DAEMON = "no-time-daemon"
    TWO_TIME_DAEMONS = "two-time-daemons"
    CORRECTS_SLOWLY = "corrects-slowly"
    UNSYNCHRONIZED = "unsynchronized"
    STALE_SYNC = "stale-sync"
    NO_REACHABLE_SOURCE = "no-reachable-source"
    FALSETICKERS = "falsetickers"
    SINGLE_SOURCE = "single-source"
    FEW_SOURCES = "few-sources"
    FREQUENCY_LIMIT = "frequency-limit"
    OSCILLATOR_OFF = "oscillator-off"
    VANTAGE_CONTRADICTION = "vantage-contradiction"
    VANTAGE_UNAVAILABLE = "vantage-unavailable"
    STEPPED = "stepped"
    SUSPENDED = "suspended"
    REBOOTED = "rebooted"
    SLEWING = "slewing"
    ADMIN_BOX_OFF = "admin-box-off"
    CLUSTER_OFF_UTC = "cluster-off-utc"
    UTC_UNCONFIRMED = "utc-unconfirmed"
    REFERENCE_FALSETICKER = "reference-falseticker"
    REFERENCE_EARLY_LEAP = "reference-early-leap"
    BOOT_ID_SHARED = "boot-id-shared"
    LEAP_SMEAR_SPLIT = "leap-smear-split"
    NO_COMMON_REFERENCE = "no-common-reference"
    MIXED_DAEMONS = "mixed-daemons"
    TOOL_FAILED = "tool-failed"
    UNPARSED_OUTPUT = "unparsed-output"
    INVENTORY_UNREADABLE = "inventory-unreadable"
    INVENTORY_ENTRY_REJECTED = "inventory-entry-rejected"


@dataclass(frozen=True, slots=True)
class Finding:
    """A named diagnosis with its evidence in one sentence and the next command to type."""

    kind: FindingKind
    severity: Severity
    message: str
    next: str | None = None

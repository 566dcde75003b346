"""The nouns that travel from stage to stage; every one a frozen value.

Instants and clock readings are integer nanoseconds. ``at_ns`` and every other instant of the admin box is
CLOCK_MONOTONIC_RAW, the common *base*; wall-clock times are named ``…_wall_ns`` and serve only as labels.
"""

from skewmon.errors import Failed
from skewmon.model.axes import BASE, AxisOffset, VantageView
from skewmon.model.events import Event, EventKind, EventQuery
from skewmon.model.exchange import (
    Burst,
    Estimate,
    Exchange,
    Measured,
    Outcome,
    Program,
    Quantum,
    VantageReading,
    VantageStamps,
)
from skewmon.model.interval import NS_PER_S, Interval
from skewmon.model.nodes import (
    Cluster,
    Endpoint,
    Inventory,
    Node,
    RejectedEntry,
    SshSettings,
    Threshold,
    ThresholdKind,
)
from skewmon.model.references import (
    NO_UTC,
    ReferenceFault,
    ReferenceView,
    TimeServer,
    Utc,
    UtcReason,
    UtcState,
)
from skewmon.model.timesync import DaemonName, Finding, FindingKind, KernelClock, Peer, Severity, SyncStatus
from skewmon.model.views import (
    ClusterView,
    CulpritVerdict,
    Discipline,
    Drift,
    Forecast,
    NodeView,
    OscillatorRate,
    Pair,
    PairVerdict,
    Passing,
    Skew,
    Snapshot,
    Verdict,
    Vote,
)

__all__ = [
    "BASE",
    "NO_UTC",
    "NS_PER_S",
    "AxisOffset",
    "Burst",
    "Cluster",
    "ClusterView",
    "CulpritVerdict",
    "DaemonName",
    "Discipline",
    "Drift",
    "Endpoint",
    "Estimate",
    "Event",
    "EventKind",
    "EventQuery",
    "Exchange",
    "Failed",
    "Finding",
    "FindingKind",
    "Forecast",
    "Interval",
    "Inventory",
    "KernelClock",
    "Measured",
    "Node",
    "NodeView",
    "OscillatorRate",
    "Outcome",
    "Pair",
    "PairVerdict",
    "Passing",
    "Peer",
    "Program",
    "Quantum",
    "ReferenceFault",
    "ReferenceView",
    "RejectedEntry",
    "Severity",
    "Skew",
    "Snapshot",
    "SshSettings",
    "SyncStatus",
    "Threshold",
    "ThresholdKind",
    "TimeServer",
    "Utc",
    "UtcReason",
    "UtcState",
    "VantageReading",
    "VantageStamps",
    "VantageView",
    "Verdict",
    "Vote",
]

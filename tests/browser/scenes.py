"""Rounds for the page: clusters in camps, large ones, and an hour of the record, all at the present time."""

import time
from collections.abc import Iterator
from dataclasses import replace

from skewmon.model import NS_PER_S, Event, EventKind, NodeView, Snapshot, Verdict, Vote
from tests.export import samples

MINUTE_NS = 60 * NS_PER_S


def at(snapshot: Snapshot, wall_ns: int | None = None) -> Snapshot:
    """Return the round at another instant, by default now."""
    wall_ns = time.time_ns() if wall_ns is None else wall_ns
    views = (replace(view, at_wall_ns=wall_ns, at_ns=wall_ns) for view in snapshot.clusters)
    return replace(snapshot, wall_ns=wall_ns, clusters=tuple(views))


def camps(count: int = 24, shift_ns: int = 0) -> Snapshot:
    """Return a cluster in three camps, of which every seventh clock has wide bounds and one is silent."""
    nodes = [_camper(number, shift_ns) for number in range(count)]
    nodes[5] = samples.unreachable(nodes[5].name)
    vote = Vote("undetermined", (), "Three camps disagree.")
    return at(samples.snapshot(samples.cluster_view(tuple(nodes), "camps", Verdict.CRITICAL, vote)))


def _camper(number: int, shift_ns: int) -> NodeView:
    camp_ns = 0 if number % 4 else 400 * samples.MS if number % 8 else samples.JUMP_NS
    noise_ns = (number * 7_919) % 901 * samples.US
    bound_ns = 40 * samples.US if number % 7 else 60 * samples.MS
    return samples.node(f"n{number:03}", camp_ns + noise_ns + shift_ns, bound_ns)


def healthy(count: int, shift_ns: int = 0) -> Snapshot:
    """Return a cluster of clocks that agree within a millisecond."""
    nodes = (
        samples.node(f"node{number:04}", (number * 7_919 + shift_ns) % 901 * samples.US)
        for number in range(count)
    )
    return at(samples.snapshot(samples.cluster_view(tuple(nodes), "prod")))


def hour() -> Iterator[Snapshot]:
    """Yield an hour of rounds: etcd3 drifts, falls silent for ten minutes, and has jumped at the end."""
    now_ns = time.time_ns()
    for minute in range(60, 0, -1):
        jumped = minute <= 12
        silent = 30 < minute <= 40
        drift_ns = (60 - minute) * 500 * samples.US
        snapshot = samples.silent() if silent else samples.jumped(samples.JUMP_NS if jumped else drift_ns)
        yield at(snapshot, now_ns - minute * MINUTE_NS)


def story() -> list[Event]:
    """Return the events of that hour, oldest first."""
    now_ns = time.time_ns()

    def event(minute: int, kind: EventKind, message: str, node: str | None = None, **detail: object) -> Event:
        cluster = None if kind in (EventKind.STARTED, EventKind.RELOADED) else "etcd-prod"
        return Event(now_ns - minute * MINUTE_NS, kind, message, cluster, node, detail)

    alert = {"alert": "SkewmonSkewHigh", "severity": "critical"}
    return [
        event(300, EventKind.STARTED, "skewmon was started."),
        event(240, EventKind.ALERT_FIRING, "SkewmonSkewHigh (critical) fires.", "etcd1", **alert),
        event(200, EventKind.ALERT_RESOLVED, "SkewmonSkewHigh (critical) has ended.", "etcd1", **alert),
        event(120, EventKind.RELOADED, "The configuration was reloaded."),
        event(40, EventKind.NOT_MEASURED, "etcd3 is not measured.", samples.JUMPED, reason="no-answer"),
        event(30, EventKind.MEASURED_AGAIN, "etcd3 is measured again.", samples.JUMPED),
        event(12, EventKind.STEP, "The clock of etcd3 jumped forward by 70 s.", samples.JUMPED, seconds=70.0),
        event(
            12,
            EventKind.CULPRITS,
            "etcd3 is 70 s from both.",
            verdict="named",
            culprits=[samples.JUMPED],
        ),
        event(11, EventKind.ALERT_FIRING, "SkewmonSkewHigh (critical) fires.", samples.JUMPED, **alert),
    ]

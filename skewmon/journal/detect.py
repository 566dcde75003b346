"""Changes from one round to the next, as events for the journal."""

from collections.abc import Iterable, Iterator

from skewmon.alert.alerts import Cause, Transition
from skewmon.clock.steps import UNWATCHED_NS, Movement, MovementKind
from skewmon.journal.reported import ReportedState, failed_for
from skewmon.model import NS_PER_S, ClusterView, Endpoint, Event, EventKind, Failed, Interval, NodeView
from skewmon.monitor.round import NodeMovements, Round
from skewmon.text import rfc3339, span

#: The events of clock movements; slews are routine and not recorded.
CLOCK_EVENTS = {
    MovementKind.STEP: EventKind.STEP,
    MovementKind.MOVED: EventKind.STEP,
    MovementKind.LEAP: EventKind.LEAP_SECOND,
    MovementKind.SUSPEND: EventKind.SUSPEND,
    MovementKind.REBOOT: EventKind.REBOOT,
    MovementKind.JUMP: EventKind.OSCILLATOR_JUMP,
}


def clock_events(round_: Round) -> Iterator[Event]:
    """Yield the admin box's pause, then one event for each movement of a node's clocks.

    A node of several clusters moved once: the event is of the first of them.
    """
    if round_.base_pause is not None:
        yield Event(
            round_.at_wall_ns,
            EventKind.ADMIN_BOX_PAUSED,
            f"The admin box stood still for {span(round_.base_pause.estimate_ns)}: "
            "every node's clock seemed to leap ahead by as much, and none of them did.",
            detail=_size(round_.base_pause),
        )
    if round_.base_jump is not None:
        yield Event(
            round_.at_wall_ns,
            EventKind.OSCILLATOR_JUMP,
            _jump_sentence("the admin box", round_.base_jump.estimate_ns),
            detail=_size(round_.base_jump),
        )
    reported = set[Endpoint]()
    for view in round_.views if round_.movements else ():
        for node in view.cluster.nodes:
            endpoint = node.endpoint
            if endpoint in round_.movements and endpoint not in reported:
                reported.add(endpoint)
                yield from _movement_events(view, node.name, round_.movements[endpoint])


def cluster_events(view: ClusterView, reported: ReportedState) -> Iterator[Event]:
    """Yield the changes of a cluster's outages and culprits against those reported last."""
    for node in view.nodes:
        yield from _outage(view, node, reported.failed.get(node.name))
    if not reported.is_of(view.vote):
        yield _culprits(view)


def alert_events(transitions: Iterable[Transition]) -> Iterator[Event]:
    """Yield the alerts that began or ended."""
    for transition in transitions:
        alert = transition.alert
        withdrawn = transition.cause is Cause.WITHDRAWN
        ended = f"has ended{', for the configuration changed' if withdrawn else ''}"
        yield Event(
            alert.started_wall_ns if alert.firing or alert.ended_wall_ns is None else alert.ended_wall_ns,
            EventKind.ALERT_FIRING if alert.firing else EventKind.ALERT_RESOLVED,
            f"{alert.key.name} ({alert.key.severity}) {'fires' if alert.firing else ended}: {alert.summary}",
            alert.key.cluster,
            alert.key.node,
            {"alert": alert.key.name, "severity": alert.key.severity, "cause": str(transition.cause)},
        )


def _movement_events(view: ClusterView, name: str, moved: NodeMovements) -> Iterator[Event]:
    since_ns = moved.unwatched_since_wall_ns
    for movement in moved.movements:
        if movement.kind not in CLOCK_EVENTS:
            continue
        sentence, detail = _clock_sentence(name, movement), dict[str, object](_size(movement.size))
        if since_ns is not None and movement.after_ns == UNWATCHED_NS:
            since, until = rfc3339(since_ns), rfc3339(view.at_wall_ns)
            sentence = f"{sentence[:-1]} while skewmon was not watching, between {since} and {until}."
            detail |= {"since": since, "until": until}
        if len(moved.clusters) > 1:
            detail["clusters"] = list(moved.clusters)
        yield Event(view.at_wall_ns, CLOCK_EVENTS[movement.kind], sentence, view.name, name, detail)


def _clock_sentence(name: str, movement: Movement) -> str:
    if movement.kind is MovementKind.REBOOT:
        return f"{name} was rebooted."
    size = movement.size.estimate_ns if movement.size else 0
    if movement.kind is MovementKind.SUSPEND:
        return f"{name} slept for {span(size)}."
    if movement.kind is MovementKind.LEAP:
        return f"{name} applied a leap second."
    if movement.kind is MovementKind.JUMP:
        return _jump_sentence(name, size)
    return f"The clock of {name} jumped {'forward' if size > 0 else 'back'} by {span(abs(size))}."


def _jump_sentence(name: str, size_ns: int) -> str:
    moved = f", by {span(abs(size_ns))} {'forward' if size_ns > 0 else 'back'}" if size_ns else ""
    return (
        f"The oscillator of {name} left its course{moved}: its rate changed, or the machine was paused "
        "or migrated."
    )


def _size(size: Interval | None) -> dict[str, float]:
    if size is None:
        return {}
    return {
        "seconds": size.estimate_ns / NS_PER_S,
        "lower": size.lower_ns / NS_PER_S,
        "upper": size.upper_ns / NS_PER_S,
    }


def _outage(view: ClusterView, node: NodeView, known: str | None) -> Iterator[Event]:
    reason = failed_for(node, known)
    if reason == known:
        return
    if isinstance(node.outcome, Failed):
        yield Event(
            view.at_wall_ns,
            EventKind.NOT_MEASURED,
            f"{node.name} is not measured: {node.outcome.detail}",
            view.name,
            node.name,
            {"reason": reason},
        )
    else:
        yield Event(
            view.at_wall_ns, EventKind.MEASURED_AGAIN, f"{node.name} is measured again.", view.name, node.name
        )


def _culprits(view: ClusterView) -> Event:
    return Event(
        view.at_wall_ns,
        EventKind.CULPRITS,
        view.vote.evidence,
        view.name,
        None,
        {"verdict": view.vote.verdict, "culprits": list(view.vote.culprits)},
    )

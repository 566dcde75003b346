"""Samples for tests of the machine: one line of one cluster, in consecutive rounds."""

import json
from collections.abc import Mapping
from functools import partial

from skewmon.alert.alerts import Alert, Cause, ConditionSample, ConditionState, Key, Observation, Texts
from skewmon.alert.machine import State, step
from skewmon.alert.saved_state import from_json, to_json
from skewmon.model import NS_PER_S, Threshold

#: A round starts this often.
INTERVAL_S = 15

LINE = Threshold("critical", 1 * NS_PER_S, "skew", for_s=30.0, clear_for_s=30.0)


def key(node: str | None = None, cluster: str = "prod", line: Threshold = LINE) -> Key:
    """Return the identity of an alert on the line."""
    return Key(cluster, line.kind, line.severity, node)


def seen(
    conditions: Mapping[str | None, ConditionState],
    line: Threshold = LINE,
    cluster: str = "prod",
    wall_ns: int = 0,
) -> Observation:
    """Return the samples of one round; the texts name the condition, to identify the sample."""
    samples = tuple(
        ConditionSample(
            key(node, cluster, line),
            line,
            condition,
            partial(Texts, f"{condition.value}.", f"at {wall_ns}", "next"),
        )
        for node, condition in conditions.items()
    )
    return Observation(cluster, wall_ns, samples)


def firing(state: State) -> tuple[Alert, ...]:
    """Return the alerts that fire, with their texts."""
    return tuple(map(state.alert, state.firing))


def restarted(state: State) -> State:
    """Return the state of a cluster after a restart."""
    saved = from_json(json.loads(json.dumps(to_json([state]))))
    return next(iter(saved.values()), State())


class Timeline:
    """Rounds at a steady interval, and the changes of alerts."""

    def __init__(self, line: Threshold = LINE) -> None:
        self.line = line
        self.state = State()
        self.now_ns = 0
        self.changes: list[tuple[int, str, str | None, Cause]] = []

    def rounds(
        self, count: int, cluster: ConditionState, **nodes: ConditionState
    ) -> list[tuple[int, str, str | None, Cause]]:
        """Process rounds; return their changes as (second, firing or ended, node, cause)."""
        before = len(self.changes)
        for _ in range(count):
            observation = seen({None: cluster, **nodes}, self.line, wall_ns=self.now_ns)
            self.state, transitions = step(self.state, observation, self.now_ns)
            for one in transitions:
                status = "firing" if one.alert.firing else "ended"
                self.changes.append((self.now_ns // NS_PER_S, status, one.alert.key.node, one.cause))
            self.now_ns += INTERVAL_S * NS_PER_S
        return self.changes[before:]

    @property
    def firing(self) -> list[str | None]:
        """The nodes whose alerts fire; None is the cluster's."""
        return [key.node for key in self.state.firing]

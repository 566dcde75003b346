"""Which oscillator stood still or left its course: a node's, a vantage's, or the admin box's own.

If one node leaves its prediction, it moved. If most nodes of an axis do, by one common amount, the axis did:
then its nodes are not blamed, and every conclusion from the axis's past is dropped. The other axes go on. An
axis that kept its course among its own nodes is itself a clock by which the admin box is judged.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from skewmon.clock.history import base_deviation, base_pause
from skewmon.model import Endpoint, Interval
from skewmon.monitor.axes import Survey, SurveyedAxis, VantageState
from skewmon.monitor.node_state import NodeUpdate
from skewmon.monitor.state import MonitorState

#: The key of the admin box's own axis.
OF_BASE: Hashable = None


@dataclass(frozen=True, slots=True)
class Settled:
    """All updates of a round, without conclusions from an oscillator that stood still.

    ``paused`` is how long the admin box stood still, ``jumped`` by how much its oscillator left its course,
    ahead positive. ``moved`` are the keys of the axes whose past is dropped, ``vantages`` their new states.
    """

    updates: Mapping[Endpoint, NodeUpdate]
    vantages: Mapping[str, VantageState]
    moved: frozenset[Hashable]
    paused: Interval | None = None
    jumped: Interval | None = None


def settled(
    updates: Mapping[Endpoint, NodeUpdate], seen: Survey, state: MonitorState, admin_slept: Interval | None
) -> Settled:
    """Return the updates of a round after the decision about each axis."""
    found, vantages, moved = dict(updates), dict[str, VantageState](), set[Hashable]()
    calm = list[SurveyedAxis]()
    for one in seen.axes.values():
        its = {endpoint: update for endpoint, update in updates.items() if update.axis == one.axis.key}
        if _pause(its, state, one.axis.key) is not None:
            found |= {endpoint: update.without_base() for endpoint, update in its.items()}
            moved.add(one.axis.key)
        elif _is_doubtful(its, state, one):
            found |= {endpoint: update.without_jump() for endpoint, update in its.items()}
        else:
            calm.append(one)
    direct = {endpoint: update for endpoint, update in updates.items() if update.axis == OF_BASE}
    paused = admin_slept or _pause(direct, state, OF_BASE, calm)
    jumped = None
    if paused is not None:  # every history against the base, and every bound that it tightened, is wrong
        found |= {endpoint: update.without_base() for endpoint, update in direct.items()}
        moved.add(OF_BASE)
    elif (deviation := _jump(direct, state, OF_BASE, calm)) is not None:
        found |= {endpoint: update.without_jump() for endpoint, update in direct.items()}
        jumped = -deviation
    for label, one in seen.axes.items():
        is_known = paused is None and one.axis.key not in moved
        axis = one.tightened() if is_known else one.axis
        found |= {
            endpoint: update.on_axis(axis) for endpoint, update in found.items() if update.axis == axis.key
        }
        vantages[label] = one.state if is_known else replace(one.state, history=None)
    return Settled(found, vantages, frozenset(moved), paused, jumped)


def _is_doubtful(updates: Mapping[Endpoint, NodeUpdate], state: MonitorState, seen: SurveyedAxis) -> bool:
    """Return whether jumps of an axis's nodes may be its own.

    Because most of its nodes jumped alike, because it also left its course against the base, or because no
    second node is measured there.
    """
    if not any(update.jump for update in updates.values()):
        return False
    key = seen.axis.key
    is_alone = _followed(updates, state, key) < 2
    return is_alone or seen.deviation is not None or _jump(updates, state, key) is not None


def _followed(updates: Mapping[Endpoint, NodeUpdate], state: MonitorState, key: Hashable) -> int:
    return sum(state.node(endpoint).is_followed_on(key) for endpoint in updates)


def _pause(
    updates: Mapping[Endpoint, NodeUpdate],
    state: MonitorState,
    key: Hashable,
    axes: Sequence[SurveyedAxis] = (),
) -> Interval | None:
    """Return how long an axis stood still, if most nodes left their predictions by as much."""
    moved = _known(update.deviation for update in updates.values()) + _known(one.deviation for one in axes)
    return base_pause(moved, _all_followed(updates, state, key, axes)) if moved else None


def _jump(
    updates: Mapping[Endpoint, NodeUpdate],
    state: MonitorState,
    key: Hashable,
    axes: Sequence[SurveyedAxis] = (),
) -> Interval | None:
    """Return by how much most nodes left their course against an axis."""
    moved = _known(update.jump for update in updates.values()) + _known(one.deviation for one in axes)
    return base_deviation(moved, _all_followed(updates, state, key, axes)) if moved else None


def _known(deviations: Iterable[Interval | None]) -> list[Interval]:
    return [one for one in deviations if one is not None]


def _all_followed(
    updates: Mapping[Endpoint, NodeUpdate],
    state: MonitorState,
    key: Hashable,
    axes: Sequence[SurveyedAxis],
) -> int:
    """Return how many nodes and other axes have a prediction against an axis."""
    return _followed(updates, state, key) + sum(axis.was_followed for axis in axes)

"""The saved state is plain JSON, and anything else is refused with one kind of error."""

import pytest

from skewmon.alert.alerts import ConditionState
from skewmon.alert.machine import State
from skewmon.alert.saved_state import from_json, to_json
from skewmon.errors import JournalError
from tests.alert.samples import Timeline, restarted


def _lived() -> State:
    timeline = Timeline()
    timeline.rounds(3, ConditionState.SHARED, a=ConditionState.PROVEN, b=ConditionState.UNKNOWN)
    timeline.rounds(1, ConditionState.SHARED, a=ConditionState.CLEAR, b=ConditionState.PROVEN)
    return timeline.state


def test_what_is_saved_comes_back() -> None:
    """Every field but the instants of the base survives JSON."""
    state = _lived()
    again = restarted(state)
    assert again.firing == state.firing
    assert to_json([again]) == to_json([state])
    assert (again.seen_ns, again.texts) == (None, {})


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"version": 99, "slots": []},
        {"version": 1},
        {"version": 1, "slots": [{}]},
        {"version": 1, "slots": [3]},
        {"version": 1, "slots": None},
    ],
)
def test_anything_else_is_refused(data: dict[str, object]) -> None:
    """A damaged or foreign state is never half believed."""
    with pytest.raises(JournalError):
        from_json(data)


def test_a_phase_of_the_future_is_refused() -> None:
    """An unknown word is not guessed at."""
    data = to_json([_lived()])
    data["slots"][0]["phase"] = "asleep"
    with pytest.raises(JournalError, match="asleep"):
        from_json(data)

"""The step without which two clocks would agree."""

from skewmon.clock.steps import Movement, MovementKind
from skewmon.culprit.last_step import last_step
from skewmon.model import NS_PER_S, Interval, Pair

LIMIT_NS = NS_PER_S // 20


def jump(seconds: float, before_ns: int = 1) -> Movement:
    """Return a step of a node's clock, known to a microsecond."""
    return Movement(MovementKind.STEP, 0, before_ns, Interval.around(round(seconds * NS_PER_S), 1_000))


def apart(seconds: float) -> Pair:
    """Return a pair with n1 so far ahead of n2."""
    return Pair("n1", "n2", Interval.around(round(seconds * NS_PER_S), 100_000))


def test_the_node_with_the_step_that_explains_the_distance_is_found() -> None:
    """Ahead by stepping forward, or because the other stepped back."""
    ahead = last_step(apart(70), LIMIT_NS, {"n1": [jump(70, 5)], "n2": [jump(0.01)]})
    assert ahead is not None
    assert (ahead.name, ahead.before_ns, ahead.size.estimate_ns) == ("n1", 5, 70 * NS_PER_S)
    behind = last_step(apart(70), LIMIT_NS, {"n2": [jump(-70)]})
    assert behind is not None
    assert behind.name == "n2"


def test_several_steps_of_one_node_count_together_and_only_the_newest_that_are_needed() -> None:
    """First 30 s, then 40 s more; an older step that was undone explains nothing."""
    found = last_step(apart(70), LIMIT_NS, {"n1": [jump(-9, 1), jump(30, 2), jump(40, 3)]})
    assert found is not None
    assert (found.size.estimate_ns, found.before_ns) == (70 * NS_PER_S, 2)


def test_a_step_the_wrong_way_or_of_another_size_explains_nothing() -> None:
    """Another direction, another size, or none."""
    assert last_step(apart(70), LIMIT_NS, {"n1": [jump(-70)]}) is None
    assert last_step(apart(70), LIMIT_NS, {"n1": [jump(60)]}) is None
    assert last_step(apart(70), LIMIT_NS, {}) is None


def test_a_distance_that_either_step_explains_is_not_evidence() -> None:
    """Each stepped by the whole distance, at different times."""
    assert last_step(apart(70), LIMIT_NS, {"n1": [jump(70)], "n2": [jump(-70)]}) is None

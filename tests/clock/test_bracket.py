"""Brackets of a difference of two clocks: whether it changed, and what is known if it did not."""

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.bracket import AGREEMENT_NS, Bracket, agreed, change, narrowed

ends = st.tuples(st.integers(-500, 500), st.integers(0, 300))
brackets = ends.map(lambda one: Bracket(one[0], one[0] + one[1]))


@given(known=st.none() | brackets, seen=brackets)
def test_the_quick_comparison_is_that_of_change_and_narrowed(known: Bracket | None, seen: Bracket) -> None:
    expected = narrowed(known, seen) if change(known, seen) is None else None
    assert agreed(known, seen) == expected


def test_brackets_that_are_as_close_as_processors_differ_agree_on_the_later_one() -> None:
    known, later = Bracket(0, 10), Bracket(10 + AGREEMENT_NS, 200)
    assert agreed(known, later) == later
    assert agreed(known, Bracket(11 + AGREEMENT_NS, 200)) is None

"""UTC by the agreement of references: laws, liars, upstreams and leap seconds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.utc import ReferenceClock, Witness, agree, majority, reading_of, upstreams
from skewmon.model import NS_PER_S, Interval, UtcReason, UtcState

MS = 1_000_000


def witnesses(*ends_ms: tuple[float, float]) -> list[Witness]:
    """Return independent witnesses a, b, c, … with these ends in milliseconds."""
    return [
        Witness(name, Interval(round(lower * MS), round(upper * MS)), name)
        for name, (lower, upper) in zip("abcdefgh", ends_ms, strict=False)
    ]


def test_three_that_agree_confirm_utc() -> None:
    """Any two of them hold UTC between them."""
    found = agree(witnesses((-1, 1), (-2, 0.5), (-0.5, 3)))
    assert found.state is UtcState.CONFIRMED
    assert found.utc == Interval(-MS, MS)


def test_a_liar_is_a_falseticker_and_moves_nothing() -> None:
    """Four of five agree."""
    found = agree(witnesses((-1, 1), (299, 301), (-2, 2), (-1, 2), (-2, 1)))
    assert (found.state, found.falsetickers) == (UtcState.CONFIRMED, {"b"})
    assert found.utc == Interval(-1 * MS, 1 * MS)


def test_two_references_confirm_nothing() -> None:
    """Whether they agree or not."""
    for second in ((-1, 1), (299, 301)):
        found = agree(witnesses((-1, 1), second))
        assert (found.state, found.reason) == (UtcState.UNCONFIRMED, UtcReason.FEW_REFERENCES)
        assert found.falsetickers == frozenset()
    assert found.utc == Interval(-1 * MS, 301 * MS)


def test_without_a_majority_no_reference_is_named() -> None:
    """Two against two."""
    found = agree(witnesses((-1, 1), (-1, 1), (299, 301), (299, 301)))
    assert (found.state, found.reason) == (UtcState.UNCONFIRMED, UtcReason.NO_MAJORITY)
    assert found.utc == Interval(-1 * MS, 301 * MS)
    assert not found.falsetickers


def test_no_answer_is_no_utc() -> None:
    """Nothing is shown."""
    assert agree([])[:3] == (UtcState.NONE, None, UtcReason.NO_ANSWER)


def test_references_of_one_upstream_have_one_vote() -> None:
    """Three servers behind one wrong clock do not outvote two that are right, nor confirm anything."""
    behind = [Witness(name, Interval(299 * MS, 301 * MS), "gps") for name in "xyz"]
    assert agree(behind).reason is UtcReason.FEW_REFERENCES
    found = agree([*witnesses((-1, 1), (-1, 1)), *behind])
    assert (found.state, found.falsetickers) == (UtcState.CONFIRMED, set("xyz"))


def test_a_liar_widens_the_vote_of_its_upstream_and_does_not_move_it() -> None:
    """The other server of that upstream is still inside."""
    liar = Witness("liar", Interval(299 * MS, 301 * MS), "a")
    found = agree([*witnesses((-1, 1), (-1, 1), (-1, 1)), liar])
    assert (found.state, found.falsetickers) == (UtcState.CONFIRMED, {"liar"})


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=3, max_size=9),
    st.lists(st.tuples(st.integers(-1000, 1000), st.integers(0, 50)), max_size=4),
)
def test_utc_contains_the_truth_while_most_are_right(
    right: list[tuple[int, int]], wrong: list[tuple[int, int]]
) -> None:
    """H9 and nothing else, wherever the liars are: the truth is 0."""
    liars = wrong[: (len(right) - 1)]
    all_of_them = [
        *(Witness(f"r{n}", Interval(-low, high), f"r{n}") for n, (low, high) in enumerate(right)),
        *(Witness(f"w{n}", Interval(at, at + width), f"w{n}") for n, (at, width) in enumerate(liars)),
    ]
    found = agree(all_of_them)
    assert found.state is UtcState.CONFIRMED
    assert found.utc is not None
    assert 0 in found.utc
    assert not {f"r{n}" for n in range(len(right))} & found.falsetickers


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)), min_size=1, max_size=7), st.integers(-20, 20)
)
def test_the_majority_is_that_of_counting(spans: list[tuple[int, int]], at: int) -> None:
    """A sweep over the ends finds the same as a count at every point."""
    intervals = [Interval(lower, lower + width) for lower, width in spans]
    inside = [
        point for point in range(-30, 31) if sum(point in one for one in intervals) * 2 > len(intervals)
    ]
    found = majority(intervals)
    assert found == (Interval(min(inside), max(inside)) if inside else None)


def test_upstreams_are_followed_through_other_references() -> None:
    """A server behind a reference has one vote with it; a circle is one source, too."""
    addresses = {"a": "192.0.2.1", "b": "192.0.2.2", "c": "192.0.2.3", "d": "192.0.2.4", "e": "192.0.2.5"}
    followed = {"a": None, "b": "192.0.2.1", "c": "192.0.2.2", "d": "192.0.2.5", "e": "192.0.2.4"}
    assert upstreams(addresses, followed) == {
        "a": "192.0.2.1",
        "b": "192.0.2.1",
        "c": "192.0.2.1",
        "d": "192.0.2.4",
        "e": "192.0.2.4",
    }


def test_a_split_near_a_leap_second_is_ambiguous() -> None:
    """One smears, the others do not; without the leap second it is a falseticker."""
    split = witnesses((-1, 1), (-1, 1), (-1, 1), (-501, -499))
    found = agree(split, leaping=True)
    assert (found.state, found.reason, found.split) == (UtcState.AMBIGUOUS, UtcReason.LEAP, {"d"})
    assert found.falsetickers == frozenset()
    assert agree(split).falsetickers == {"d"}


def test_no_leap_second_explains_three_seconds() -> None:
    """That is a falseticker on any day; and references that agree are confirmed on any day."""
    found = agree(witnesses((-1, 1), (-1, 1), (-1, 1), (2999, 3001)), leaping=True)
    assert (found.state, found.falsetickers) == (UtcState.CONFIRMED, {"d"})
    assert agree(witnesses((-1, 1), (-1, 1), (-1, 1)), leaping=True).state is UtcState.CONFIRMED


@pytest.mark.parametrize(
    ("readings", "age_s", "least_ms", "most_ms"),
    [(1, 64, 64, 65), (2, 64, 1.5, 2.3)],
    ids=["unknown", "known"],
)
def test_utc_ages_by_the_rate_of_the_base(readings: int, age_s: int, least_ms: float, most_ms: float) -> None:
    """64 ms after 64 s while nothing is known; some 1.6 ms once two exchanges have bounded the rate."""
    narrow = Interval(-160_000, 160_000)
    clock = ReferenceClock.begun(reading_of(narrow, 0))
    for number in range(1, readings):
        clock = clock.after(reading_of(narrow, number * 64 * NS_PER_S), steady=True)
    grown = clock.utc_at((readings - 1) * 64 * NS_PER_S + age_s * NS_PER_S).bound_ns - narrow.bound_ns
    assert least_ms * MS <= grown <= most_ms * MS


def test_a_contradiction_drops_the_rate() -> None:
    """A reference that jumps by a second ages like a new one."""
    clock = ReferenceClock.begun(reading_of(Interval(0, 1000), 0))
    clock = clock.after(reading_of(Interval(0, 1000), 64 * NS_PER_S), steady=True)
    clock = clock.after(reading_of(Interval(NS_PER_S, NS_PER_S + 1000), 128 * NS_PER_S), steady=True)
    assert clock.utc_at(192 * NS_PER_S).width_ns >= 128 * MS


def test_a_base_that_left_its_course_ages_utc_as_if_its_rate_were_unknown() -> None:
    """The reading stays; no span of the next rate holds the moment of the change."""
    clock = ReferenceClock.begun(reading_of(Interval(0, 1000), 0))
    clock = clock.after(reading_of(Interval(0, 1000), 64 * NS_PER_S), steady=True).without_rate()
    assert clock.utc_at(128 * NS_PER_S).width_ns >= 128 * MS
    clock = clock.after(reading_of(Interval(0, 1000), 128 * NS_PER_S), steady=True)
    assert clock.utc_at(192 * NS_PER_S).width_ns >= 128 * MS
    clock = clock.after(reading_of(Interval(0, 1000), 192 * NS_PER_S), steady=True)
    assert clock.utc_at(256 * NS_PER_S).width_ns < 8 * MS

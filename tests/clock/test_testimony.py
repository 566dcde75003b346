"""Claims by intersection: where most upstreams say that true time lies, each of them heard once."""

from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.testimony import Witness, hear
from skewmon.model import Interval

witnesses = st.lists(
    st.builds(
        lambda name, upstream, estimate, bound: Witness(name, upstream, Interval.around(estimate, bound)),
        st.text("abcdefgh", min_size=1, max_size=3),
        st.sampled_from("ABCDE"),
        st.integers(-50, 50),
        st.integers(0, 30),
    ),
    min_size=1,
    max_size=12,
)


def said(upstream: str, at: int, bound: int = 5, name: str = "") -> Witness:
    """Return a witness that claims true time to be at ``at`` ± ``bound``."""
    return Witness(name or f"n{upstream}", upstream, Interval.around(at, bound))


def voices_at(heard: list[Witness], instant: int) -> Fraction:
    """Return the voices for one instant, by the definition."""
    followers = Counter(one.upstream for one in heard)
    return sum((Fraction(1, followers[one.upstream]) for one in heard if instant in one.truth), Fraction(0))


@given(witnesses)
def test_it_is_what_going_through_every_instant_finds(heard: list[Witness]) -> None:
    """The ends have the most voices; nothing outside them has as many; a majority, or nothing."""
    found = hear(heard)
    by_instant = {instant: voices_at(heard, instant) for instant in range(-81, 82)}
    most = max(by_instant.values())
    best = [instant for instant, voices in by_instant.items() if voices == most]
    if found is None:
        followers = Counter(one.upstream for one in heard)
        agreeing = Counter(one.upstream for one in heard if one.truth.meet(Interval(best[0], best[-1])))
        whole = [upstream for upstream, count in agreeing.items() if count * 2 > followers[upstream]]
        assert 2 * most <= len(followers) or 2 * len(whole) <= len(followers) or len(whole) < 2
    else:
        assert found.truth == Interval(best[0], best[-1])
        assert most * 2 > found.heard
        assert 2 <= found.upstreams <= found.heard < 2 * found.upstreams
        assert len({one.upstream for one in found.agreeing}) == found.upstreams


@given(witnesses, st.integers(-(10**15), 10**15))
def test_it_does_not_depend_on_the_axis(heard: list[Witness], by_ns: int) -> None:
    """Another reference moves the answer with everything else."""
    found = hear(heard)
    moved = hear([one._replace(truth=one.truth.shifted(by_ns)) for one in heard])
    assert (found is None) == (moved is None)
    if found is not None and moved is not None:
        assert moved.truth == found.truth.shifted(by_ns)
        assert (moved.upstreams, moved.heard) == (found.upstreams, found.heard)


@given(witnesses)
def test_a_second_follower_adds_no_voice(heard: list[Witness]) -> None:
    """Whoever repeats the very words of another changes nothing, however often."""
    twice = [copy for one in heard for copy in (one, one._replace(name=f"{one.name}'"))]
    found, again = hear(heard), hear(twice)
    assert (found and (found.truth, found.upstreams, found.heard)) == (
        again and (again.truth, again.upstreams, again.heard)
    )


def test_two_upstreams_that_agree_outvote_a_third() -> None:
    """Marzullo's own example: the overlap of the many, not the mean of all."""
    found = hear([said("A", 0), said("B", 4), said("C", 100)])
    assert found is not None
    assert (found.truth, found.upstreams, found.heard) == (Interval(-1, 5), 2, 3)
    assert [one.name for one in found.agreeing] == ["nA", "nB"]


def test_one_upstream_is_no_testimony_however_many_follow_it() -> None:
    """Fifty nodes of one server are one witness."""
    assert hear([said("A", 0, name=f"n{number}") for number in range(50)]) is None


def test_word_against_word_is_none() -> None:
    """Two upstreams that cannot both be right."""
    assert hear([said("A", 0), said("B", 100)]) is None


def test_an_upstream_whose_followers_mostly_disagree_does_not_count_as_agreeing() -> None:
    """One of five followers strayed to where another upstream is: that is no second source."""
    strays = [said("A", 0), said("B", 0, name="stray")]
    assert hear([*strays, *(said("B", 100, name=f"n{number}") for number in range(4))]) is None


def test_parts_of_voices_make_no_majority_of_upstreams() -> None:
    """Two whole upstreams and half of a third are two of four."""
    half = [said("C", 0, name="one"), said("C", 300, name="other")]
    assert hear([said("A", 0), said("B", 0), *half, said("D", 100)]) is None
    found = hear([said("A", 0), said("B", 0), *half])
    assert found is not None
    assert [one.name for one in found.agreeing] == ["nA", "nB"]


def test_nobody_testifies() -> None:
    """Nobody claims to be right."""
    assert hear([]) is None

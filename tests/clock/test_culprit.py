"""Who is wrong: only what a majority proves, and the admission of ignorance in every other case."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.culprit import MAX_NAMES, NOBODY, voices_against, vote
from skewmon.model import NS_PER_S, Interval

SECOND = NS_PER_S

offsets = st.one_of(st.integers(-5, 5), st.integers(-10_000, 10_000))
clusters = st.lists(st.tuples(offsets, st.integers(0, 500)), min_size=1, max_size=10).map(
    lambda found: {f"n{number}": Interval.around(*one) for number, one in enumerate(found, 1)}
)
limits = st.integers(0, 5_000)


def at(*seconds: float, bound_ns: int = 1_000) -> dict[str, Interval]:
    """Return nodes n1, n2, … whose clocks are so many seconds ahead."""
    return {
        f"n{number}": Interval.around(round(ahead * SECOND), bound_ns)
        for number, ahead in enumerate(seconds, 1)
    }


def apart(one: Interval, other: Interval, limit_ns: int) -> bool:
    """Tell whether two clocks are provably further apart than the limit."""
    return (one - other).proven_ns > limit_ns


@given(clusters, limits, st.data())
def test_voices_are_counted_as_going_through_all_pairs_would(
    walls: dict[str, Interval], limit_ns: int, data: st.DataObject
) -> None:
    """The sorted count equals the definition, for voices of any weight."""
    weights = st.fractions(0, 3, max_denominator=6)
    voices = {name: data.draw(weights) for name in walls}
    expected = {
        name: sum((voices[peer] for peer in walls if apart(wall, walls[peer], limit_ns)), Fraction(0))
        for name, wall in walls.items()
    }
    assert voices_against(walls, limit_ns, voices) == expected


@given(clusters, limits)
def test_the_vote_equals_its_definition(walls: dict[str, Interval], limit_ns: int) -> None:
    """Guilty is who is apart from more than half of the others, while the others are a strict majority."""
    against = {
        name: sum(apart(wall, other, limit_ns) for other in walls.values()) for name, wall in walls.items()
    }
    guilty = tuple(name for name in walls if 2 * against[name] > len(walls) - 1)
    found = vote(walls, limit_ns)
    if not any(against.values()):
        assert found == NOBODY
    elif guilty and 2 * len(guilty) < len(walls):
        assert (found.verdict, found.culprits) == ("named", guilty)
        assert guilty[0] in found.evidence
    else:
        assert (found.verdict, found.culprits) == ("undetermined", ())
        assert found.evidence


@given(clusters, limits, st.integers(-(10**18), 10**18))
def test_the_vote_does_not_depend_on_the_admin_box(
    walls: dict[str, Interval], limit_ns: int, by_ns: int
) -> None:
    """Another base changes nothing."""
    assert vote({name: wall.shifted(by_ns) for name, wall in walls.items()}, limit_ns) == vote(
        walls, limit_ns
    )


@given(clusters, limits, st.integers(0, 5_000))
def test_a_higher_line_accuses_nobody_new(walls: dict[str, Interval], limit_ns: int, more_ns: int) -> None:
    """Whoever is apart beyond the higher line is apart beyond the lower one."""
    ones = dict.fromkeys(walls, Fraction(1))
    low, high = voices_against(walls, limit_ns, ones), voices_against(walls, limit_ns + more_ns, ones)
    assert all(high[name] <= low[name] for name in walls)


@given(clusters, limits, st.integers(0, 2_000))
def test_less_knowledge_accuses_nobody_new(walls: dict[str, Interval], limit_ns: int, by_ns: int) -> None:
    """Wider intervals prove less."""
    ones = dict.fromkeys(walls, Fraction(1))
    wide = {name: wall.widened(by_ns) for name, wall in walls.items()}
    known, unknown = voices_against(walls, limit_ns, ones), voices_against(wide, limit_ns, ones)
    assert all(unknown[name] <= known[name] for name in walls)


@pytest.mark.parametrize(
    ("ahead_s", "culprits"),
    [
        ((0, 0, 70), ("n3",)),
        ((0, 70, 0, 0, -70), ("n2", "n5")),
        ((0, 0, 0, 5, 6), ("n4", "n5")),
    ],
)
def test_a_minority_that_is_apart_is_named(ahead_s: tuple[float, ...], culprits: tuple[str, ...]) -> None:
    """More than half of the others agree, and they are not among the accused."""
    found = vote(at(*ahead_s), SECOND)
    assert (found.verdict, found.culprits) == ("named", culprits)
    assert "majority" in found.evidence


@pytest.mark.parametrize(
    "ahead_s",
    [(0, 70), (0, 0, 70, 70), (0, 70, 140), (0, 0, 0, 9, 9, 9), (0, 10, 20, 30, 40)],
    ids=["two", "two camps", "all apart", "three against three", "a ladder"],
)
def test_where_no_majority_agrees_nobody_is_named(ahead_s: tuple[float, ...]) -> None:
    """One word against another is no proof."""
    found = vote(at(*ahead_s), SECOND)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert f"{len(ahead_s)} of {len(ahead_s)} nodes" in found.evidence


def test_a_chain_of_small_steps_accuses_only_its_ends() -> None:
    """Neighbours are within the line, the ends are not: no majority is apart from either."""
    found = vote(at(0, 0.8, 1.6), SECOND)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert found.evidence.startswith("2 of 3 nodes")


def test_half_of_the_nodes_are_not_called_wrong_by_the_other_half() -> None:
    """Both ends of a chain of four are apart from two others each; those who remain are no majority."""
    found = vote(at(0, 0.9, 1.8, 2.7), SECOND)
    assert (found.verdict, found.culprits) == ("undetermined", ())


def test_exactly_the_line_is_not_beyond_it() -> None:
    """A pair that is provably as far apart as the line, and not a nanosecond more, accuses nobody."""
    exact = {"n1": Interval(0, 0), "n2": Interval(0, 0), "n3": Interval(SECOND, SECOND)}
    assert vote(exact, SECOND) == NOBODY
    assert vote({**exact, "n3": Interval(SECOND + 1, SECOND + 1)}, SECOND).culprits == ("n3",)


def test_a_wide_interval_accuses_nobody() -> None:
    """What slow SSH cannot tell apart is not apart."""
    assert vote(at(0, 0, 70, bound_ns=40 * SECOND), SECOND) == NOBODY


def test_nothing_measured_is_nobody_wrong() -> None:
    """No node, or one alone."""
    assert vote({}, SECOND) == NOBODY
    assert vote(at(5), SECOND) == NOBODY


# --- one voice for each source ------------------------------------------------------------------------


def test_many_nodes_of_one_wrong_source_are_one_witness() -> None:
    """Three nodes that follow the wrong server are outvoted by two others that follow one each."""
    walls = at(0, 0, 5, 5, 5)
    sources = {"n1": "a", "n2": "b", "n3": "wrong", "n4": "wrong", "n5": "wrong"}
    assert vote(walls, SECOND).culprits == ("n1", "n2")
    found = vote(walls, SECOND, sources)
    assert (found.verdict, found.culprits) == ("named", ("n3", "n4", "n5"))
    assert "3 sources" in found.evidence


def test_three_sources_that_all_disagree_name_nobody() -> None:
    """No majority of sources exists."""
    found = vote(at(0, 5, 10), SECOND, {"n1": "a", "n2": "b", "n3": "c"})
    assert (found.verdict, found.culprits) == ("undetermined", ())


def test_with_two_sources_the_smaller_camp_is_not_called_wrong() -> None:
    """It shares a source that nobody else follows: source stands against source."""
    walls, sources = at(0, 0, 0, 5, 5), {"n1": "a", "n2": "a", "n3": "a", "n4": "b", "n5": "b"}
    found = vote(walls, SECOND, sources)
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert "the source b" in found.evidence


def test_one_node_alone_with_its_source_is_named() -> None:
    """It has no camp: its own source or its own clock is wrong, and either way it is this node."""
    sources = {"n1": "a", "n2": "a", "n3": "a", "n4": "b"}
    assert vote(at(0, 0, 0, 5), SECOND, sources).culprits == ("n4",)


def test_nodes_of_one_source_that_disagree_are_judged_node_by_node() -> None:
    """They follow the same server, so whoever is apart does not follow it well."""
    assert vote(at(0, 0, 5), SECOND, {"n1": "a", "n2": "a", "n3": "a"}).culprits == ("n3",)


def test_a_node_without_a_source_is_judged_by_those_that_have_one() -> None:
    """It has no voice, and can be accused."""
    found = vote(at(0, 0, 0, 5), SECOND, {"n1": "a", "n2": "b", "n3": "c"})
    assert found.culprits == ("n4",)


def test_sources_of_nodes_that_were_not_measured_do_not_count() -> None:
    """Only who is here has a voice."""
    sources = {"n1": "a", "n2": "a", "n3": "a", "gone": "b", "away": "c"}
    assert vote(at(0, 0, 5), SECOND, sources).culprits == ("n3",)


@given(clusters, limits, st.data())
def test_the_named_never_hold_half_of_the_voices(
    walls: dict[str, Interval], limit_ns: int, data: st.DataObject
) -> None:
    """Whatever the sources: each culprit is apart from somebody, and the rest is a strict majority."""
    sources = data.draw(st.dictionaries(st.sampled_from(sorted(walls)), st.sampled_from("abcd")))
    found = vote(walls, limit_ns, sources)
    assert (found.verdict == "named") == bool(found.culprits)
    for name in found.culprits:
        assert any(apart(walls[name], other, limit_ns) for other in walls.values())
    if found.culprits and len(set(sources.values())) < 3:
        assert 2 * len(found.culprits) < len(walls)
    if found.culprits and len(set(sources.values())) >= 3:
        followers = Counter(sources.values())
        share = sum(Fraction(1, followers[sources[name]]) for name in found.culprits if name in sources)
        assert 2 * share < len(followers)


def test_the_evidence_names_a_handful_and_counts_the_rest() -> None:
    """An alert is read by a person."""
    found = vote(at(*[0] * 20, *[9] * (MAX_NAMES + 2)), SECOND)
    assert len(found.culprits) == MAX_NAMES + 2
    assert "n25 and 2 more are provably more than 1 s from all 20 other nodes" in found.evidence

"""Who is wrong: only what a majority proves, and the admission of ignorance in every other case."""

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.culprit import MAX_NAMES, NOBODY, voices_against, vote
from skewmon.clock.testimony import Witness
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
    """Each culprit is apart from somebody; the rest is a majority of sources, or at least of nodes."""
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
        own = {sources[name] for name in found.culprits if name in sources}
        others = {source for name, source in sources.items() if name not in found.culprits}
        fewer_nodes, no_more_sources = (
            2 * len(found.culprits) < len(walls),
            len(own - others) <= len(others - own),
        )
        assert 2 * share < len(followers) or (fewer_nodes and no_more_sources)


def test_sources_that_both_sides_follow_leave_it_to_the_nodes() -> None:
    """Each of three servers has followers on either side: none of them explains who is right."""
    walls = at(0, 0, 0, 5, 5, 5, 0)
    sources = {"n1": "a", "n2": "b", "n3": "c", "n4": "a", "n5": "b", "n6": "c"}
    assert vote(walls, SECOND, sources).culprits == ("n4", "n5", "n6")


def test_nobody_is_convicted_because_a_source_is_away_for_a_moment() -> None:
    """Of five nodes, three follow the wrong server; one of the right two is rebooting."""
    walls, sources = at(0, 0, 5, 5, 5), {"n1": "a", "n2": "b", "n3": "w", "n4": "w", "n5": "w"}
    assert vote(walls, SECOND, sources).culprits == ("n3", "n4", "n5")
    here = {name: wall for name, wall in walls.items() if name != "n2"}
    assert vote(here, SECOND, sources).culprits == ("n1",)
    found = vote(here, SECOND, sources, silent=["b"])
    assert (found.verdict, found.culprits) == ("undetermined", ())


def test_a_source_that_somebody_else_follows_is_not_away() -> None:
    """Its voice is heard."""
    walls, sources = at(0, 0, 5), {"n1": "a", "n2": "b", "n3": "c", "n4": "a"}
    assert vote(walls, SECOND, sources, silent=["a"]) == vote(walls, SECOND, sources)


# --- what the daemons hold for right -------------------------------------------------------------------


def test_a_large_camp_with_many_sources_is_no_single_witness() -> None:
    """Three nodes that follow one of four are not outvoted by two with one each."""
    walls = at(0, 0, 0, 5, 5)
    sources = {"n1": "a", "n2": "a", "n3": "a", "n4": "d", "n5": "e"}
    assert vote(walls, SECOND, sources).culprits == ("n1", "n2", "n3")
    accepted = dict.fromkeys(("n1", "n2", "n3"), ("a", "b", "c", "x"))
    assert vote(walls, SECOND, sources, accepted).culprits == ("n4", "n5")


def test_a_majority_of_which_one_was_not_heard_is_not_convicted_by_sources() -> None:
    """The daemon of n1 does not answer: it may follow a source that outvotes the others."""
    walls = at(0, 0, 0, 5, 5)
    sources: dict[str, str | None] = {"n1": "a", "n2": None, "n3": "b", "n4": "d", "n5": "e"}
    heard = {name: source for name, source in sources.items() if name != "n1"}
    assert vote(walls, SECOND, {**heard, "n1": None}).culprits == ("n1", "n2", "n3")
    assert vote(walls, SECOND, heard).verdict == "undetermined"


def test_as_many_sources_on_either_side_tell_nothing() -> None:
    """Two against two, whichever camp has more nodes."""
    walls = at(0, 0, 0, 5, 5)
    sources = {"n1": "a", "n2": "a", "n3": "a", "n4": "d", "n5": "e"}
    found = vote(walls, SECOND, sources, dict.fromkeys(("n1", "n2", "n3"), ("a", "b")))
    assert (found.verdict, found.culprits) == ("undetermined", ())


def test_one_node_is_one_witness_however_many_sources_it_has() -> None:
    """A whole pool on one clock that somebody set does not outvote four nodes of one server."""
    sources = {"n1": "a", "n2": "a", "n3": "a", "n4": "a", "n5": "p"}
    accepted = {"n5": ("p", "q", "r", "s")}
    assert vote(at(0, 0, 0, 0, 5), SECOND, sources, accepted).culprits == ("n5",)


def test_nodes_that_follow_nothing_convict_nobody_who_does() -> None:
    """None stands for a source that a node is known not to have; one that is not mentioned is not known."""
    found = vote(at(5, 0, 0), SECOND, {"n1": "a", "n2": None, "n3": None})
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert "follow no source" in found.evidence
    assert vote(at(5, 0, 0), SECOND, {"n1": "a", "n2": None}).culprits == ("n1",)
    assert vote(at(5, 0, 0), SECOND, {"n1": None, "n2": "a", "n3": None}).culprits == ("n1",)


@given(clusters, limits, st.data())
def test_whatever_is_held_for_right_the_named_are_apart_from_somebody_else(
    walls: dict[str, Interval], limit_ns: int, data: st.DataObject
) -> None:
    """Named or not, somebody is always left, and each culprit is provably apart from one of those."""
    names, letters = st.sampled_from(sorted(walls)), st.sampled_from("abcd")
    sources = data.draw(st.dictionaries(names, st.one_of(st.none(), letters)))
    accepted = data.draw(st.dictionaries(names, st.frozensets(letters)))
    found = vote(walls, limit_ns, sources, accepted)
    assert (found.verdict == "named") == bool(found.culprits)
    cleared = set(walls) - set(found.culprits)
    for name in found.culprits:
        assert any(apart(walls[name], walls[other], limit_ns) for other in cleared)


def test_the_evidence_names_a_handful_and_counts_the_rest() -> None:
    """An alert is read by a person."""
    found = vote(at(*[0] * 20, *[9] * (MAX_NAMES + 2)), SECOND)
    assert len(found.culprits) == MAX_NAMES + 2
    assert "n25 and 2 more are provably more than 1 s from all 20 other nodes" in found.evidence


def test_the_evidence_counts_only_those_whom_nobody_accuses() -> None:
    """That n4 is far from n5, which is wrong as well, does not make it far from n3."""
    found = vote(at(0, 0, 0.5, 1.2, -5), SECOND)
    assert found.culprits == ("n4", "n5")
    assert found.evidence == (
        "n4, n5 are provably more than 1 s from most other nodes, and those that remain are the majority."
    )


def test_one_whom_not_all_others_are_far_from_is_told_with_their_number() -> None:
    """n3 stands between the two."""
    assert vote(at(0, 0, 0.5, 0, 1.2), SECOND).evidence == (
        "n5 is provably more than 1 s from 3 of the 4 other nodes, which are the majority."
    )


def test_where_nodes_and_sources_disagree_both_are_told() -> None:
    """A majority of the nodes that has no more sources is no reason to say that no majority agrees."""
    sources = {"n1": "a", "n2": "a", "n3": "a", "n4": "d", "n5": "e"}
    found = vote(at(0, 0, 0, 5, 5), SECOND, sources, dict.fromkeys(("n1", "n2", "n3"), ("a", "b")))
    assert found.evidence == (
        "Most nodes are provably apart from n4, n5, but have no more sources than those: "
        "who is wrong cannot be known from the nodes alone."
    )


# --- what the clocks claim ----------------------------------------------------------------------------


def claims(
    walls: dict[str, Interval], upstreams: dict[str, str], bound_ns: int = SECOND // 100
) -> list[Witness]:
    """Return witnesses: each of these nodes claims to be right to within 10 ms, by its upstream."""
    return [Witness(name, upstream, walls[name].widened(bound_ns)) for name, upstream in upstreams.items()]


def test_two_nodes_and_a_witness_of_another_source_name_the_wrong_one() -> None:
    """The admin box's clock, held by a source of its own, breaks the tie."""
    walls = at(0, 70)
    admin = Witness("the admin box", "b", Interval.around(0, SECOND // 50))
    found = vote(
        walls, SECOND, {"n1": "a", "n2": "c"}, witnesses=[*claims(walls, {"n1": "a", "n2": "c"}), admin]
    )
    assert (found.verdict, found.culprits) == ("named", ("n2",))
    assert "2 of 3 independent sources" in found.evidence
    assert "n1 by a, the admin box by b" in found.evidence


def test_a_witness_of_the_same_source_breaks_no_tie() -> None:
    """It would repeat the error of the node that it agrees with."""
    walls = at(0, 70)
    admin = Witness("the admin box", "a", Interval.around(0, SECOND // 50))
    found = vote(
        walls, SECOND, {"n1": "a", "n2": "c"}, witnesses=[*claims(walls, {"n1": "a", "n2": "c"}), admin]
    )
    assert (found.verdict, found.culprits) == ("undetermined", ())


def test_one_claim_against_silence_is_said_and_names_nobody() -> None:
    """The node that claims may follow a wrong server; the other may be right by accident."""
    walls = at(0, 70)
    found = vote(walls, SECOND, {"n1": "a"}, witnesses=claims(walls, {"n1": "a"}))
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert "Only n1 claims to know the time, from a, and one source is no proof." in found.evidence


def test_of_two_camps_that_with_two_sources_is_right() -> None:
    """Two against two: one camp claims nothing, the other has its time from two sources that agree."""
    walls = at(0, 0, 70, 70)
    found = vote(walls, SECOND, {"n1": "a", "n2": "b"}, witnesses=claims(walls, {"n1": "a", "n2": "b"}))
    assert (found.verdict, found.culprits) == ("named", ("n3", "n4"))


def test_a_majority_of_one_wrong_source_is_found_out_by_a_third_one() -> None:
    """Three nodes follow the wrong server, two the right one; the admin box has its time from elsewhere."""
    walls, followed = at(0, 0, 5, 5, 5), {"n1": "a", "n2": "a", "n3": "w", "n4": "w", "n5": "w"}
    witnesses = claims(walls, followed)
    assert vote(walls, SECOND, followed, witnesses=witnesses).verdict == "undetermined"
    admin = Witness("the admin box", "b", Interval.around(0, SECOND // 50))
    assert vote(walls, SECOND, followed, witnesses=[*witnesses, admin]).culprits == ("n3", "n4", "n5")


def test_a_majority_that_claims_nothing_does_not_condemn_two_sources() -> None:
    """Three free clocks agree, perhaps since one hypervisor set them; two sources say that they are wrong."""
    walls, followed = at(0, 0, 70, 70, 70), {"n1": "a", "n2": "b"}
    assert vote(walls, SECOND, followed).culprits == ("n1", "n2")
    found = vote(walls, SECOND, followed, witnesses=claims(walls, followed))
    assert (found.verdict, found.culprits) == ("undetermined", ())
    assert "side with them" in found.evidence


def test_claims_that_agree_with_the_vote_leave_it_as_it_is() -> None:
    """What offsets prove is told by the offsets."""
    walls, followed = at(0, 0, 70), {"n1": "a", "n2": "b"}
    assert vote(walls, SECOND, followed, witnesses=claims(walls, followed)) == vote(walls, SECOND, followed)


def test_claims_with_wide_bounds_accuse_nobody() -> None:
    """True time may lie anywhere between the clocks."""
    walls = at(0, 70)
    admin = Witness("the admin box", "b", Interval.around(0, 100 * SECOND))
    witnesses = [*claims(walls, {"n1": "a", "n2": "c"}, 100 * SECOND), admin]
    assert vote(walls, SECOND, {"n1": "a", "n2": "c"}, witnesses=witnesses).verdict == "undetermined"


@given(clusters, limits, st.data())
def test_without_claims_of_two_sources_nothing_changes_but_words(
    walls: dict[str, Interval], limit_ns: int, data: st.DataObject
) -> None:
    """A single source adds no verdict to what offsets say."""
    names = data.draw(st.lists(st.sampled_from(sorted(walls)), unique=True))
    witnesses = claims(walls, dict.fromkeys(names, "a"), data.draw(st.integers(0, 3_000)))
    alone, beside = vote(walls, limit_ns), vote(walls, limit_ns, None, witnesses=witnesses)
    assert (alone.verdict, alone.culprits) == (beside.verdict, beside.culprits)


@given(clusters, limits, st.data())
def test_whom_claims_accuse_is_provably_away_from_another_node(
    walls: dict[str, Interval], limit_ns: int, data: st.DataObject
) -> None:
    """Whatever is claimed: nobody is named while no pair is provably apart, and never everybody."""
    upstreams = data.draw(st.dictionaries(st.sampled_from(sorted(walls)), st.sampled_from("abcd")))
    witnesses = claims(walls, upstreams, data.draw(st.integers(0, 3_000)))
    found = vote(walls, limit_ns, upstreams, witnesses=witnesses)
    assert (found.verdict == "named") == bool(found.culprits)
    assert len(found.culprits) < len(walls)
    if not any(apart(one, other, limit_ns) for one in walls.values() for other in walls.values()):
        assert found == NOBODY


# --- what decides nothing -----------------------------------------------------------------------------


@given(clusters, limits, st.data())
def test_neither_order_nor_names_decide(
    walls: dict[str, Interval], limit_ns: int, data: st.DataObject
) -> None:
    """Nodes and sources called otherwise, and listed otherwise, fare the same."""
    letters = st.sampled_from("abcd")
    sources = data.draw(st.dictionaries(st.sampled_from(sorted(walls)), st.one_of(st.none(), letters)))
    accepted = data.draw(st.dictionaries(st.sampled_from(sorted(walls)), st.frozensets(letters)))
    heard = claims(walls, {name: source for name, source in sources.items() if source}, 2_000)
    node = dict(zip(sorted(walls), data.draw(st.permutations(sorted(walls))), strict=True))
    source = dict(zip("abcd", data.draw(st.permutations("dcba")), strict=True))
    found = vote(walls, limit_ns, sources, accepted, heard)
    again = vote(
        {node[name]: walls[name] for name in data.draw(st.permutations(sorted(walls)))},
        limit_ns,
        {node[name]: followed and source[followed] for name, followed in reversed(sources.items())},
        {node[name]: [source[one] for one in held] for name, held in reversed(accepted.items())},
        [Witness(node[one.name], source[one.upstream], one.truth) for one in reversed(heard)],
    )
    assert (again.verdict, set(again.culprits)) == (found.verdict, {node[name] for name in found.culprits})
    assert set(again.disputed) == {node[name] for name in found.disputed}

"""Who is wrong: a majority vote on proven distances, or the admission that it cannot be known.

A node is guilty where it is provably further than the limit from more than half of the other voices. Culprits
are named only while those that remain are a strict majority: with two nodes, or two equal camps, nobody can
tell from offsets alone who is right, and nobody is named.

Fifty nodes that follow one wrong server are one witness, not fifty. Where the nodes follow three sources or
more, each source has one voice, shared by its followers, and nodes without a source have none. With fewer
sources no majority of them exists; then each node has a voice, but a camp that shares a source of its own is
not called wrong for being the smaller one, unless the others have more sources.

Whose sources are more is told by all upstreams that the daemons hold for right, and the other side's do not,
but never more than a side has nodes. Where the sources would convict half of the nodes or more, that is asked
first: those who hold as many for right as their accusers are no single witness, and one of whom nothing is
known may hold one more. Those who follow a source are
not called wrong by nodes all of which admit that they follow none.

What the time daemons claim is heard last. Where offsets alone name nobody and a majority of the upstreams
agrees on where true time lies, whoever is provably far from there is wrong. Where offsets accuse the very
clocks that the upstreams speak for, the majority may share one wrong source, and nobody is named.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

from skewmon.clock.testimony import Testimony, Witness, hear
from skewmon.model import Interval, Vote
from skewmon.text import exact

#: Two sources that disagree are one word against another; three can have a majority.
MIN_SOURCES = 3

#: More names than this do not help anybody who reads an alert.
MAX_NAMES = 5

NOBODY = Vote("none", (), "No pair is provably further apart than the limit.")

#: A whole voice is an integer: with a thousand nodes fractions alone would cost a tenth of a second.
Voices = Mapping[str, int | Fraction]


def vote(
    walls: Mapping[str, Interval],
    limit_ns: int,
    sources: Mapping[str, str | None] | None = None,
    accepted: Mapping[str, Collection[str]] | None = None,
    witnesses: Collection[Witness] = (),
    silent: Collection[str] = (),
) -> Vote:
    """Return the culprits among ``walls`` for pairs further apart than ``limit_ns``.

    ``sources`` maps a node to the upstream that it follows, or to None where it admits to follow none;
    nodes of which neither is known are left out of it. ``accepted`` maps a node to all upstreams that its
    daemon holds for right. ``witnesses`` are the clocks that claim to be right, on the axis of ``walls``.
    ``silent`` are sources whose followers are missing for a moment: they accuse nobody, and nobody wins a
    majority because they are away.
    """
    ballot = _by_offsets(walls, limit_ns, sources or {}, accepted or {}, silent)
    if ballot.verdict == "none":
        return ballot
    said = hear(witnesses)
    if said is not None:
        return _weighed(ballot, said, walls, limit_ns)
    upstreams = {witness.upstream for witness in witnesses}
    if ballot.verdict == "undetermined" and len(upstreams) == 1 and len(witnesses) < len(walls):
        return replace(ballot, evidence=f"{ballot.evidence} {_lone_word(witnesses)}")
    return ballot


def _by_offsets(
    walls: Mapping[str, Interval],
    limit_ns: int,
    sources: Mapping[str, str | None],
    accepted: Mapping[str, Collection[str]],
    silent: Collection[str],
) -> Vote:
    """Return what the measured distances say, with a voice a source or, where those are few, a node."""
    each_node = dict.fromkeys(walls, 1)
    opponents = voices_against(walls, limit_ns, each_node)
    if not any(opponents.values()):
        return NOBODY
    followed = {name: source for name, source in sources.items() if name in walls and source is not None}
    away = len(set(silent) - set(followed.values()))
    divided = len(set(followed.values())) + away >= MIN_SOURCES
    if divided:
        guilty = _guilty(walls, limit_ns, _shared_voices(walls, followed), away)
        own, others = _witnesses(guilty, followed, accepted)
        unknown = sum(name not in sources for name in guilty)
        if guilty and (len(guilty) * 2 < len(walls) or own + unknown < others):
            return Vote("named", guilty, _by_source(guilty, followed, limit_ns))
        # A majority of the nodes has at least as many sources of its own: it is no single witness.
    guilty = _guilty(walls, limit_ns, each_node)
    own, others = _witnesses(guilty, followed, accepted)
    rival = _rival_source(guilty, followed)
    if rival and own >= others:
        return Vote("undetermined", (), _two_camps(guilty, rival), guilty)
    if _is_judged_by_the_lost(guilty, walls, sources):
        return Vote("undetermined", (), _by_the_lost(guilty, len(walls)), guilty)
    if guilty and (not divided or own < others or own == others == 0):
        return Vote("named", guilty, _by_node(guilty, walls, limit_ns))
    accused = sum(1 for count in opponents.values() if count)
    why = _by_no_more_sources(guilty) if guilty else _no_majority(accused, len(walls))
    return Vote("undetermined", (), why, guilty)


def _weighed(ballot: Vote, said: Testimony, walls: Mapping[str, Interval], limit_ns: int) -> Vote:
    """Return the ballot, or what the upstreams make of it."""
    wrong = tuple(name for name, wall in walls.items() if (wall - said.truth).proven_ns > limit_ns)
    if len(wrong) in {0, len(walls)} or set(wrong) & set(ballot.culprits):
        return ballot
    if not ballot.culprits:
        return Vote("named", wrong, _by_testimony(wrong, said, limit_ns))
    return Vote("undetermined", (), _against_testimony(ballot.culprits, said), ballot.culprits)


def voices_against(walls: Mapping[str, Interval], limit_ns: int, voices: Voices) -> dict[str, int | Fraction]:
    """Return for each node the voices provably further than ``limit_ns`` from it, in O(n log n)."""
    by_lower = sorted(walls, key=lambda name: walls[name].lower_ns)
    by_upper = sorted(walls, key=lambda name: walls[name].upper_ns)
    lowers = [walls[name].lower_ns for name in by_lower]
    uppers = [walls[name].upper_ns for name in by_upper]
    up_to_lower = list(accumulate((voices[name] for name in by_lower), initial=0))
    up_to_upper = list(accumulate((voices[name] for name in by_upper), initial=0))
    return {
        name: up_to_lower[-1]
        - up_to_lower[bisect_right(lowers, wall.upper_ns + limit_ns)]
        + up_to_upper[bisect_left(uppers, wall.lower_ns - limit_ns)]
        for name, wall in walls.items()
    }


def _guilty(walls: Mapping[str, Interval], limit_ns: int, voices: Voices, away: int = 0) -> tuple[str, ...]:
    """Return the nodes that more than half of the other voices accuse, while the rest keeps the majority.

    ``away`` voices are not heard now.
    """
    against = voices_against(walls, limit_ns, voices)
    total = sum(voices.values())
    guilty = tuple(name for name in walls if against[name] * 2 > total + away - voices[name])
    return guilty if sum(voices[name] for name in guilty) * 2 < total else ()


def _shared_voices(walls: Iterable[str], followed: Mapping[str, str]) -> Voices:
    """Return one voice for each source, shared by the nodes that follow it."""
    followers = Counter(followed.values())
    return {name: Fraction(1, followers[followed[name]]) if name in followed else 0 for name in walls}


def _witnesses(
    guilty: tuple[str, ...], followed: Mapping[str, str], accepted: Mapping[str, Collection[str]]
) -> tuple[int, int]:
    """Return how many witnesses the accused have, and how many the other nodes.

    A witness is a node with an upstream that no other witness has and the other side does not hold for right:
    what both sides hold for right explains nothing.
    """
    sides: dict[bool, list[str]] = {True: [], False: []}
    accused = set(guilty)
    for name in followed:
        sides[name in accused].append(name)
    own, others = (
        {source for name in sides[side] for source in (followed[name], *accepted.get(name, ()))}
        for side in (True, False)
    )
    return min(len(sides[True]), len(own - others)), min(len(sides[False]), len(others - own))


def _rival_source(guilty: tuple[str, ...], followed: Mapping[str, str]) -> str | None:
    """Return the source that two or more of the accused share and nobody else follows."""
    rivals = Counter(followed[name] for name in guilty if name in followed)
    outside = {source for name, source in followed.items() if name not in set(guilty)}
    return next((source for source, count in rivals.items() if count > 1 and source not in outside), None)


def _is_judged_by_the_lost(
    guilty: tuple[str, ...], walls: Iterable[str], sources: Mapping[str, str | None]
) -> bool:
    """Tell whether somebody who follows a source is accused by nodes that are all known to follow none."""
    others = [name for name in walls if name not in set(guilty)]
    nobody = all(name in sources and sources[name] is None for name in others)
    return nobody and any(sources.get(name) is not None for name in guilty)


def _by_the_lost(guilty: tuple[str, ...], nodes: int) -> str:
    return (
        f"{_names(guilty)} and the {nodes - len(guilty)} other nodes disagree, and those follow no source: "
        "who is wrong cannot be known from the nodes alone."
    )


def _by_node(guilty: tuple[str, ...], walls: Mapping[str, Interval], limit_ns: int) -> str:
    cleared = voices_against(walls, limit_ns, {name: int(name not in guilty) for name in walls})
    opponents, others = min(cleared[name] for name in guilty), len(walls) - len(guilty)
    which = "those that remain" if len(guilty) > 1 and opponents < others else "which"
    whom = f"{'both' if others == 2 else f'all {others}'} other nodes,"
    if opponents < others:
        # Several have different opponents, and may be each other's.
        whom = f"{opponents} of the {others} other nodes," if len(guilty) == 1 else "most other nodes, and"
    return f"{_who_are(guilty)} provably more than {exact(limit_ns)} from {whom} {which} are the majority."


def _by_no_more_sources(guilty: tuple[str, ...]) -> str:
    whom = "that one" if len(guilty) == 1 else "those"
    return (
        f"Most nodes are provably apart from {_names(guilty)}, but have no more sources than {whom}: "
        "who is wrong cannot be known from the nodes alone."
    )


def _by_source(guilty: tuple[str, ...], followed: Mapping[str, str], limit_ns: int) -> str:
    return (
        f"{_who_are(guilty)} provably more than {exact(limit_ns)} from the majority of the "
        f"{len(set(followed.values()))} sources that the nodes follow, each counted once."
    )


def _two_camps(guilty: tuple[str, ...], source: str) -> str:
    return (
        f"{_names(guilty)} and the other nodes disagree, and the source {source} has its followers "
        "in the smaller camp alone: which of the sources is wrong cannot be known from the nodes alone."
    )


def _by_testimony(wrong: tuple[str, ...], said: Testimony, limit_ns: int) -> str:
    return (
        f"{_who_are(wrong)} provably more than {exact(limit_ns)} from where {_upstreams(said)} place "
        f"true time ({_words(said.agreeing)}). The offsets alone name nobody."
    )


def _against_testimony(accused: tuple[str, ...], said: Testimony) -> str:
    whom = "it" if len(accused) == 1 else "them"
    return (
        f"The offsets alone accuse {_names(accused)}, but {_upstreams(said)} side with {whom} "
        f"({_words(said.agreeing)}): the nodes that accuse may share one wrong source."
    )


def _upstreams(said: Testimony) -> str:
    return f"{said.upstreams} of {said.heard} independent sources"


def _words(witnesses: Collection[Witness]) -> str:
    """Name each upstream once, by the first who speaks for it."""
    first = {witness.upstream: witness.name for witness in reversed(tuple(witnesses))}
    return _names(tuple(f"{name} by {upstream}" for upstream, name in reversed(first.items())))


def _lone_word(witnesses: Collection[Witness]) -> str:
    names, upstream = _names(tuple(witness.name for witness in witnesses)), next(iter(witnesses)).upstream
    claim = f"{names} claim{'s' if len(witnesses) == 1 else ''}"
    return f"Only {claim} to know the time, from {upstream}, and one source is no proof."


def _no_majority(accused: int, nodes: int) -> str:
    return f"{accused} of {nodes} nodes are provably apart, and no majority agrees on who is right."


def _who_are(names: tuple[str, ...]) -> str:
    return f"{_names(names)} {'is' if len(names) == 1 else 'are'}"


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:MAX_NAMES])
    return f"{shown} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown

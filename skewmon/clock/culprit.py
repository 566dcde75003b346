"""Who is wrong: a majority vote on proven distances, or the admission that it cannot be known.

A node is guilty where it is provably further than the limit from more than half of the other voices. Culprits
are named only while those that remain are a strict majority: with two nodes, or two equal camps, nobody can
tell from offsets alone who is right, and nobody is named.

Fifty nodes that follow one wrong server are one witness, not fifty. Where the nodes follow three sources or
more, each source has one voice, shared by its followers, and nodes without a source have none. With fewer
sources no majority of them exists; then each node has a voice, but a camp that shares a source of its own is
not called wrong for being the smaller one. Where the sources would convict half of the nodes or more, those
are no single witness if their daemons hold as many upstreams for right as their accusers' do. Nor are those
who follow a source called wrong by nodes none of which follows any.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from itertools import accumulate

from skewmon.model import Interval, Vote
from skewmon.units import span

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
) -> Vote:
    """Return the culprits among ``walls`` for pairs further apart than ``limit_ns``.

    ``sources`` maps a node to the upstream that it follows, or to None where it is known to follow none;
    nodes of which neither is known are left out of it. ``accepted`` maps a node to all upstreams that its
    daemon holds for right.
    """
    each_node = dict.fromkeys(walls, 1)
    opponents = voices_against(walls, limit_ns, each_node)
    if not any(opponents.values()):
        return NOBODY
    known = sources or {}
    followed = {name: source for name, source in known.items() if name in walls and source is not None}
    by_source = False
    if len(set(followed.values())) >= MIN_SOURCES:
        guilty = _guilty(walls, limit_ns, _shared_voices(walls, followed))
        balance = _balance(guilty, followed, accepted or {})
        if guilty and (len(guilty) * 2 < len(walls) or balance < 0):
            return Vote("named", guilty, _by_source(guilty, followed, limit_ns))
        # A majority of the nodes has at least as many sources of its own: then they are no single witness.
        by_source = not guilty or balance == 0
    if not by_source:
        guilty = _guilty(walls, limit_ns, each_node)
        rival = _rival_source(guilty, followed)
        if rival:
            return Vote("undetermined", (), _two_camps(guilty, rival))
        if _is_judged_by_the_lost(guilty, walls, known):
            return Vote("undetermined", (), _by_the_lost(guilty, len(walls)))
        if guilty:
            return Vote("named", guilty, _by_node(guilty, int(opponents[guilty[0]]), len(walls), limit_ns))
    accused = sum(1 for count in opponents.values() if count)
    return Vote("undetermined", (), _no_majority(accused, len(walls)))


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


def _guilty(walls: Mapping[str, Interval], limit_ns: int, voices: Voices) -> tuple[str, ...]:
    """Return the nodes that more than half of the other voices accuse, while the rest keeps the majority."""
    against = voices_against(walls, limit_ns, voices)
    total = sum(voices.values())
    guilty = tuple(name for name in walls if against[name] * 2 > total - voices[name])
    return guilty if sum(voices[name] for name in guilty) * 2 < total else ()


def _shared_voices(walls: Iterable[str], followed: Mapping[str, str]) -> Voices:
    """Return one voice for each source, shared by the nodes that follow it."""
    followers = Counter(followed.values())
    return {name: Fraction(1, followers[followed[name]]) if name in followed else 0 for name in walls}


def _balance(
    guilty: tuple[str, ...], followed: Mapping[str, str], accepted: Mapping[str, Collection[str]]
) -> int:
    """Return how many witnesses more the accused have than their accusers.

    A witness is a node with an upstream that no other witness has and the other side does not hold for right:
    what both sides hold for right explains nothing. Where that leaves neither side any, one is returned, for
    sources then tell nothing and each node is to have its voice.
    """
    sides: dict[bool, list[str]] = {True: [], False: []}
    for name in followed:
        sides[name in set(guilty)].append(name)
    own, others = (
        {source for name in sides[side] for source in (followed[name], *accepted.get(name, ()))}
        for side in (True, False)
    )
    ours, theirs = min(len(sides[True]), len(own - others)), min(len(sides[False]), len(others - own))
    return ours - theirs if ours or theirs else 1


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


def _by_node(guilty: tuple[str, ...], opponents: int, nodes: int, limit_ns: int) -> str:
    who = f"{_names(guilty)} {'is' if len(guilty) == 1 else 'are'}"
    others = nodes - len(guilty)
    all_of_them = "both" if others == 2 else f"all {others}"
    whom = all_of_them if opponents >= others else f"{opponents} of the {others}"
    return f"{who} provably more than {span(limit_ns)} from {whom} other nodes, which are the majority."


def _by_source(guilty: tuple[str, ...], followed: Mapping[str, str], limit_ns: int) -> str:
    return (
        f"{_names(guilty)}: provably more than {span(limit_ns)} from the majority of the "
        f"{len(set(followed.values()))} sources that the nodes follow, each counted once."
    )


def _two_camps(guilty: tuple[str, ...], source: str) -> str:
    return (
        f"{_names(guilty)} and the other nodes disagree, and the smaller camp shares the source {source}: "
        "which of the sources is wrong cannot be known from the nodes alone."
    )


def _no_majority(accused: int, nodes: int) -> str:
    return f"{accused} of {nodes} nodes are provably apart, and no majority agrees on who is right."


def _names(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:MAX_NAMES])
    return f"{shown} and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else shown

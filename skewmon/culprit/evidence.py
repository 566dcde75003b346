"""The evidence sentences: why a node is named, or why none is."""

from collections.abc import Collection, Sequence

from skewmon.culprit.camps import Camp, Others
from skewmon.culprit.last_step import LastStep
from skewmon.culprit.vote import Ballot, Voters
from skewmon.text import exact, names, span, utc

#: The admin box's name among the voters.
ADMIN_BOX = "the admin box"

#: Camps of one decision that are described: more sentences are not read in an alert.
MAX_CAMPS = 3

ALL_AGREE = "No pair is provably further apart than the limit."


def count_apart(ballot: Ballot) -> int:
    """Return how many nodes are proven beyond the line from another node."""
    nodes = {name: clock for name, clock in ballot.clocks.items() if name != ADMIN_BOX}
    others = Voters(nodes.values(), ballot.limit_ns)
    return sum(others.against(clock) > 0 for clock in nodes.values())


def no_majority(ballot: Ballot, apart: int) -> str:
    """Return the sentence for a vote in which the outliers are none, or half of the machines or more."""
    nodes = len(ballot.clocks.keys() - {ADMIN_BOX})
    found = f"{apart} of {nodes} nodes are provably apart, and no majority agrees on who is right."
    away = f"Not measured for a moment, and may disagree: {names(sorted(ballot.missing))}."
    return " ".join(filter(None, (found, away if ballot.missing else "", aliases(ballot))))


def of_camps(
    ballot: Ballot, culprits: Sequence[str], named: Sequence[Camp], disputed: Sequence[Camp], others: Others
) -> str:
    """Return the sentences for a vote with a majority, on the first few camps."""
    found = [_named(ballot, culprits)] if culprits else []
    found += [_weak_opponents(camp, others) for camp in named[:MAX_CAMPS]]
    found += [_disputed(camp, others, ballot.limit_ns) for camp in disputed[:MAX_CAMPS]]
    return " ".join(dict.fromkeys(filter(None, (*found, aliases(ballot)))))


def _named(ballot: Ballot, culprits: Sequence[str]) -> str:
    cleared = {name: clock for name, clock in ballot.clocks.items() if name not in ballot.outliers}
    others = Voters(cleared.values(), ballot.limit_ns)
    least = min(others.against(ballot.clocks[name]) for name in culprits)
    kind, which = "clocks" if ADMIN_BOX in cleared else "nodes", "which"
    if least == len(cleared):
        against = _all(cleared)
    elif len(culprits) == 1:
        against = f"{least} of the {len(cleared)} other {kind}"
    else:  # each may be beyond the line from different clocks
        against, which = f"most other {kind}", "and those that remain"
    are = "is" if len(culprits) == 1 else "are"
    return (
        f"{names(tuple(culprits))} {are} provably more than {exact(ballot.limit_ns)} from {against}, "
        f"{which} are the majority."
    )


def _all(cleared: Collection[str]) -> str:
    nodes = len(cleared) - (ADMIN_BOX in cleared)
    counted = {0: "", 1: "the other node", 2: "both other nodes"}.get(nodes, f"all {nodes} other nodes")
    return " and ".join(filter(None, (counted, ADMIN_BOX if ADMIN_BOX in cleared else "")))


def _weak_opponents(camp: Camp, others: Others) -> str:
    """Return a warning if all opponents of a named camp have no source, or only one that the camp has not."""
    opponents = others.opponents(camp)
    own, theirs = others.sources_of(camp.machines), others.sources_of(opponents)
    if own and not theirs:
        return "None of these has a known source, but the outlier has."
    if len(opponents) < 2 or len(theirs) != 1 or theirs <= own:
        return ""
    if any(others.sources_of([machine]) != theirs for machine in opponents):
        return ""
    return f"All of these have one source, {names(sorted(theirs))}, and would share its error."


def _disputed(camp: Camp, others: Others, limit_ns: int) -> str:
    """Return the sentence for two camps either of which may be right."""
    opponents = others.opponents(camp)
    against = sorted(name for machine in opponents for name in machine.names)
    own, theirs = others.sources_of(camp.machines), others.sources_of(opponents)
    return (
        f"{names(camp.names)} ({_sources(own)}) and {names(against)} ({_sources(theirs)}) are "
        f"provably more than {exact(limit_ns)} apart, and the larger camp has no more sources: which camp is "
        "right cannot be known from the nodes alone."
    )


def _sources(upstreams: frozenset[str]) -> str:
    if not upstreams:
        return "no known source"
    return f"{'source' if len(upstreams) == 1 else 'sources'} {names(sorted(upstreams))}"


def aliases(ballot: Ballot) -> str:
    """Return the sentence for nodes that are counted as one machine; nothing if each has one name."""
    same = [[name for name in machine.names if name != ADMIN_BOX] for machine in ballot.machines]
    found = [names(each) for each in sorted(same) if len(each) > 1]
    return " ".join(f"{each} show one boot id and have one vote." for each in found)


def moved(step: LastStep, base_wall_ns: int, limit_ns: int) -> str:
    """Return the sentence for a pair's last step; ``base_wall_ns`` is the wall time at the base's zero."""
    side = "forward" if step.size.estimate_ns > 0 else "backward"
    size, before = span(abs(step.size.estimate_ns)), utc(base_wall_ns + step.before_ns)
    return (
        f"A step of {step.name} explains its distance to {step.peer}: it jumped {side} by {size} before "
        f"{before}, and without that the two would agree to within {exact(limit_ns)}. "
        "It may have jumped to the right time."
    )

"""A cluster's last round, judged: all that the time until its next round is judged by."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from skewmon.alert.thresholds import STATES, Judgement, judge
from skewmon.model import ClusterView, Interval, Skew, Threshold, ThresholdKind, UtcState
from skewmon.model.record import VERDICTS, Line

NS_PER_MS = 1_000_000

#: The kinds of lines that a single round can judge, for a cluster and for its nodes.
JUDGED = frozenset(ThresholdKind) - STATES - {ThresholdKind.DRIFT, ThresholdKind.STEP}

#: The judgements of one subject by each line of its cluster.
Judgements = tuple[Judgement, ...]

#: A cluster's judgement is the first of these that one of its parts has.
WORST_FIRST = (Judgement.BREACH, Judgement.AMBIGUOUS, Judgement.OK)


@dataclass(frozen=True, slots=True)
class Standing:
    """A cluster's last round: all that the time until the next one is judged by.

    Judgements have one entry for each line, or none if every line is proven to hold; those of a node that was
    not measured are None.
    """

    at_ms: int
    verdict: int  # index in VERDICTS
    is_confirmed: bool  # UTC
    lines: tuple[Line, ...]
    cluster: Judgements
    nodes: Mapping[str, Judgements | None]

    @classmethod
    def of(cls, view: ClusterView) -> Self:
        """Return the standing of a round."""
        thresholds = [line for line in view.cluster.thresholds if line.kind in JUDGED]
        nodes = _judged_nodes(view, thresholds)
        return cls(
            view.at_ns // NS_PER_MS,
            VERDICTS.index(view.verdict),
            view.utc.state is UtcState.CONFIRMED,
            tuple(Line(line.kind, line.severity, line.limit_ns) for line in thresholds),
            _judged_cluster(view.skew, nodes.values(), thresholds),
            nodes,
        )


def _judged_nodes(view: ClusterView, lines: Sequence[Threshold]) -> dict[str, Judgements | None]:
    least_ns = min((line.limit_ns for line in lines), default=None)
    with_utc = any(line.kind == ThresholdKind.UTC for line in lines)
    confirmed = view.utc.state is UtcState.CONFIRMED
    judged = dict[str, Judgements | None]()
    for node in view.nodes:
        utc = node.utc_offset if confirmed else None
        if node.offset is None:
            judged[node.name] = None
        elif least_ns is None or (
            _is_nearer(node.offset, least_ns) and (not with_utc or _is_nearer(utc, least_ns))
        ):
            judged[node.name] = ()
        else:
            judged[node.name] = tuple(
                _judged(utc if line.kind == ThresholdKind.UTC else node.offset, line) for line in lines
            )
    return judged


def _is_nearer(offset: Interval | None, limit_ns: int) -> bool:
    return offset is not None and -limit_ns < offset.lower_ns and offset.upper_ns < limit_ns


def _judged(quantity: Interval | Skew | None, line: Threshold) -> Judgement:
    return Judgement.AMBIGUOUS if quantity is None else judge(quantity, line)


def _judged_cluster(
    skew: Skew | None, nodes: Collection[Judgements | None], lines: Sequence[Threshold]
) -> Judgements:
    """Judge a cluster: a line on nodes is passed if one node passes it, and holds if it holds for all."""
    unusual = [judgements for judgements in nodes if judgements != ()]
    judged = list[Judgement]()
    for number, line in enumerate(lines):
        found = {Judgement.AMBIGUOUS if one is None else one[number] for one in unusual} | {Judgement.OK}
        if line.kind == ThresholdKind.SKEW:
            missing = {Judgement.AMBIGUOUS} if None in unusual else set[Judgement]()
            found = {_judged(skew, line), *missing}
        judged.append(next(one for one in WORST_FIRST if one in found))
    return () if all(one is Judgement.OK for one in judged) else tuple(judged)

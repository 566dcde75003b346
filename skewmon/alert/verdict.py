"""The verdict on a cluster and on a pair after one round, against their lines."""

from collections.abc import Iterable, Mapping

from skewmon.alert.thresholds import Judgement, judge
from skewmon.model import Interval, PairVerdict, Skew, Threshold, ThresholdKind, Verdict

#: The lines that a single round can judge without history or claims.
JUDGED_AT_ONCE = (ThresholdKind.SKEW, ThresholdKind.AHEAD, ThresholdKind.BEHIND)

_PAIR_VERDICTS = {
    Judgement.BREACH: PairVerdict.BREACH,
    Judgement.OK: PairVerdict.OK,
    Judgement.AMBIGUOUS: PairVerdict.AMBIGUOUS,
}


def cluster_verdict(
    thresholds: Iterable[Threshold], skew: Skew | None, offsets: Mapping[str, Interval], nodes: int
) -> Verdict:
    """Return the worst verdict that holds, in the order critical, warning, unknown, ambiguous, ok.

    A proven breach is reported even if nodes are missing. If a node was not measured, or there is no pair to
    compare, the verdict is never ok.
    """
    judgements = [
        (line.severity, judgement)
        for line in thresholds
        if line.kind in JUDGED_AT_ONCE
        for judgement in _judgements(line, skew, offsets)
    ]
    breached = {severity for severity, judgement in judgements if judgement is Judgement.BREACH}
    for severity, verdict in (("critical", Verdict.CRITICAL), ("warning", Verdict.WARNING)):
        if severity in breached:
            return verdict
    if skew is None or len(offsets) < nodes:
        return Verdict.UNKNOWN
    ambiguous = any(judgement is Judgement.AMBIGUOUS for _, judgement in judgements)
    return Verdict.AMBIGUOUS if ambiguous else Verdict.OK


def skew_lines(thresholds: Iterable[Threshold]) -> list[Threshold]:
    """Return the lines on the skew of pairs, lowest first."""
    return sorted(
        (line for line in thresholds if line.kind == ThresholdKind.SKEW), key=lambda line: line.limit_ns
    )


def vote_limit_ns(thresholds: Iterable[Threshold], skew: Skew | None) -> int | None:
    """Return the lowest skew line: a node that is provably beyond it from a majority is a culprit.

    None if there is nothing to vote on: no skew line, or none that the skew provably passes.
    """
    lines = skew_lines(thresholds)
    return lines[0].limit_ns if lines and skew is not None and skew.lower_ns > lines[0].limit_ns else None


def pair_verdict(offset: Interval, lines: list[Threshold]) -> PairVerdict:
    """Return the verdict on a pair against the lowest skew line; unknown if there is none."""
    return _PAIR_VERDICTS[judge(offset, lines[0])] if lines else PairVerdict.UNKNOWN


def _judgements(line: Threshold, skew: Skew | None, offsets: Mapping[str, Interval]) -> list[Judgement]:
    if line.kind == ThresholdKind.SKEW:
        return [judge(skew, line)] if skew is not None else []
    return [judge(offset, line) for offset in offsets.values()]

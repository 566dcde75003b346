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
    thresholds: Iterable[Threshold],
    skew: Skew | None,
    offsets: Mapping[str, Interval],
    nodes: int,
    utc: Mapping[str, Interval] | None = None,
) -> Verdict:
    """Return the worst verdict that holds, in the order critical, warning, unknown, ambiguous, ok.

    A proven breach is reported even if nodes are missing. If a node was not measured, or there is no pair to
    compare, the verdict is never ok. ``utc`` are the offsets to confirmed UTC, empty while it is not
    confirmed; None if no references are configured, and then lines against UTC do not count.
    """
    lines = list(thresholds)
    judgements = [
        (line.severity, judgement)
        for line in lines
        if line.kind in JUDGED_AT_ONCE
        for judgement in _judgements(line, skew, offsets)
    ]
    against_utc = [] if utc is None else utc_lines(lines)
    judgements += [
        (line.severity, judge(offset, line)) for line in against_utc for offset in (utc or {}).values()
    ]
    breached = {severity for severity, judgement in judgements if judgement is Judgement.BREACH}
    for severity, verdict in (("critical", Verdict.CRITICAL), ("warning", Verdict.WARNING)):
        if severity in breached:
            return verdict
    utc_alone = nodes == 1 and bool(against_utc)  # a single clock can be compared with UTC
    if (skew is None and not utc_alone) or len(offsets) < nodes or (against_utc and len(utc or ()) < nodes):
        return Verdict.UNKNOWN
    ambiguous = any(judgement is Judgement.AMBIGUOUS for _, judgement in judgements)
    return Verdict.AMBIGUOUS if ambiguous else Verdict.OK


def skew_lines(thresholds: Iterable[Threshold]) -> list[Threshold]:
    """Return the lines on the skew of pairs, lowest first."""
    return sorted(
        (line for line in thresholds if line.kind == ThresholdKind.SKEW), key=lambda line: line.limit_ns
    )


def utc_lines(thresholds: Iterable[Threshold]) -> list[Threshold]:
    """Return the lines against UTC, lowest first."""
    return sorted(
        (line for line in thresholds if line.kind == ThresholdKind.UTC), key=lambda line: line.limit_ns
    )


def utc_limit_ns(thresholds: Iterable[Threshold], vote_ns: int | None) -> int | None:
    """Return the line against UTC beyond which a clock is wrong: the lowest one.

    If the nodes vote, their line counts, too: UTC has to explain which of them are apart.
    """
    limits = [line.limit_ns for line in utc_lines(thresholds)] + ([] if vote_ns is None else [vote_ns])
    return min(limits, default=None)


def line_against_utc_ns(thresholds: Iterable[Threshold]) -> int | None:
    """Return the line for a cluster that is off UTC as a whole: the lowest against UTC, or else on skew."""
    lines = list(thresholds)
    return next((line.limit_ns for line in (*utc_lines(lines), *skew_lines(lines))), None)


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

"""The JSON contract as types, and the rules by which it is drawn: one verdict sentence, one order of nodes.

The table, the page, `watch` and the Nagios line are all drawn from this document. docs/status.schema.json
describes it for machines.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from typing_extensions import TypedDict

from skewmon.alert.messages import sentence as following
from skewmon.alert.thresholds import Judgement, judge
from skewmon.alert.verdict import skew_lines
from skewmon.export.claims import ClaimStatus
from skewmon.export.utc_words import NO_UTC_WORDS, UtcWords
from skewmon.export.vantage_status import VantageStatus
from skewmon.model import (
    NS_PER_S,
    CulpritVerdict,
    Interval,
    Skew,
    Threshold,
    ThresholdKind,
    UtcState,
    Verdict,
)
from skewmon.text import at_least, at_most, exact, names


class IntervalStatus(TypedDict):
    """An estimate, and the ends of the interval that contains the truth."""

    seconds: float
    lower: float
    upper: float


class WorstPairStatus(IntervalStatus):
    """The pair that is provably furthest apart; the first node minus the second."""

    node: str
    peer: str


class PairStatus(WorstPairStatus):
    """One pair and its state against the lowest skew threshold."""

    verdict: str


class RoundStatus(TypedDict):
    """The round that the rest is from."""

    at: str
    duration_seconds: float
    nodes: int
    measured: int


class ThresholdStatus(TypedDict):
    """A threshold in force; ``limit`` is in seconds, of a drift in seconds per second, of a state 0."""

    kind: str
    severity: Literal["warning", "critical"]
    limit: float
    for_seconds: float
    clear_for_seconds: float


class FindingStatus(TypedDict):
    """A finding and the command to type next."""

    kind: str
    severity: str
    message: str
    next: str | None


class DriftStatus(TypedDict):
    """The rate of an offset, in seconds per second."""

    ratio: float
    lower: float
    upper: float


class OscillatorStatus(TypedDict):
    """The bounds of an oscillator's rate, in seconds per second; ``ageing_seconds`` while it is unknown."""

    lower: float
    upper: float
    ageing_seconds: float | None


class PassingStatus(TypedDict):
    """When a drift passes a skew threshold, in seconds from now; None: perhaps never."""

    seconds: float
    earliest_seconds: float
    latest_seconds: float | None


class ForecastStatus(TypedDict):
    """Which thresholds a drift leads to."""

    direction: str
    discipline: str
    thresholds: list[PassingStatus]
    message: str | None


class UtcStatus(TypedDict):
    """Whether UTC is known in a round, and why it is not confirmed."""

    state: UtcState
    reason: str | None


class ReferenceStatus(TypedDict):
    """One time server that is queried for UTC; ``offset`` is its time minus the UTC that all agree on."""

    name: str
    address: str
    success: bool
    reason: str | None
    offset: IntervalStatus | None
    round_trip_seconds: float | None
    stratum: int | None
    upstream: str | None
    falseticker: bool
    rejected: dict[str, int]


class NodeStatus(TypedDict):
    """One node; a node that was not measured has a reason and a detail, and no offset.

    ``axis`` is the vantage that it is measured from, and null for the admin box; ``axis_offset`` is the
    offset there, to the median of the cluster's nodes on that axis.
    """

    name: str
    address: str
    measured: bool
    reason: str | None
    detail: str | None
    probe: str | None
    offset: IntervalStatus | None
    admin_offset: IntervalStatus | None
    axis: str | None
    axis_offset: IntervalStatus | None
    utc_offset: IntervalStatus | None
    round_trip_seconds: float | None
    samples: int
    last_success: str | None
    drift: DriftStatus | None
    oscillator: OscillatorStatus | None
    forecast: ForecastStatus | None
    steps: int
    timesync: ClaimStatus | None
    findings: list[FindingStatus]


class ClusterHead(TypedDict):
    """One cluster without its nodes: the part that a stream sends every round."""

    name: str
    verdict: Verdict
    message: str
    skew: IntervalStatus | None
    worst_pair: WorstPairStatus | None
    culprits: list[str]
    culprit_verdict: CulpritVerdict
    culprit_evidence: str | None
    utc: UtcStatus
    round: RoundStatus


class ClusterStatus(ClusterHead):
    """One cluster with its nodes in the order of the configuration; ``axis`` is that of the reference."""

    interval_seconds: float
    thresholds: list[ThresholdStatus]
    axis: str | None
    vantages: list[VantageStatus]
    nodes: list[NodeStatus]
    pairs: list[PairStatus]
    findings: list[FindingStatus]


class StatusHead(TypedDict):
    """The part that speaks for all clusters."""

    schema: int
    time: str
    version: str
    verdict: Verdict


class Summary(StatusHead):
    """The document without nodes, pairs, thresholds and findings."""

    clusters: list[ClusterHead]


class Status(StatusHead):
    """The whole document."""

    clusters: list[ClusterStatus]
    references: list[ReferenceStatus]


def ns(seconds: float) -> int:
    """Return seconds of the document as nanoseconds."""
    return round(seconds * NS_PER_S)


def interval(ends: IntervalStatus) -> Interval:
    """Return the interval between two ends."""
    return Interval(ns(ends["lower"]), ns(ends["upper"]))


def elapsed_s(earlier: str, later: str) -> float:
    """Return the seconds between two instants of the document."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def skew_thresholds(thresholds: Sequence[ThresholdStatus]) -> tuple[Threshold, ...]:
    """Return the thresholds on the skew, lowest first."""
    found = (one for one in thresholds if one["kind"] == ThresholdKind.SKEW)
    return tuple(skew_lines(Threshold(one["severity"], ns(one["limit"])) for one in found))


def worst_first(cluster: ClusterStatus) -> list[NodeStatus]:
    """Return culprits, unmeasured nodes and the rest, each provably furthest from the reference first."""
    culprits = frozenset(cluster["culprits"])

    def rank(node: NodeStatus) -> tuple[int, int, int, str]:
        offset = interval(node["offset"]) if node["offset"] else Interval(0, 0)
        group = 0 if node["name"] in culprits else 1 if node["offset"] is None else 2
        return group, -offset.proven_ns, -abs(offset.estimate_ns), node["name"]

    return sorted(cluster["nodes"], key=rank)


def sentence(
    head: ClusterHead,
    thresholds: Sequence[ThresholdStatus],
    missing: Sequence[str],
    utc: UtcWords = NO_UTC_WORDS,
) -> str:
    """Return the verdict on a cluster in one or two sentences; ``missing`` nodes were not measured."""
    text = _proven(head, skew_thresholds(thresholds), utc)
    away = f"Not measured: {names(missing)}." if missing else ""
    named = utc.breached and (head["culprit_evidence"] or "") in text  # by UTC, which the evidence says
    return " ".join(filter(None, (text, away, "" if named else utc.text)))


def _proven(head: ClusterHead, lines: Sequence[Threshold], utc: UtcWords) -> str:
    if head["skew"] is None:
        if head["round"]["nodes"] == 1:
            return "One node has no other to be compared with; name two or more."
        return "Fewer than two nodes were measured, so no skew is known."
    skew = Skew(*(ns(head["skew"][key]) for key in ("seconds", "lower", "upper")))
    apart = any(judge(skew, line) is Judgement.BREACH for line in lines)
    if head["verdict"] in (Verdict.WARNING, Verdict.CRITICAL) and (apart or not utc.breached):
        return _breach(head, skew)
    unclear = [line for line in lines if judge(skew, line) is Judgement.AMBIGUOUS]
    if unclear:
        return (
            f"The clocks are between {at_least(skew.lower_ns)} and {at_most(skew.upper_ns)} apart, and the "
            f"{unclear[0].severity} line of {exact(unclear[0].limit_ns)} lies in between: "
            "more cannot be proven over this network."
        )
    beyond = f", below the line of {exact(lines[0].limit_ns)}" if lines else ""
    return (
        f"The {head['round']['measured']} clocks measured agree to within {at_most(skew.upper_ns)}{beyond}."
    )


def _breach(head: ClusterHead, skew: Skew) -> str:
    text = f"The clocks are at least {at_least(skew.lower_ns)} apart"
    if head["worst_pair"] and skew.lower_ns:
        text += f": {_worst_pair(head['worst_pair'], head['culprits'])}"
    evidence = head["culprit_evidence"] or ""
    return f"{text}." if head["culprit_verdict"] == CulpritVerdict.NONE else f"{text}.{following(evidence)}"


def _worst_pair(pair: WorstPairStatus, culprits: Sequence[str]) -> str:
    """Return which clock is ahead of which, the wrong one first."""
    ahead, behind = (pair["node"], pair["peer"]) if pair["seconds"] > 0 else (pair["peer"], pair["node"])
    return f"{behind} is behind {ahead}" if behind in culprits else f"{ahead} is ahead of {behind}"

"""The words that rules on business clocks ask for, next to the figures that answer them."""

from skewmon.cli.reporting.texts import NS_PER_MS, duration
from skewmon.journal.record.figures import ClusterFigures
from skewmon.model import ThresholdKind
from skewmon.text import at_least, at_most

#: For each profile, paragraphs; ``{excesses}`` stands for the figures of the span.
_STATEMENTS = {
    "finra": """
        FINRA Rule 4590, Synchronization of Member Business Clocks: clocks that record events in NMS
        securities, standardized options and OTC equity securities must be within 50 ms of the clock
        of NIST. The tolerance includes (1) the difference between the NIST standard and the time
        provider's clock, (2) the transmission delay from the source, and (3) the drift of the
        member's clock.

        The bounds in this report include all three: the error that the references claim of
        themselves, the whole round trips to references and nodes, and the age of every reading. A
        clock counts as beyond the line only if no value within its bounds is inside it, and as
        within only if all are.

        Supplementary Material .01 asks for a log of the synchronizations and their results, with
        notice of any time at which a clock drifts more than the tolerance. The excesses below are
        that notice: {excesses}. The log of synchronizations is that of each node's time daemon. SEC
        Rule 17a-4(b) says how long both are to be kept; the record keeps hours for five years
        unless it is configured otherwise.

        FINRA Rule 6820, Clock Synchronization for the Consolidated Audit Trail, has the same
        tolerance for clocks of Industry Members, and 1 s for those used solely for manual order
        events or the time of allocation. It asks for logs of five years and for certification.
    """,
    "mifid": """
        MiFID II, Commission Delegated Regulation (EU) 2017/574 (RTS 25): business clocks are to be
        synchronized with UTC, and their divergence from it is limited by the Annex: 1 ms for most
        trading, 100 us for high-frequency trading and for venues with a latency of 1 ms or less
        from gateway to gateway, 1 s for voice trading. The obligation has moved to Article 22c of
        MiFIR, Regulation (EU) No 600/2014; check which delegated regulation is in force.

        Divergence from UTC in this span: {excesses}. A line within the bounds of the measurement is
        ambiguous, which proves neither compliance nor a breach; over a far path, 1 ms cannot be
        proven.

        Article 4 asks for a system of traceability to UTC: its design, functioning and
        specifications documented, the point at which timestamps are applied identified and shown to
        be consistent, and a review at least once a year. This report documents the measurement: the
        references, the digest of the configuration, and the chain of seals over every figure. It is
        about the system clock of each node; the point at which an application applies its
        timestamps is not visible to skewmon.
    """,
}


def statement(cluster: ClusterFigures) -> list[str]:
    """Return the paragraphs for the rule of a cluster's profile; none for other profiles."""
    text = _STATEMENTS.get(cluster.profile or "")
    if text is None:
        return []
    paragraphs = [" ".join(one.split()) for one in text.format(excesses=_excesses(cluster)).split("\n\n")]
    return [*paragraphs, _confirmed(cluster)]


def _excesses(cluster: ClusterFigures) -> str:
    if not any(one.line.kind == ThresholdKind.UTC for one in cluster.lines):
        return "no line against UTC was in force, so none could be proven"
    figures = [
        (node.name, one) for node in cluster.nodes for one in node.lines if one.line.kind == ThresholdKind.UTC
    ]
    beyond = {name: one.at_least_ms for name, one in figures if one.at_least_ms}
    if not beyond:
        open_ns = NS_PER_MS * max((one.at_most_ms for _, one in figures), default=0)
        return (
            f"no clock was proven beyond the line; of one it is not excluded for {at_most(open_ns)} at most"
        )
    clocks = "1 clock was" if len(beyond) == 1 else f"{len(beyond)} clocks were"
    longest = at_least(NS_PER_MS * max(beyond.values()))
    return f"{clocks} proven beyond a line against UTC, one of them for at least {longest}"


def _confirmed(cluster: ClusterFigures) -> str:
    confirmed_ms = cluster.row.confirmed_ms
    if not confirmed_ms:
        return "UTC was not confirmed at any time of this span, so nothing in it is proven against UTC."
    return (
        f"UTC was confirmed by a majority of references for {duration(confirmed_ms)} of "
        f"{duration(cluster.span_ms)}."
    )

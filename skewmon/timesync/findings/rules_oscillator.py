"""Findings about oscillators that are proven to run fast or slow: the nodes', and the admin box's own.

Rates are measured against the admin box's oscillator, so one that is off makes all nodes look off. Then their
wall clocks, which time daemons hold, run away from it at the same rate; those of a node with a bad oscillator
do not, since its daemon corrects them.
"""

from collections.abc import Collection, Iterator, Sequence

from skewmon.model import Finding, FindingKind, Interval
from skewmon.text import names
from skewmon.timesync.findings import advice
from skewmon.timesync.findings.catalogue import finding
from skewmon.timesync.findings.evidence import NodeEvidence

#: Two good crystals run apart by less than this: each is within ±50 ppm.
OFF_PPB = 100_000

LIKELY = "a badly calibrated TSC of a virtual machine, or a failing crystal"


def base_rate_ppb(nodes: Collection[NodeEvidence]) -> Interval | None:
    """Return the rate that most nodes have in common because the admin box's oscillator is off, else None.

    One node is enough if a time daemon holds its wall clock; otherwise two at least.
    """
    known = [node for node in nodes if node.rate_ppb is not None]
    for ahead in (True, False):
        off = [node for node in known if _are_off(node, ahead=ahead)]
        if len(off) * 2 <= len(known) or not (len(off) > 1 or _is_held(off)):
            continue
        common = _median([node.rate_ppb for node in off if node.rate_ppb is not None])
        sharing = [node for node in off if node.rate_ppb and not _is_apart(node.rate_ppb, common)]
        if len(sharing) * 2 > len(known):
            return common
    return None


def oscillator_rules(node: NodeEvidence, base_ppb: Interval | None) -> Iterator[Finding]:
    """Yield the finding about a node whose oscillator is off, beyond the rate that all nodes share."""
    if node.rate_ppb is None:
        return
    rate_ppb = node.rate_ppb if base_ppb is None else node.rate_ppb - base_ppb
    if rate_ppb.proven_ns > OFF_PPB:
        against = "the admin box's" if base_ppb is None else "the other nodes'"
        yield finding(
            FindingKind.OSCILLATOR_OFF,
            f"The oscillator of {node.name} runs {_ppm(rate_ppb)} against {against}: {LIKELY}",
            advice.oscillator(node),
        )


def base_rules(nodes: Sequence[NodeEvidence], base_ppb: Interval | None) -> Iterator[Finding]:
    """Yield the finding about the admin box's own oscillator."""
    if base_ppb is None:
        return
    known = [node.name for node in nodes if node.rate_ppb is not None]
    yield finding(
        FindingKind.OSCILLATOR_OFF,
        f"The oscillator of the admin box runs {_ppm(-base_ppb)} against those of {names(known)}, and their "
        f"wall clocks: {LIKELY}; no offset between nodes is affected",
        advice.ADMIN_OSCILLATOR,
    )


def _is_off(rate_ppb: Interval | None, *, ahead: bool) -> bool:
    """Whether a rate is proven to be off, ahead or behind."""
    if rate_ppb is None:
        return False
    return rate_ppb.lower_ns > OFF_PPB if ahead else rate_ppb.upper_ns < -OFF_PPB


def _are_off(node: NodeEvidence, *, ahead: bool) -> bool:
    """Whether both clocks of a node are off; the wall clock runs like the oscillator if nothing is known."""
    return _is_off(node.rate_ppb, ahead=ahead) and _is_off(node.wall_rate_ppb or node.rate_ppb, ahead=ahead)


def _is_held(nodes: Sequence[NodeEvidence]) -> bool:
    return any(node.status is not None and node.status.synchronized for node in nodes)


def _is_apart(rate_ppb: Interval, common: Interval) -> bool:
    return (rate_ppb - common).proven_ns > OFF_PPB


def _median(rates_ppb: Sequence[Interval]) -> Interval:
    return sorted(rates_ppb, key=lambda rate: rate.estimate_ns)[(len(rates_ppb) - 1) // 2]


def _ppm(rate_ppb: Interval) -> str:
    """Return a rate with both ends, rounded outwards: ``296 to 304 ppm fast``."""
    slow = rate_ppb.upper_ns < 0
    ends = -rate_ppb if slow else rate_ppb
    return f"{ends.lower_ns // 1000} to {-(-ends.upper_ns // 1000)} ppm {'slow' if slow else 'fast'}"

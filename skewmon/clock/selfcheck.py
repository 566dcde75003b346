"""Truths that hold in production, checked in every round.

MONOTONIC_RAW belongs to a kernel. Two nodes that show one boot_id are one kernel, so their oscillators must
agree; a node with the admin box's own boot_id reads the base itself, so its oscillator offset must be zero.
A round that says otherwise has an interval that misses the truth: a defect of skewmon, or a node that lies.
"""

from collections.abc import Iterable

from skewmon.model import Axis, Interval, Measured

#: A container may live in a time namespace, which shifts RAW by a constant: far more than any bound, and no
#: news about it.
NAMESPACE_SHIFT_NS = 1_000_000_000

CANARY = "canary"
ONE_KERNEL = "one-kernel"
CHECKS = (CANARY, ONE_KERNEL)


def contradictions(measured: Iterable[Measured], own_boot_id: str) -> list[str]:
    """Return the check that each contradiction of a round failed; empty if there is none.

    Nodes that are measured from a vantage are compared there; the vantage may be one of them.
    """
    kernels: dict[tuple[Axis | None, str], list[Interval]] = {}
    for one in measured:
        seen, axis = one.local or one, one.local.axis if one.local else None
        boot_id = seen.burst.program.boot_id
        if boot_id and seen.estimate.oscillator is not None:
            kernels.setdefault((axis, boot_id), []).append(seen.estimate.oscillator)
    found = list[str]()
    for (axis, boot_id), intervals in kernels.items():
        if boot_id == (axis.boot_id if axis else own_boot_id):
            found += [CANARY for interval in intervals if _missed(interval)]
        gap = max(i.lower_ns for i in intervals) - min(i.upper_ns for i in intervals)
        if 0 < gap < NAMESPACE_SHIFT_NS:
            found.append(ONE_KERNEL)
    return found


def _missed(oscillator: Interval) -> bool:
    return 0 < oscillator.proven_ns < NAMESPACE_SHIFT_NS

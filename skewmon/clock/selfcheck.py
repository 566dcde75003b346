"""Truths that hold in production, checked in every round.

MONOTONIC_RAW belongs to a kernel. Two nodes that show one boot_id are one kernel, so their oscillators must
agree; a node with the admin box's own boot_id reads the base itself, so its oscillator offset must be zero.
A round that says otherwise has an interval that misses the truth: a defect of skewmon, or a node that lies.
"""

from collections.abc import Iterable

from skewmon.model import Interval, Measured

#: A container may live in a time namespace, which shifts RAW by a constant: far more than any bound, and no
#: news about it.
NAMESPACE_SHIFT_NS = 1_000_000_000

CANARY = "canary"
ONE_KERNEL = "one-kernel"
CHECKS = (CANARY, ONE_KERNEL)


def contradictions(measured: Iterable[Measured], own_boot_id: str) -> list[str]:
    """Return the check that each contradiction of a round failed; empty if there is none."""
    kernels: dict[str, list[Interval]] = {}
    for one in measured:
        boot_id = one.burst.program.boot_id
        if boot_id and one.estimate.oscillator is not None:
            kernels.setdefault(boot_id, []).append(one.estimate.oscillator)
    found = [CANARY for interval in kernels.get(own_boot_id, ()) if _missed(interval)]
    for intervals in kernels.values():
        gap = max(i.lower_ns for i in intervals) - min(i.upper_ns for i in intervals)
        if 0 < gap < NAMESPACE_SHIFT_NS:
            found.append(ONE_KERNEL)
    return found


def _missed(oscillator: Interval) -> bool:
    return 0 < oscillator.proven_ns < NAMESPACE_SHIFT_NS

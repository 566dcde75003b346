"""The truths that every round is held against."""

from dataclasses import replace

from skewmon.clock.selfcheck import CANARY, ONE_KERNEL, contradictions
from skewmon.model import Burst, Estimate, Exchange, Interval, Measured, Program

HERE = "11111111-2222-3333-4444-555555555555"
THERE = "66666666-7777-8888-9999-000000000000"


def measured(boot_id: str, lower_ns: int, upper_ns: int) -> Measured:
    exchange = Exchange(
        sent_ns=0, received_ns=100, real_in_ns=50, real_out_ns=50, raw_in_ns=50, raw_out_ns=50
    )
    burst = Burst(Program("python3", boot_id=boot_id), (exchange,))
    interval = Interval(lower_ns, upper_ns)
    return Measured(burst, Estimate(0, interval, 100, 1, oscillator=interval, correction=Interval(0, 0)))


def test_rounds_without_contradiction_find_none() -> None:
    """A canary whose interval holds zero, and two names of one kernel that agree, are in order."""
    assert (
        contradictions([measured(HERE, -10, 5), measured(THERE, 90, 99), measured(THERE, 95, 120)], HERE)
        == []
    )


def test_a_canary_that_misses_zero_is_found() -> None:
    """The admin box's own RAW is the base; an interval without zero misses the truth."""
    assert contradictions([measured(HERE, 1, 5)], HERE) == [CANARY]


def test_two_names_of_one_kernel_that_disagree_are_found() -> None:
    """One kernel has one RAW; intervals that do not meet cannot both hold it."""
    assert contradictions([measured(THERE, 0, 5), measured(THERE, 6, 9)], HERE) == [ONE_KERNEL]


def test_time_namespaces_and_nodes_without_raw_are_not_compared() -> None:
    """A constant shift of seconds is a time namespace; without RAW there is nothing to compare."""
    shifted = measured(HERE, 5_000_000_000, 5_000_000_100)
    blind = measured(HERE, 1, 5)
    blind = replace(blind, estimate=replace(blind.estimate, oscillator=None))
    assert contradictions([shifted, blind], HERE) == []

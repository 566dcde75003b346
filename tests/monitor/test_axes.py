"""Rounds over sites with vantages: nothing misses the truth, and bounds are as near as the vantage."""

from random import Random
from statistics import median

import pytest

from skewmon.model import NS_PER_S, ClusterView, Measured
from skewmon.monitor.state import MonitorState
from tests.clock.simulator import MS, PPM, SLEW_LIMIT_PPT, US, Slew, Step, one_sided, queueing
from tests.monitor.sites import START_NS, Site, Sites, misses, round_of


def three_sites(seed: int, nodes: int = 5) -> Sites:
    """Return sites at 0, 40 and 150 ms, whose oscillators run apart by up to 300 ppm."""
    dice = Random(seed)
    rates = [dice.randrange(-300 * PPM, 300 * PPM) for _ in range(2)]
    return Sites(
        [
            Site(seed, "", queueing(dice, 100 * US, 100 * US, 20 * US), nodes),
            Site(seed + 1, "eu", one_sided(dice, 20 * MS, 6 * MS, forward=True), nodes, rate_ppt=rates[0]),
            Site(seed + 2, "ap", queueing(dice, 149 * MS, MS, 300 * US), nodes, rate_ppt=rates[1]),
        ]
    )


def disturb(sites: Sites, dice: Random, until_ns: int) -> None:
    """Let one clock be stepped and another be slewed at the limit within the coming round, or before it."""
    names = dice.sample(list(sites.machines), 2)
    moment_ns = sites.at_ns + dice.randrange(until_ns - sites.at_ns + 2 * NS_PER_S)
    size_ns = dice.choice([-1, 1]) * dice.choice([200 * US, 5 * MS, 70 * MS, NS_PER_S])
    sites.machines[names[0]].schedule(moment_ns, Step(size_ns))
    slewed = sites.machines[names[1]]
    slew = 0 if slewed.slew_ppt else dice.choice([-1, 1]) * SLEW_LIMIT_PPT
    slewed.schedule(moment_ns + dice.randrange(-(sites.at_ns - slewed.at_ns) or 1, NS_PER_S), Slew(slew))


async def run_sites(seed: int, rounds: int, *, calm: bool = False) -> list[ClusterView]:
    """Run rounds over three sites and check each against the truth."""
    sites, state, dice, views = three_sites(seed), MonitorState(), Random(seed), list[ClusterView]()
    for number in range(rounds):
        until_ns = START_NS + number * 15 * NS_PER_S
        if number and not calm:
            disturb(sites, dice, until_ns)
        sites.rest(until_ns)
        (view,) = (await round_of(sites.cluster, sites.sweep(), state)).views
        assert not misses(view, sites), (seed, number)
        views.append(view)
    return views


@pytest.mark.parametrize("seed", range(3))
async def test_no_bound_misses_the_truth_while_clocks_are_stepped_and_slewed(seed: int) -> None:
    """Of nodes on their axes and on the base, of pairs within and across sites, and of the skew."""
    await run_sites(100 * seed, 12)


@pytest.mark.prove
@pytest.mark.timeout(3600)
async def test_no_bound_misses_the_truth_in_a_thousand_rounds() -> None:
    """The same, for longer: 15,000 bursts."""
    for seed in range(50):
        await run_sites(1_000 * seed, 20)


async def test_pairs_within_a_site_are_as_tight_as_there() -> None:
    """At 40 and 150 ms as beside the admin box; and pairs across sites as wide as the paths."""
    views = await run_sites(7, 6, calm=True)
    shown = {node.name: node.axis for node in views[-1].nodes}
    bounds: dict[tuple[str, str], list[int]] = {}
    for pair in views[-1].pairs:
        axes = sorted((shown[pair.node], shown[pair.peer]))
        bounds.setdefault((axes[0], axes[1]), []).append(pair.offset.bound_ns)
    near_ns = median(bounds["", ""])
    assert median(bounds["eu", "eu"]) < 1.5 * near_ns
    assert median(bounds["ap", "ap"]) < 1.5 * near_ns
    assert 10 * MS < median(bounds["", "eu"]) < 30 * MS
    assert 50 * MS < median(bounds["ap", "eu"]) < 130 * MS


async def test_a_vantage_makes_no_bound_wider() -> None:
    """The same exchanges with and without its stamps; but for the history that direct nodes have of the base.

    That history is worth some microseconds of these tens of milliseconds.
    """
    sites, with_stamps, without = three_sites(3), MonitorState(), MonitorState()
    for number in range(5):
        sites.rest(START_NS + number * 15 * NS_PER_S)
        sweep = sites.sweep()
        (narrow,) = (await round_of(sites.cluster, sweep, with_stamps)).views
        (wide,) = (await round_of(sites.cluster, sites.bare(sweep), without)).views
        assert narrow.skew is not None
        assert wide.skew is not None
        assert narrow.skew.upper_ns < 1.001 * wide.skew.upper_ns
        assert narrow.skew.lower_ns >= 0.999 * wide.skew.lower_ns
        for one, other in zip(narrow.nodes, wide.nodes, strict=True):
            assert isinstance(one.outcome, Measured)
            assert isinstance(other.outcome, Measured)
            assert one.outcome.estimate.wall.bound_ns < 1.001 * other.outcome.estimate.wall.bound_ns

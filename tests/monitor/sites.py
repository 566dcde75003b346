"""Simulated sites behind vantages: exchanges with the stamps of both, and the exact truth on every axis."""

import copy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from random import Random

from skewmon.clock.burst import estimate
from skewmon.errors import ProbeError
from skewmon.model import (
    NS_PER_S,
    Burst,
    Cluster,
    ClusterView,
    Exchange,
    Interval,
    Measured,
    Node,
    Outcome,
    VantageReading,
    VantageStamps,
)
from skewmon.monitor.round import Round, run_round
from skewmon.monitor.state import MonitorState
from skewmon.probe.sweep import Sweep
from tests.clock.simulator import TRILLION, US, Machine, Path, holds, queueing

START_NS = 10**15


def node(name: str) -> Node:
    """Return a node of this name."""
    return Node(name, f"{name}.example.com")


def stopped(machine: Machine) -> Machine:
    """Return a copy of a machine whose time goes on by itself."""
    twin = copy.copy(machine)
    twin._agenda = list(machine._agenda)
    return twin


def elapsed(machine: Machine, at_ns: int) -> int:
    """Return a machine's RAW at a coming instant of the base, in units of 1e-12 ns."""
    return at_ns * TRILLION + stopped(machine).truth(at_ns).oscillator_units


class Site:
    """Nodes beside a vantage, which is far from the admin box; without a label they are measured directly."""

    def __init__(self, seed: int, label: str, far: Path, nodes: int, **vantage: int | str) -> None:
        rng = Random(seed)
        self.label, self.far, self.rng = label, far, rng
        self.vantage = Machine(rng, network=far, **vantage)  # type: ignore[arg-type]  # rates and the like
        near = far if not label else queueing(rng, 60 * US, 60 * US, 10 * US)
        self.nodes = {
            f"{label or 'near'}-{number}": Machine(
                rng, network=near, rate_ppt=rng.randrange(-(10**8), 10**8), wall_ns=1_790_000_000 * NS_PER_S
            )
            for number in range(nodes)
        }
        for machine in self.nodes.values():
            machine._mono = 0

    def exchange(self, machine: Machine, departure_ns: int) -> tuple[Exchange, int]:
        """Return one exchange that leaves the admin box at an instant, and when its reply is back."""
        if not self.label:
            return machine.exchange(departure_ns)
        forward_ns, back_ns = self.far()
        passed_ns = departure_ns + forward_ns
        sent_ns = elapsed(self.vantage, passed_ns) // TRILLION
        seen, arrived_ns = machine.exchange(passed_ns)
        received_ns = -(-elapsed(self.vantage, arrived_ns) // TRILLION)
        back_ns += arrived_ns
        stamps = VantageStamps(sent_ns, received_ns)
        return replace(
            seen, sent_ns=departure_ns - 7, received_ns=back_ns + 7, vantage=stamps
        ), back_ns + 4096

    def burst(self, machine: Machine, start_ns: int, samples: int) -> tuple[Burst, int]:
        """Return some exchanges with a node, back to back, and when the last has ended.

        Through a vantage they are back to back there; all requests leave the admin box at once.
        """
        if not self.label:
            taken, ended_ns = machine.exchanges(start_ns, samples)
            return Burst(machine._program, taken), ended_ns + 4096
        passed_ns, ended_ns, stamped = start_ns + self.far()[0], 0, list[Exchange]()
        for _ in range(samples):
            sent_ns = elapsed(self.vantage, passed_ns) // TRILLION
            seen, passed_ns = machine.exchange(passed_ns)
            stamps = VantageStamps(sent_ns, -(-elapsed(self.vantage, passed_ns) // TRILLION))
            ended_ns = max(ended_ns, passed_ns + self.far()[1])
            stamped.append(replace(seen, sent_ns=start_ns - 7, received_ns=ended_ns + 7, vantage=stamps))
        return Burst(machine._program, tuple(stamped), vantage=self.label), ended_ns + 4096


@dataclass
class Sites:
    """An admin box and all its sites; time moves forward from round to round."""

    sites: list[Site]
    at_ns: int = START_NS
    truths: dict[str, int] = field(default_factory=dict)  # wall minus base at the common instant, in units
    twins: dict[str, Machine] = field(default_factory=dict)  # as of the end of the opening exchanges

    @property
    def machines(self) -> dict[str, Machine]:
        """All nodes by name."""
        return {name: machine for site in self.sites for name, machine in site.nodes.items()}

    @property
    def cluster(self) -> Cluster:
        """All nodes as one cluster."""
        return Cluster("c", tuple(map(node, self.machines)))

    def rest(self, until_ns: int) -> None:
        """Let time pass everywhere."""
        self.at_ns = until_ns
        for site in self.sites:
            for machine in (site.vantage, *site.nodes.values()):
                machine.rest_until(until_ns)

    def sweep(self, samples: int = 4) -> Sweep:
        """Measure all nodes once, beside each other."""
        bursts, readings, at_ns = dict[str, Burst](), dict[str, Burst](), 0
        vantages = {site.label: stopped(site.vantage) for site in self.sites if site.label}
        for site in self.sites:
            for name, machine in site.nodes.items():
                bursts[name], ended_ns = site.burst(machine, self.at_ns + 8192, samples)
                at_ns = max(at_ns, ended_ns)
                self.twins[name] = stopped(machine)
            self.twins[site.label] = stopped(site.vantage)
        for label, vantage in vantages.items():
            opening, ended_ns = vantage.exchanges(self.at_ns + 8192, 2)
            readings[label], at_ns = Burst(vantage._program, opening), max(at_ns, ended_ns)
        self.truths = {name: one.truth(at_ns).wall_units for name, one in self.machines.items()}
        for site in self.sites:
            for name, machine in site.nodes.items():
                closing, ended_ns = site.exchange(machine, at_ns + 8192)
                bursts[name] = replace(bursts[name], closing=closing)
                self.at_ns = max(self.at_ns, ended_ns)
        for label, vantage in vantages.items():
            closing, ended_ns = vantage.exchange(at_ns + 8192)
            readings[label] = replace(readings[label], closing=closing)
            self.at_ns = max(self.at_ns, ended_ns)
        streams = {site.label: len(site.nodes) for site in self.sites}
        outcomes = {name: outcome(burst, at_ns) for name, burst in bursts.items()}
        return Sweep(
            at_ns,
            Interval(0, 1_000),
            0.25,
            {node(name).endpoint: one for name, one in outcomes.items()},
            {label: VantageReading(label, burst, streams[label]) for label, burst in readings.items()},
            {node(name).endpoint: site.label for site in self.sites if site.label for name in site.nodes},
        )

    @staticmethod
    def bare(sweep: Sweep) -> Sweep:
        """Return a sweep as the admin box alone sees it."""
        outcomes = {
            endpoint: outcome(_without_stamps(one.burst), sweep.at_ns) if isinstance(one, Measured) else one
            for endpoint, one in sweep.outcomes.items()
        }
        return replace(sweep, outcomes=outcomes, vantages={}, vantage_of={})

    def local_truth(self, site: Site, name: str, at_ns: int) -> float:
        """Return a node's wall clock minus its vantage's RAW when that shows ``at_ns``, in nanoseconds."""
        vantage, machine = self.twins[site.label], stopped(self.twins[name])
        reached = vantage.at_ns * TRILLION + vantage.truth(vantage.at_ns).oscillator_units
        span = Fraction(at_ns * TRILLION - reached, TRILLION + vantage.rate_ppt)
        base_ns = vantage.at_ns + round(span)
        return (machine.truth(base_ns).wall_units - (reached - vantage.at_ns * TRILLION)) / TRILLION - float(
            (base_ns - vantage.at_ns) * Fraction(vantage.rate_ppt, TRILLION)
        )


def _without_stamps(burst: Burst) -> Burst:
    """Return a burst as the admin box alone sees it."""
    closing = burst.closing and replace(burst.closing, vantage=None)
    return Burst(burst.program, tuple(replace(one, vantage=None) for one in burst.opening), closing)


def outcome(burst: Burst, at_ns: int) -> Outcome:
    """Return the outcome of a burst, as a sweep does."""
    try:
        return Measured(burst, estimate(burst, at_ns))
    except ProbeError as error:
        return error.failed


class Canned:
    """A sweeper that returns a prepared sweep."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep

    async def sweep(self, *_: object) -> Sweep:
        """Return it."""
        return self._sweep


async def round_of(cluster: Cluster, sweep: Sweep, state: MonitorState) -> Round:
    """Run one round of a cluster over a prepared sweep."""
    links = {one.endpoint: one.name for one in cluster.nodes}
    return await run_round([cluster], links, Canned(sweep), state)  # type: ignore[arg-type]  # canned


def misses(view: ClusterView, sites: Sites) -> list[str]:
    """Return the nodes and pairs whose intervals do not contain the truth."""
    found, local, shown = list[str](), dict[str, float](), {one.name: one for one in view.nodes}
    for site in sites.sites:
        for name in site.nodes:
            measured = shown[name].outcome
            if not isinstance(measured, Measured):
                continue
            found += [] if holds(measured.estimate.wall, sites.truths[name]) else [name]
            if measured.local is not None:
                local[name] = sites.local_truth(site, name, measured.local.axis.at_ns)
                found += [] if contains(measured.local.estimate.wall, local[name]) else [f"{name} there"]
    truths = {name: truth / TRILLION for name, truth in sites.truths.items()}
    apart = [0.0]
    for pair in view.pairs:
        axis = shown[pair.node].axis
        line = local if axis and axis == shown[pair.peer].axis else truths
        distance = line[pair.node] - line[pair.peer]
        apart.append(abs(distance))
        found += [] if contains(pair.offset, distance) else [f"{pair.node} and {pair.peer}"]
    if view.skew is not None and not view.skew.lower_ns - 1 <= max(apart) <= view.skew.upper_ns + 1:
        found.append("skew")
    return found


def contains(interval: Interval, truth_ns: float) -> bool:
    """Whether a truth, computed to a nanosecond, is inside."""
    return interval.lower_ns - 1 <= truth_ns <= interval.upper_ns + 1

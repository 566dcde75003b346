"""Shared by the tests of the measurement: nodes of a fleet, one sweep over them, the truth."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from skewmon.errors import Reason
from skewmon.model import Failed, Measured, Node, Outcome, SshSettings
from skewmon.monitor.check import opened
from skewmon.probe.sweep import Sweep, Sweeper
from tests.fleet.scripted import ScriptedNode
from tests.fleet.sshd import Fleet, FleetNode

#: Long enough for every login on a busy machine, short enough for a test that goes wrong.
TIMEOUT_S = 20.0


def node_of(fleet: Fleet, node: FleetNode, **ssh: Any) -> Node:
    """Return a node of the fleet as a node of skewmon; keywords replace SSH settings."""
    settings = SshSettings(
        user=node.user,
        port=node.port,
        identities=(str(fleet.identity),),
        known_hosts=(str(fleet.known_hosts),),
    )
    return Node(node.name, node.address, replace(settings, **ssh))


def nodes_of(fleet: Fleet) -> list[Node]:
    """Return every node of the fleet."""
    return [node_of(fleet, node) for node in fleet.nodes]


def scripted(node: ScriptedNode, **ssh: Any) -> Node:
    """Return a scripted node as a node of skewmon."""
    settings = SshSettings(
        user=node.user,
        port=node.port,
        identities=(str(node.identity),),
        known_hosts=(str(node.known_hosts),),
    )
    return Node("scripted", node.address, replace(settings, **ssh))


async def measured_once(nodes: Iterable[Node], *, samples: int = 8, timeout_s: float = TIMEOUT_S) -> Sweep:
    """Log in to the nodes and measure them once."""
    async with opened(list(nodes), timeout_s) as links:
        return await Sweeper().sweep(links, samples)


async def outcome_of(node: Node, *, timeout_s: float = TIMEOUT_S) -> Outcome:
    """Return the outcome of one node on its own."""
    return in_order(await measured_once([node], timeout_s=timeout_s))[0]


def in_order(sweep: Sweep) -> list[Outcome]:
    """Return the outcomes in the order of the sweep's links."""
    return list(sweep.outcomes.values())


def measured(outcome: Outcome) -> Measured:
    """Return the outcome of a node that answered; fail with its reason if it did not."""
    assert isinstance(outcome, Measured), outcome
    return outcome


def failed(outcome: Outcome, reason: Reason) -> Failed:
    """Return a failure of this reason, with detail and advice."""
    assert isinstance(outcome, Failed), outcome
    assert outcome.reason is reason, outcome
    for sentence in (outcome.detail, outcome.advice):
        assert sentence, outcome
        assert "Traceback" not in sentence
        assert sentence.isprintable(), outcome
    return outcome


def assert_true(fleet: Fleet, sweep: Sweep) -> None:
    """Compare all outcomes of a sweep with the truth at their common instant."""
    for node, outcome in zip(fleet.nodes, sweep.outcomes.values(), strict=True):
        assert_inside(node, outcome)


def assert_inside(node: FleetNode, outcome: Outcome) -> None:
    """Compare one outcome with the truth of its node."""
    estimate = measured(outcome).estimate
    truth_ns = node.clock.truth_offset_at(estimate.at_ns)
    assert truth_ns in estimate.wall, (node.name, truth_ns, estimate)
    if estimate.oscillator is not None:
        raw_ns = node.clock.reading("raw", estimate.at_ns) - estimate.at_ns
        assert raw_ns in estimate.oscillator, (node.name, raw_ns, estimate)

"""The theorem of ``skewmon.culprit`` in random fleets: the limits of liars and of claims."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.culprit.decide import decide
from skewmon.culprit.evidence import ADMIN_BOX
from skewmon.model import Interval, SyncStatus, Vote
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.clock.fleets import around, placed
from tests.culprit.clocks import LIMIT_NS, SECOND, following, node

SERVERS = [f"192.0.2.{last}" for last in range(1, 7)]

CLAIMS = (
    None,
    SyncStatus("none", synchronized=False),
    SyncStatus("chronyd", synchronized=True, refid="LOCL", source="LOCAL(0)"),
)


def claim(dice: Random) -> SyncStatus | None:
    """Return any claim: none, not synchronized, an island, or some servers."""
    some = dice.sample(SERVERS, dice.randint(1, 4))
    return dice.choice([*CLAIMS, following(*some), following(*some[:1])])


@dataclass
class RandomFleet:
    """A fleet that is being drawn, with a line of some nanoseconds so that clocks are often at its edge."""

    dice: Random
    limit_ns: int
    axes: int
    nodes: list[NodeEvidence] = field(default_factory=list)
    honest: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    admin: NodeEvidence | None = None
    numbers: Callable[[], int] = field(default_factory=lambda: count(1).__next__)

    def machine(self, truth_ns: int, names: int, boot_id: str, *, honest: bool) -> None:
        """Add a machine under so many names, each with an interval of its own that contains its clock."""
        for _ in range(names):
            own, common = (
                around(self.dice, truth_ns, 0, 0, 1, self.limit_ns, 3 * self.limit_ns) for _ in range(2)
            )
            self.add(self.on_an_axis(own, common), boot_id, honest=honest)

    def on_an_axis(self, own: Interval, common: Interval) -> Interval:
        """Return a clock on one of the fleet's axes."""
        return own if self.axes == 1 else placed(f"v{self.dice.randrange(self.axes)}", own, common)

    def add(self, offset: Interval, boot_id: str, *, honest: bool) -> None:
        """Add one name; now and then it is the admin box."""
        name = f"n{self.numbers()}"
        if self.admin is None and self.dice.random() < 0.1:
            name, status = ADMIN_BOX, following(self.dice.choice(SERVERS))
            self.admin = NodeEvidence(ADMIN_BOX, status, offset, boot_id=boot_id)
        else:
            self.nodes.append(NodeEvidence(name, claim(self.dice), offset, boot_id=boot_id))
        if honest:
            self.honest.add(name)

    def liar(self) -> None:
        """Add a name that shows any clock and any boot id, often those that hurt most."""
        dice, limit_ns = self.dice, self.limit_ns
        seen = [one.boot_id for one in self.nodes]
        boot_id = dice.choice([f"liar {self.numbers()}", "", *seen])
        lines = []
        for _ in range(2):
            edge = dice.choice([-limit_ns - 1, 2 * limit_ns + 1, limit_ns + 1, -1, dice.randint(-99, 99)])
            lines.append(Interval(edge, edge + dice.choice([0, 0, 1, limit_ns, 4 * limit_ns])))
        self.add(self.on_an_axis(*lines), boot_id, honest=False)

    def decide(self) -> Vote:
        """Return the decision on the nodes in any order, some of them missing."""
        for _ in range(self.dice.choice([0, 0, 1, 2])):
            self.missing.add(name := f"n{self.numbers()}")
            self.nodes.append(NodeEvidence(name, claim(self.dice)))
        self.dice.shuffle(self.nodes)
        cluster = {one.name: one for one in self.nodes}
        return decide(cluster, self.limit_ns, admin=self.admin, missing=self.missing)


def a_majority_of_machines(dice: Random, axes: int) -> RandomFleet:
    """Return honest machines, each under some names, against fewer wrong machines and liars."""
    fleet = RandomFleet(dice, dice.choice([0, 1, 10, 10]), axes)
    right = dice.randint(1, 5)
    for number in range(right):
        fleet.machine(dice.randint(0, fleet.limit_ns), dice.choice([1, 1, 2, 3]), f"h{number}", honest=True)
    for number in range(dice.randint(0, right - 1)):
        if dice.random() < 0.3:  # a machine that is wrong, and truthful about its names
            fleet.machine(dice.randint(-40, 40), dice.randint(1, 5), f"w{number}", honest=False)
        else:
            fleet.liar()
    return fleet


def a_majority_of_names(dice: Random, axes: int) -> RandomFleet:
    """Return honest machines, among them clones with one boot id, against fewer liars."""
    fleet = RandomFleet(dice, dice.choice([0, 1, 10, 10]), axes)
    right = dice.randint(1, 7)
    for _ in range(right):
        fleet.machine(dice.randint(0, fleet.limit_ns), 1, dice.choice(["", "c1", "c1", "c2"]), honest=True)
    for _ in range(dice.randint(0, right - 1)):
        fleet.liar()
    return fleet


def one_machine_under_several_names(dice: Random, axes: int) -> RandomFleet:
    """Return a right or wrong machine under two to five names among others, most of them right."""
    fleet = RandomFleet(dice, 10, axes)
    is_right = dice.random() < 0.3
    truth_ns = dice.randint(0, 10) if is_right else dice.choice([-40, -11, 21, 22, 90])
    fleet.machine(truth_ns, dice.randint(2, 5), "b", honest=is_right)
    right = dice.randint(1, 4)
    for number in range(right):
        fleet.machine(dice.randint(0, 10), 1, f"h{number}", honest=True)
    for number in range(dice.randint(0, max(0, right - 2 + is_right))):
        fleet.machine(dice.choice([-40, -11, 21, 90]), 1, f"w{number}", honest=False)
    return fleet


FLEETS = [a_majority_of_machines, a_majority_of_names, one_machine_under_several_names]
AXES = [1, 3]


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("draw", FLEETS)
@settings(max_examples=300, deadline=None)
@given(dice=st.randoms(use_true_random=False))
def test_no_honest_node_is_named(draw: Callable[[Random, int], RandomFleet], axes: int, dice: Random) -> None:
    """With any clocks and claims of the others, while the honest ones are a strict majority."""
    fleet = draw(dice, axes)
    assert fleet.honest.isdisjoint(fleet.decide().culprits)


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("draw", FLEETS)
def test_no_honest_node_is_named_in_a_hundred_thousand_fleets(
    draw: Callable[[Random, int], RandomFleet], axes: int
) -> None:
    """The same, in fleets that each seed draws; some of them name a node."""
    named = 0
    for seed in range(100_000):
        fleet = draw(Random(seed), axes)
        found = fleet.decide()
        named += bool(found.culprits)
        assert fleet.honest.isdisjoint(found.culprits), (seed, found)
    assert named > 1_000


@given(st.randoms(use_true_random=False), st.integers(3, 9), st.sampled_from([70, -70]))
def test_a_single_node_far_off_is_named_whatever_is_claimed(dice: Random, nodes: int, ahead_s: int) -> None:
    """All other clocks, the admin box's among them, are within the line; all claims are any."""
    ahead = [ahead_s, *(dice.uniform(0, 0.05) for _ in range(nodes - 1))]
    fleet = {
        f"n{k}": replace(node(f"n{k}", one, boot_id=f"b{k}"), status=claim(dice))
        for k, one in enumerate(ahead)
    }
    admin = replace(node(ADMIN_BOX, 0, boot_id="a"), status=claim(dice)) if dice.random() < 0.5 else None
    found = decide(fleet, LIMIT_NS, admin=admin)
    assert (found.verdict, found.culprits, found.disputed) == ("named", ("n0",), ())


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_neither_order_nor_names_decide(dice: Random, data: st.DataObject) -> None:
    """Nodes and servers under other names, listed in another order, fare the same."""
    fleet = data.draw(st.sampled_from(FLEETS))(dice, data.draw(st.sampled_from(AXES)))
    found = fleet.decide()
    names = [one.name for one in fleet.nodes]
    renamed = dict(zip(names, dice.sample(names, len(names)), strict=True))
    servers = dict(zip(SERVERS, dice.sample(SERVERS, len(SERVERS)), strict=True))

    def other(status: SyncStatus | None) -> SyncStatus | None:
        if status is None or status.refid not in servers:
            return status
        peers = tuple(replace(one, name=servers[one.name]) for one in status.peers)
        return replace(status, refid=servers[status.refid], source=servers[status.refid], peers=peers)

    fleet.nodes = [replace(one, name=renamed[one.name], status=other(one.status)) for one in fleet.nodes]
    dice.shuffle(fleet.nodes)
    admin = None if fleet.admin is None else replace(fleet.admin, status=other(fleet.admin.status))
    again = decide(
        {one.name: one for one in fleet.nodes},
        fleet.limit_ns,
        admin=admin,
        missing={renamed[name] for name in fleet.missing},
    )
    assert again.verdict == found.verdict
    assert set(again.culprits) == {renamed[name] for name in found.culprits}
    assert set(again.disputed) == {renamed.get(name, name) for name in found.disputed}


def seconds(nodes: int) -> float:
    """Return the time of a decision on so many nodes, nearly half of them outliers in small camps."""
    fleet = {}
    for number in range(nodes):
        wrong = number * 20 < 9 * nodes
        server = f"198.51.100.{number % 20}" if wrong else "192.0.2.1"
        name = f"n{number}"
        fleet[name] = node(name, 70 + number // 2 if wrong else 0, server, boot_id=name)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        found = decide(fleet, SECOND // 20)
        times.append(time.perf_counter() - began)
        assert found.verdict != "none"
    return min(times)


def test_the_cost_does_not_grow_with_the_pairs() -> None:
    """Four times the nodes have sixteen times the pairs."""
    assert seconds(4_000) < 10 * seconds(1_000)

"""Searching for the tick of a clock of whole seconds."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.clock.interval import WALL, intersection
from skewmon.clock.tick_search import LEAD_NS, REQUESTS, ROWS, send_instants
from skewmon.model import NS_PER_S, Interval
from tests.clock.simulator import MS, US, Machine, constant, holds, queueing

walls = st.tuples(st.integers(-(10**18), 10**18), st.integers(0, 3 * NS_PER_S)).map(
    lambda two: Interval(two[0], two[0] + two[1])
)
trips = st.integers(1, 2 * NS_PER_S)
nows = st.integers(0, 10**18)


@given(walls, trips, nows)
def test_a_row_is_sent_in_order_and_never_denser_than_it_can_be_answered(
    wall: Interval, trip_ns: int, now_ns: int
) -> None:
    """Each request must be answered before the next one leaves."""
    row = send_instants(wall, trip_ns, now_ns)
    assert 1 <= len(row) <= REQUESTS
    assert row == sorted(row)
    span_ns = min(wall.width_ns, NS_PER_S)
    if len(row) > 1:
        assert min(later - earlier for earlier, later in pairwise(row)) >= trip_ns - 1
        assert row[-1] - row[0] <= span_ns


@given(walls, trips, nows)
def test_a_row_begins_soon_but_not_in_the_past(wall: Interval, trip_ns: int, now_ns: int) -> None:
    """There is time to prepare it, and no tick is waited for in vain."""
    row = send_instants(wall, trip_ns, now_ns)
    assert row[0] >= now_ns + LEAD_NS
    assert row[0] <= now_ns + LEAD_NS + 2 * NS_PER_S + trip_ns


@given(walls, st.integers(1, 100 * MS), nows, st.data())
def test_some_request_arrives_close_to_the_tick(
    wall: Interval, trip_ns: int, now_ns: int, data: st.DataObject
) -> None:
    """Wherever in the interval the clock really is: half the distance of two requests at most."""
    truth_ns = data.draw(st.integers(wall.lower_ns, wall.upper_ns))
    arrivals = [sent_ns + trip_ns // 2 for sent_ns in send_instants(wall, trip_ns, now_ns)]
    phases = [(arrival_ns + truth_ns) % NS_PER_S for arrival_ns in arrivals]
    nearest = min(min(phase, NS_PER_S - phase) for phase in phases)
    assert nearest <= min(wall.width_ns, NS_PER_S) // (2 * len(arrivals)) + 1


def search(machine: Machine) -> tuple[Interval, int]:
    """Search as the link does, and return the interval and the instant that it is for."""
    exchange, now_ns = machine.exchange(machine.at_ns)
    taken = [exchange]
    for _ in range(ROWS):
        wall = intersection(taken, machine.program, now_ns, WALL)
        assert wall is not None
        trip_ns = min(one.round_trip_ns for one in taken)
        for sent_ns in send_instants(wall, trip_ns, now_ns):
            exchange, now_ns = machine.exchange(max(sent_ns, now_ns + 5_000))
            taken.append(exchange)
    wall = intersection(taken, machine.program, now_ns, WALL)
    assert wall is not None
    return wall, now_ns


@pytest.mark.parametrize(("trip_ns", "bound_ns"), [(400 * US, 3 * MS), (2 * MS, 4 * MS), (80 * MS, 90 * MS)])
@pytest.mark.parametrize("seed", range(10))
def test_a_search_finds_the_second_to_the_round_trip(seed: int, trip_ns: int, bound_ns: int) -> None:
    """From half a second to milliseconds, and the truth stays inside."""
    rng = Random(seed)
    machine = Machine(
        rng,
        network=queueing(rng, trip_ns // 2, trip_ns // 2, trip_ns / 50),
        rung="date-s",
        wall_ns=1_790_000_000 * NS_PER_S + rng.randrange(NS_PER_S),
    )
    wall, at_ns = search(machine)
    assert holds(wall, machine.truth(at_ns).wall_units)
    assert wall.bound_ns < bound_ns


@pytest.mark.parametrize("seed", range(20))
def test_a_search_over_a_one_sided_path_holds_the_truth(seed: int) -> None:
    """The plan assumes even ways, the interval does not."""
    rng = Random(seed)
    network = constant(*rng.choice([(75 * MS, 5 * MS), (5 * MS, 75 * MS), (0, 300 * MS)]))
    machine = Machine(rng, network=network, rung="date-s", wall_ns=rng.randrange(10**18))
    wall, at_ns = search(machine)
    assert holds(wall, machine.truth(at_ns).wall_units)

"""Every rung of the ladder measures a real node that lacks the rungs above, and the truth is inside."""

import re
import shutil
from collections.abc import Iterator

import pytest

from skewmon.errors import Reason
from skewmon.model import NS_PER_S
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import (
    assert_inside,
    failed,
    in_order,
    measured,
    measured_once,
    node_of,
    nodes_of,
)

NO_PYTHON = ("python", "platform-python", "pypy")

#: Python 2.7 is on no current distribution; if a machine has one, it is tried for real.
BUSYBOX = shutil.which("busybox") or "/bin/busybox"

#: Changes of each node's PATH, by the program that is left.
RUNGS = {
    "python3": Login(),
    "perl": Login(without=NO_PYTHON),
    "bash": Login(without=(*NO_PYTHON, "perl")),
    "date": Login(without=(*NO_PYTHON, "perl", "bash")),
    "date-s": Login(without=(*NO_PYTHON, "perl", "bash"), commands={"date": BUSYBOX}),
}

#: The bound that each must reach on loopback, on a machine that is busy with other things.
BOUNDS_NS = {
    "python3": 5_000_000,
    "perl": 5_000_000,
    "bash": 5_000_000,
    "date": 30_000_000,
    "date-s": 60_000_000,
}


@pytest.fixture(scope="module")
def ladder() -> Iterator[Fleet]:
    """Start one node for each rung, all with other offsets."""
    logins = {f"n{number}": login for number, login in enumerate(RUNGS.values(), 1)}
    offsets = [number * 123_456_789_012_345 for number in range(-2, 3)]
    with Fleet(len(RUNGS), logins=logins, offsets_ns=offsets) as fleet:
        yield fleet


@pytest.mark.parametrize("probe", RUNGS)
async def test_a_node_is_measured_by_the_best_rung_it_has(ladder: Fleet, probe: str) -> None:
    """The program says which one it is; its interval holds the truth and is as narrow as it can be."""
    node = ladder.nodes[list(RUNGS).index(probe)]
    outcome = in_order(await measured_once([node_of(ladder, node)]))[0]
    found = measured(outcome)
    assert found.burst.program.probe == probe
    assert_inside(node, outcome)
    assert found.estimate.wall.bound_ns < BOUNDS_NS[probe]


async def test_all_rungs_together_are_measured_at_one_instant(ladder: Fleet) -> None:
    """A search for the tick takes seconds; meanwhile the others grow no older than they must."""
    sweep = await measured_once(nodes_of(ladder))
    for node, outcome in zip(ladder.nodes, sweep.outcomes.values(), strict=True):
        assert_inside(node, outcome)
    assert measured(in_order(sweep)[0]).estimate.wall.bound_ns < 5_000_000


@pytest.mark.parametrize("probe", ["python3", "perl"])
async def test_programs_with_all_clocks_measure_the_oscillator(ladder: Fleet, probe: str) -> None:
    """RAW, MONOTONIC and BOOTTIME come with boot id and clock source."""
    node = ladder.nodes[list(RUNGS).index(probe)]
    found = measured(in_order(await measured_once([node_of(ladder, node)]))[0])
    assert found.estimate.oscillator is not None
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found.burst.program.boot_id)
    last = found.burst.opening[-1]
    assert None not in (last.raw_in_ns, last.raw_out_ns, last.mono_ns, last.boot_ns)


async def test_python_2_7_is_a_rung_of_its_own() -> None:
    """The only Python of a CentOS 7 node reads the clocks through ctypes; Debian 11 still has one."""
    login = Login(server="bullseye", without=("perl",))
    with Fleet(1, login=login, offsets_ns=[-5 * NS_PER_S]) as fleet:
        outcome = in_order(await measured_once(nodes_of(fleet)))[0]
        assert measured(outcome).burst.program.probe == "python2"
        assert_inside(fleet["n1"], outcome)


async def test_a_node_without_any_program_advises_a_package() -> None:
    """Neither Python, Perl, bash nor date."""
    login = Login(without=(*NO_PYTHON, "perl", "bash", "date"))
    with Fleet(1, login=login) as fleet:
        outcome = in_order(await measured_once(nodes_of(fleet)))[0]
    assert "Install one of them" in failed(outcome, Reason.NO_PROGRAM).advice


async def test_a_rung_that_is_there_but_broken_is_passed_over() -> None:
    """A python3 that cannot run leaves the node to perl."""
    login = Login(commands={"python3": "/bin/false"})
    with Fleet(1, login=login) as fleet:
        outcome = in_order(await measured_once(nodes_of(fleet)))[0]
        assert measured(outcome).burst.program.probe == "perl"
        assert_inside(fleet["n1"], outcome)

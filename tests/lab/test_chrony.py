"""Real time daemons that really steer: their claims, their movements and their errors."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from skewmon.clock.steps import MovementKind
from skewmon.model import NS_PER_S
from tests.lab.cluster import Lab, lab
from tests.lab.guest import Guest, until
from tests.lab.watch import JUMPS, watched

pytestmark = pytest.mark.lab

#: How far the wrong server is ahead.
AHEAD_S = 30

#: Slow enough for a correction to last until it was looked at.
LEISURELY = "maxslewrate 400"

STEPS_AT_ONCE = "makestep 0.1 -1"

#: A step under a leisurely chronyd, and what chronyd has to make of it: a first sample of a busy machine may
#: be off by more than the step.
STEP_NS = 40_000_000
FOUND_S = (0.02, 0.06)


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Five guests: n1 serves the right time and n5 a wrong one."""
    with lab(tmp_path_factory.mktemp("chrony"), 5) as opened:
        yield opened


@pytest.fixture
def five(guests: Lab) -> Iterator[Lab]:
    """All clocks right, no daemon but the servers'; n5 is ahead."""
    for guest in guests.guests:
        guest.console.slew(0)
        guest.console.set_right()
    guests["n5"].console.step(AHEAD_S * NS_PER_S)
    for name in ("n1", "n5"):
        chronyd(guests[name], "local stratum 8\nallow")
    try:
        yield guests
    finally:
        for guest in guests.guests:
            guest.shell("pkill -x chronyd; while pgrep -x chronyd; do sleep 0.1; done; true")


def chronyd(guest: Guest, *lines: str) -> None:
    """Start chronyd with these lines of configuration."""
    text = "\\n".join(("pidfile /run/chronyd.pid", *lines)).replace("\n", "\\n")
    guest.shell(f"printf '{text}\\n' >/tmp/chrony.conf")
    guest.serve("chronyd -n -u root -f /tmp/chrony.conf", "/tmp/chronyd.log")


def follow(guest: Guest, server: Guest, *lines: str) -> None:
    """Start a chronyd that follows one other guest."""
    chronyd(guest, f"server {server.address} iburst minpoll 0 maxpoll 0", *lines)


def tracking(guest: Guest) -> str:
    """Return the output of ``chronyc tracking``."""
    return guest.shell("chronyc -n tracking 2>&1; true")


def system_time_s(guest: Guest, side: str) -> float:
    """Return how far chronyd says that the clock is fast or slow; 0 on the other side."""
    found = re.search(rf"System time     : ([0-9.]+) seconds {side} of NTP", tracking(guest))
    return float(found[1]) if found else 0.0


def nodes(here: Lab, *names: str) -> list[dict[str, Any]]:
    """Return these guests as a cluster lists them."""
    return [{"name": name, "address": here[name].address} for name in names]


def synchronised(guest: Guest) -> bool:
    return "Leap status     : Normal" in tracking(guest)


def kinds(node: dict[str, Any]) -> set[str]:
    """Return the kinds of a node's findings, but for those about a single server."""
    return {found["kind"] for found in node["findings"]}


async def test_a_step_by_the_time_daemon_is_reported_as_a_step(five: Lab) -> None:
    """Makestep brings n2 back by five seconds: one step of that size, and then it is synchronised."""
    five["n2"].console.step(5 * NS_PER_S)
    async with watched(five) as watch:
        follow(five["n2"], five["n1"], STEPS_AT_ONCE)
        jumps = []
        while not synchronised(five["n2"]):
            jumps += (await watch.round()).movements(*JUMPS)
        jumps += (await watch.round()).movements(*JUMPS)
    ((name, movement),) = jumps
    assert (name, movement.kind) == ("n2", MovementKind.STEP)
    assert movement.size is not None
    assert abs(movement.size.estimate_ns + 5 * NS_PER_S) < 50_000_000
    found = five.check(nodes=nodes(five, "n1", "n2"))["by_name"]["n2"]
    assert (found["timesync"]["daemon"], found["timesync"]["synchronized"]) == ("chronyd", True)
    assert found["timesync"]["source"] == five["n1"].address
    assert found["timesync"]["stratum"] == 9
    assert kinds(found) == {"single-source"}


@pytest.mark.parametrize("step_ns", [STEP_NS, -STEP_NS])
def test_claim_and_measurement_have_the_same_sign(five: Lab, step_ns: int) -> None:
    """A clock that is set ahead under a leisurely chronyd: both say ahead, by the same amount.

    As exactly as chronyd's own bound has it, which grows with the jitter of a busy machine.
    """
    for name in ("n2", "n3", "n4"):
        follow(five[name], five["n1"], LEISURELY)
    for name in ("n2", "n3", "n4"):
        until(lambda name=name: synchronised(five[name]))
    five["n3"].console.step(step_ns)
    side = "fast" if step_ns > 0 else "slow"
    until(lambda: FOUND_S[0] < system_time_s(five["n3"], side) < FOUND_S[1])
    found = five.check(nodes=nodes(five, "n1", "n2", "n3", "n4"))["by_name"]
    server, node = found["n1"], found["n3"]
    claimed_s, bound_s = node["timesync"]["offset_seconds"], node["timesync"]["root_distance_seconds"]
    lower_s = node["offset"]["lower"] - server["offset"]["upper"]
    upper_s = node["offset"]["upper"] - server["offset"]["lower"]
    assert claimed_s * step_ns > 0
    assert min(lower_s * step_ns, upper_s * step_ns) > 0
    assert lower_s - bound_s < claimed_s < upper_s + bound_s


def test_whoever_follows_a_wrong_guest_is_refuted_and_the_guest_named(five: Lab) -> None:
    """n4 follows n5 and is as far ahead, synchronised by its own word; n2 and n3 follow n1."""
    five["n4"].console.step(AHEAD_S * NS_PER_S)
    for name, server in (("n2", "n1"), ("n3", "n1"), ("n4", "n5")):
        follow(five[name], five[server], STEPS_AT_ONCE)
    for name in ("n2", "n3", "n4"):
        until(lambda name=name: synchronised(five[name]))
    found = five.check(nodes=nodes(five, "n2", "n3", "n4"))
    wrong = found["by_name"]["n4"]
    assert (found["culprits"], found["verdict"]) == (["n4"], "critical")
    assert (wrong["timesync"]["synchronized"], wrong["timesync"]["source"]) == (True, five["n5"].address)
    assert AHEAD_S - 0.1 <= wrong["offset"]["lower"] <= wrong["offset"]["upper"] <= AHEAD_S + 0.1
    assert kinds(wrong) == {"claims-sync-but-off", "single-source"}
    (refuted,) = [one for one in wrong["findings"] if one["kind"] == "claims-sync-but-off"]
    assert f"says synchronized to {five['n5'].address}" in refuted["message"]
    (common,) = found["findings"]
    assert common["kind"] == "common-wrong-source"
    assert five["n5"].address in common["message"]
    for name in ("n2", "n3"):
        assert kinds(found["by_name"][name]) == {"single-source"}

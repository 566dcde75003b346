"""The story that this project exists for: one clock of an etcd cluster is 70 s ahead."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from skewmon.journal.read import read
from skewmon.model import NS_PER_S, Event, EventQuery
from tests.integration.running import Running
from tests.lab.cluster import Lab
from tests.lab.guest import until

pytestmark = pytest.mark.lab

AHEAD_S = 70

#: etcd compares its peers' clocks every thirty seconds and logs the result as often.
ETCD_LOOKS_S = 75.0

COMPLAINT = re.compile(r"the clock difference against peer \S+ is too high \[(1m(?:9|10)\.\d+s) > 1s\]")


def etcd(guests: Lab, name: str) -> str:
    """Return the command line of one member."""
    peers = ",".join(f"{guest.name}=http://{guest.address}:2380" for guest in guests.guests)
    own = guests[name].address
    return (
        f"etcd --name {name} --data-dir /tmp/etcd --initial-cluster {peers} "
        f"--listen-peer-urls http://{own}:2380 --initial-advertise-peer-urls http://{own}:2380 "
        f"--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://{own}:2379"
    )


@pytest.fixture
def members(three: Lab) -> Iterator[Lab]:
    """Three guests that are one healthy etcd cluster."""
    for guest in three.guests:
        guest.serve(etcd(three, guest.name), "/tmp/etcd.log")
    try:
        for guest in three.guests:
            until(lambda guest=guest: "is healthy" in guest.shell("etcdctl endpoint health 2>&1; true"))
        yield three
    finally:
        for guest in three.guests:
            guest.shell("pkill -x etcd; rm -rf /tmp/etcd; true")


def complaints(guests: Lab) -> list[str]:
    """Return by how much etcd says that a peer's clock is off, wherever it says so."""
    return [found for guest in guests.guests for found in COMPLAINT.findall(guest.shell("cat /tmp/etcd.log"))]


def steps(state: Path) -> list[Event]:
    """Return the steps in the journal."""
    return [event for event in read(str(state), EventQuery(1_000)) if event.kind == "step"]


async def test_skewmon_names_node_time_and_size_when_etcd_complains(members: Lab, tmp_path: Path) -> None:
    """The daemon reports the step itself; a later check names the culprit in its first round."""
    state = tmp_path / "state"
    config = members.write_config(
        tmp_path / "skewmon.yml",
        cluster={"profile": "etcd"},
        web={"listen": "127.0.0.1:0"},
        state_directory=str(state),
    )
    async with Running(config) as daemon:
        await daemon.until(lambda: len(daemon.measured("lab")) == 3)
        assert daemon.cluster("lab")["verdict"] == "ok"
        members["n2"].console.step(AHEAD_S * NS_PER_S)
        await daemon.until(lambda: daemon.cluster("lab")["culprits"] == ["n2"])
        found = daemon.cluster("lab")
        assert (found["verdict"], found["culprit_verdict"]) == ("critical", "named")
        assert found["skew"]["lower"] <= AHEAD_S + 0.1
        assert found["skew"]["upper"] >= AHEAD_S - 0.1
        await daemon.until(lambda: steps(state))
        ((event),) = steps(state)
        assert event.node == "n2"
        assert event.detail["lower"] <= AHEAD_S <= event.detail["upper"]
        assert event.detail["upper"] - event.detail["lower"] < 0.001
        await daemon.until(lambda: daemon.metric("skewmon_alert_firing") > 0)
        assert_named_at_once(members)
        await asyncio.to_thread(until, lambda: complaints(members), ETCD_LOOKS_S)
        members["n2"].console.step(-AHEAD_S * NS_PER_S)
        await daemon.until(lambda: daemon.cluster("lab")["verdict"] == "ok")
        await daemon.until(lambda: len(steps(state)) == 2)
        await daemon.end()


def assert_named_at_once(guests: Lab) -> None:
    """See that one round of ``check`` is enough, with etcd's own line."""
    config = guests.write_config(guests.directory / "etcd.yml", cluster={"profile": "etcd"})
    done = guests.skewmon("check", "--config.file", str(config), "-o", "nagios")
    assert done.returncode == 2, done
    assert "n2" in done.stdout
    found = guests.check(profile="etcd")
    assert (found["culprits"], found["culprit_verdict"]) == (["n2"], "named")
    offset = found["by_name"]["n2"]["offset"]
    assert AHEAD_S - 0.1 <= offset["lower"] <= offset["upper"] <= AHEAD_S + 0.1

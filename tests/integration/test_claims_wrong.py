"""Faults of real time daemons are found over SSH and named; healthy ones have no finding."""

import time

import pytest

from skewmon.model import NS_PER_S
from skewmon.timesync.claim import MIN_POLL_S, STALE_POLLS
from tests.integration.container import CACHE, package_environment
from tests.integration.estate import Estate
from tests.integration.time_daemons import (
    ABSENT,
    PASSING_ON,
    ROOT,
    TRUE,
    chronyd,
    kinds_of,
    ntpd,
    ntpsec,
    put,
    settle,
    start_openntpd,
)

HOUR_S = 3_600

#: A daemon that asks each second is stale after this.
SILENT_S = STALE_POLLS * MIN_POLL_S


def test_a_daemon_that_follows_a_wrong_server_is_refuted_and_the_server_named(estate: Estate) -> None:
    """Seventy seconds and an hour ahead, both synchronised by their own word; the others are healthy."""
    healthy = [chronyd(estate, TRUE), chronyd(estate, TRUE), ntpsec(estate, TRUE)]
    fooled = chronyd(estate, [*TRUE, ABSENT], ahead_ns=70 * NS_PER_S)
    zone = chronyd(estate, TRUE, ahead_ns=3_600 * NS_PER_S)
    settle([*healthy, fooled, zone], lambda said: said.synchronized)
    nodes = estate.cluster()["by_name"]
    said = nodes[fooled.node.name]
    (refuted,) = [found for found in said["findings"] if found["kind"] == "claims-sync-but-off"]
    source = said["timesync"]["source"]
    assert source in TRUE
    assert f"says synchronized to {source} to within" in refuted["message"]
    assert "at least 69.99 s ahead" in refuted["message"]
    assert refuted["severity"] == "critical"
    assert refuted["next"].endswith("chronyc -n sources -v")
    assert {"time-zone-error", "claims-sync-but-off"} <= kinds_of(nodes[zone.node.name])
    for host in healthy:
        assert nodes[host.node.name]["findings"] == [], nodes[host.node.name]


def test_nodes_without_a_working_time_daemon_are_found(estate: Estate) -> None:
    """An island, no server that answers, two daemons, none, one that ended, one that hangs; and a guest."""
    island = chronyd(estate, [], lines="local stratum 8")
    lost = chronyd(estate, [ABSENT])
    nobody = estate.host(package_environment("chrony", "ntpsec", "openntpd", "ntpstat"))
    guest = estate.host(package_environment("chrony"))
    put(guest, "/run/systemd/container", "lxc\n")
    rivals = ntpsec(estate, TRUE)
    start_openntpd(rivals, TRUE, str(CACHE / "bookworm/openntpd/usr/sbin/ntpd"))
    classic = ntpd(estate, TRUE)
    stopped, frozen = chronyd(estate, TRUE), chronyd(estate, TRUE)
    settle([island, rivals, classic, stopped, frozen], lambda said: said.synchronized)
    settle([rivals], lambda said: len(said.daemons) == 2)
    settle([lost], lambda said: said.synchronized is False and said.peers)
    for host, name in ((stopped, "TERM"), (frozen, "STOP")):
        done = host.container.run("sh", "-c", f"kill -{name} $(cat /run/chrony.pid)")
        assert done.returncode == 0, done
    settle([stopped], lambda said: not said.daemons)
    cluster = estate.cluster()
    found = {name: kinds_of(node) for name, node in cluster["by_name"].items()}
    # The kernel's own flag, which is all that is left to go by, is this machine's.
    found[frozen.node.name].discard("unsynchronized")
    assert found == {
        island.node.name: {"local-island"},
        lost.node.name: {"unsynchronized", "no-reachable-source"},
        nobody.node.name: {"no-time-daemon"},
        guest.node.name: set(),
        rivals.node.name: {"two-time-daemons"},
        classic.node.name: set(),
        stopped.node.name: {"no-time-daemon"},
        frozen.node.name: {"tool-failed"},
    }, cluster["by_name"]


@pytest.mark.prove
@pytest.mark.timeout(400)
def test_a_daemon_that_has_lost_its_servers_is_stale(estate: Estate) -> None:
    """Two minutes after the servers went away, chronyd still says synchronised."""
    cut = chronyd(estate, TRUE)
    settle([cut], lambda said: said.synchronized)
    cut.container.run("ip", "route", "del", "10.78.0.0/24")
    cut.container.status_once(lambda said: (said.last_update_s or 0) > SILENT_S, 2 * SILENT_S)
    node = estate.cluster()["by_name"][cut.node.name]
    assert "stale-sync" in kinds_of(node), node["timesync"]


@pytest.mark.parametrize("good", [TRUE[:2], TRUE[:1] * 2], ids=["two-servers", "one-server"])
def test_three_of_five_behind_one_wrong_server_do_not_name_the_others(
    estate: Estate, good: list[str]
) -> None:
    """The two have a source of their own, and as many sources: both camps are reported."""
    wrong = TRUE[2]
    hosts = [chronyd(estate, [server]) for server in good]
    hosts += [chronyd(estate, [wrong], ahead_ns=70 * NS_PER_S) for _ in range(3)]
    settle(hosts, lambda said: said.synchronized)
    cluster = estate.cluster(thresholds=[{"severity": "warning", "skew": "2s"}])
    assert (cluster["culprit_verdict"], cluster["culprits"]) == ("undetermined", [])
    own = f"source {good[0]}" if good[0] == good[1] else f"sources {good[0]}, {good[1]}"
    assert f"n1, n2 ({own}) and n3, n4, n5 (source {wrong}) are" in cluster["culprit_evidence"]
    assert all("claims-sync-but-off" not in kinds_of(node) for node in cluster["by_name"].values())
    if good[0] == good[1]:
        (told,) = [one["message"] for one in cluster["findings"] if one["kind"] == "common-wrong-source"]
        assert "Two camps stand at least 69.99 s apart" in told
        assert f"n1, n2 with {good[0]} and n3, n4, n5 with {wrong}" in told


def test_two_of_five_behind_one_wrong_server_are_named_with_it(estate: Estate) -> None:
    """The other three have more sources."""
    wrong = TRUE[3]
    hosts = [chronyd(estate, TRUE[:3]) for _ in range(3)]
    hosts += [chronyd(estate, [wrong], ahead_ns=70 * NS_PER_S) for _ in range(2)]
    settle(hosts, lambda said: said.synchronized and len(said.peers) in {1, 3})
    cluster = estate.cluster(thresholds=[{"severity": "warning", "skew": "2s"}])
    told = {found["kind"]: found["message"] for found in cluster["findings"]}
    assert (cluster["culprit_verdict"], cluster["culprits"]) == ("named", ["n4", "n5"])
    assert told["common-wrong-source"] == f"n4, n5 deviate and follow {wrong}, which no other node uses"
    liars = {name for name, node in cluster["by_name"].items() if "claims-sync-but-off" in kinds_of(node)}
    assert liars == {"n4", "n5"}


def test_three_servers_that_follow_one_are_one_source(estate: Estate) -> None:
    """Each of three nodes has its own, but all follow one server, like the two."""
    hosts = [ntpsec(estate, [server]) for server in PASSING_ON]
    hosts += [chronyd(estate, TRUE[:1], ahead_ns=70 * NS_PER_S) for _ in range(2)]
    settle(hosts, lambda said: said.synchronized)
    cluster = estate.cluster(thresholds=[{"severity": "warning", "skew": "2s"}])
    assert (cluster["culprit_verdict"], cluster["culprits"]) == ("undetermined", [])
    assert f"n4, n5 (source {TRUE[0]}) and n1, n2, n3 (source {ROOT})" in cluster["culprit_evidence"]


@pytest.mark.prove
def test_an_hour_of_real_healthy_daemons_has_no_finding(estate: Estate) -> None:
    """Four daemons of three kinds on one clock, a hundred rounds in every check."""
    hosts = [chronyd(estate, TRUE), chronyd(estate, TRUE), ntpsec(estate, TRUE), ntpd(estate, TRUE)]
    settle(hosts, lambda said: said.synchronized)
    end = time.monotonic() + HOUR_S
    while time.monotonic() < end:
        cluster = estate.cluster(rounds=100)
        assert {name: node["findings"] for name, node in cluster["by_name"].items()} == {
            host.node.name: [] for host in hosts
        }
        assert [found["kind"] for found in cluster["findings"]] == ["mixed-daemons"]
        assert cluster["verdict"] == "ok"

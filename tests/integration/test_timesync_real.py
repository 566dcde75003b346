"""The status sheet against real time daemons whose servers lie by a known amount.

The servers show a time that is 250 ms behind, so by their word this machine is 250 ms ahead: every daemon,
every tool and every sign convention must come out as +0.25 s. One server more is a falseticker, one does not
exist.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from skewmon.model import Peer, SyncStatus
from skewmon.timesync.findings.derive import NO_REFERENCE, node_findings
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.integration.container import (
    CACHE,
    SPARE_ADDRESS,
    Container,
    container,
    package_environment,
    prepare,
)

AHEAD_S = 0.25

#: The error that the exchange over a veth pair on a loaded machine may add.
TOLERANCE_S = 0.02

GOOD = [f"10.78.0.{last}:-{AHEAD_S}:1" for last in (11, 12, 13, 14)]
FALSE = "10.78.0.15:3:2"
ABSENT = "10.78.0.16"
ALL = [*(server.split(":")[0] for server in (*GOOD, FALSE)), ABSENT]

NTPD_CONFIG = "tinker step 0\nrestrict default\nrestrict 127.0.0.1\nrestrict ::1\ndriftfile /run/drift\n"


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    """Have the daemons unpacked; fail, not skip, if they are missing."""
    prepare()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a directory that daemons under other accounts may read."""
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o755)
    return tmp_path


def put(where: Container, path: str, text: str) -> None:
    """Write a file inside the container."""
    done = where.run("sh", "-c", f'mkdir -p "$(dirname {path})"; cat >{path}', text=text)
    assert done.returncode == 0, done


def ahead(offset_s: float | None) -> bool:
    """Return whether an offset is the known one, sign included."""
    return offset_s is not None and abs(offset_s - AHEAD_S) < TOLERANCE_S


def peers_of(status: SyncStatus) -> Mapping[str, Peer]:
    """Return the sources by address."""
    return {peer.name: peer for peer in status.peers}


@contextlib.contextmanager
def chronyd(home: Path, lines: str, servers: list[str]) -> Iterator[Container]:
    """Open a container in which chronyd runs, watching only."""
    config = home / "chrony.conf"
    config.write_text(f"{lines}\nport 0\ncmdport 323\npidfile {home}/pid\nuser root\n", encoding="utf-8")
    with container(home, servers, package_environment("chrony")) as opened:
        opened.start("chronyd", "-x", "-d", "-f", str(config))
        yield opened


def test_chronyd_synchronized(home: Path) -> None:
    """Tracking and sources agree: 250 ms ahead, one falseticker, one source that never answered."""
    lines = "\n".join(f"server {address} iburst minpoll 0 maxpoll 0" for address in ALL)
    with chronyd(home, lines, [*GOOD, FALSE]) as opened:
        status = opened.status_once(lambda found: found.synchronized)
        assert (status.daemon, status.stratum, status.daemons) == ("chronyd", 2, ("chronyd",))
        assert ahead(status.offset_s), status
        assert (status.unparsed, status.failures) == ((), ())
        sources = peers_of(status)
        assert sources["10.78.0.15"].state == "falseticker"
        assert (sources[ABSENT].state, sources[ABSENT].offset_s) == ("unreachable", None)


def test_chronyd_synchronized_by_a_second_one(home: Path) -> None:
    """Both read one clock, so the offset between them is next to nothing."""
    serving = f"local stratum 3\nallow\nbindaddress {SPARE_ADDRESS}\ncmdport 0\n"
    serving += f"bindcmdaddress /\npidfile {home}/server.pid\nuser root\n"
    (home / "server.conf").write_text(serving, encoding="utf-8")
    with chronyd(home, f"server {SPARE_ADDRESS} iburst minpoll 0 maxpoll 0", GOOD) as opened:
        opened.start_outside("chronyd", "-x", "-d", "-f", str(home / "server.conf"))
        status = opened.status_once(lambda found: found.synchronized)
        assert (status.source, status.refid, status.stratum) == (SPARE_ADDRESS, SPARE_ADDRESS, 4)
        assert status.offset_s is not None
        assert abs(status.offset_s) < TOLERANCE_S


@pytest.mark.parametrize(
    ("lines", "synchronized", "kind"),
    [(f"server {ABSENT} iburst", False, "no-reachable-source"), ("local stratum 8", True, "local-island")],
)
def test_chronyd_without_an_upstream(home: Path, lines: str, synchronized: bool, kind: str) -> None:
    """Unsynchronized is said, and an island is seen through."""
    with chronyd(home, lines, GOOD) as opened:
        status = opened.status_once(
            lambda found: (
                found.synchronized is synchronized
                and found.stratum is not None
                and not found.failures  # a tool may ask before chronyd has opened its command socket
            )
        )
        one = NodeEvidence("n3", status)
        assert kind in [found.kind for found in node_findings(one, NO_REFERENCE)]
        assert status.unparsed == ()


@pytest.mark.parametrize("implementation", ["ntpd", "ntpsec"])
def test_ntpd_synchronized(home: Path, implementation: str) -> None:
    """ntp.org's 4.2.8p15 in its own root, and NTPsec: both 250 ms ahead, each known by its name."""
    classic = implementation == "ntpd"
    environment = (
        {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"} if classic else package_environment("ntpsec", "ntpstat")
    )
    with container(home, [*GOOD, FALSE], environment, CACHE / "bullseye" if classic else None) as opened:
        servers = "\n".join(f"server {address} iburst minpoll 3 maxpoll 3" for address in ALL)
        put(opened, "/run/ntp.conf", f"{servers}\n{NTPD_CONFIG}")
        opened.start("ntpd", "-n", "-c", "/run/ntp.conf", "-p", "/run/ntpd.pid", "-g")
        status = opened.status_once(lambda found: found.synchronized)
        assert (status.daemon, status.daemons, status.stratum) == (implementation, (implementation,), 2)
        assert ahead(status.offset_s), status
        assert ahead(peers_of(status)["10.78.0.12"].offset_s)
        assert (status.unparsed, status.failures) == ((), ())
        # ntpstat asks the daemon itself, and saw the same.
        ntpstat = opened.outputs()["ntpstat"].stdout
        assert ntpstat.startswith("synchronised to "), ntpstat


def test_openntpd_measures_the_same(home: Path) -> None:
    """OpenNTPD calls itself unsynced at 250 ms; its peers' offsets have our sign."""
    with container(home, GOOD, package_environment("openntpd")) as opened:
        put(opened, "/run/openntpd.conf", "".join(f"server {address}\n" for address in ALL))
        made = "/var/lib/openntpd/run /var/lib/openntpd/db /run/openntpd"
        command = f"mkdir -p -m 755 {made}; exec ntpd -d -f /run/openntpd.conf"
        opened.start("sh", "-c", command)
        status = opened.status_once(lambda found: any(peer.offset_s is not None for peer in found.peers))
        assert (status.daemon, status.daemons, status.synchronized) == ("openntpd", ("openntpd",), False)
        assert all(ahead(peer.offset_s) for peer in status.peers if peer.offset_s is not None), status
        assert (status.unparsed, status.failures) == ((), ())


BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""


def test_timesyncd_through_a_bus_of_its_own(home: Path) -> None:
    """systemd-timesyncd follows one server, and timedatectl turns its packet into an offset of our sign."""
    daemon = CACHE / "bookworm/systemd-timesyncd/lib/systemd/systemd-timesyncd"
    with container(home, GOOD[:1], package_environment("systemd-timesyncd")) as opened:
        put(opened, "/run/systemd/timesyncd.conf.d/container.conf", "[Time]\nNTP=10.78.0.11\nFallbackNTP=\n")
        put(opened, "/run/bus.conf", BUS)
        state = "/run/systemd/timesync /var/lib/systemd/timesync"
        opened.run("sh", "-c", f"mkdir -p /run/systemd/system /run/dbus {state}; chown 64991:64991 {state}")
        opened.start("dbus-daemon", "--config-file", "/run/bus.conf", "--nofork", "--nopidfile")
        # timesyncd looks for the bus once, at its start.
        opened.run("sh", "-c", "until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done")
        opened.start("setpriv", "--reuid", "64991", "--regid", "64991", "--clear-groups", str(daemon))
        status = opened.status_once(lambda found: found.offset_s is not None)
        assert (status.daemon, status.source, status.stratum) == ("timesyncd", "10.78.0.11", 2)
        assert ahead(status.offset_s), status
        assert status.unparsed == ()


def test_nothing_runs(home: Path) -> None:
    """Tools without a daemon: the clock is undisciplined, and the tools have not failed."""
    with container(home, GOOD, package_environment("chrony", "ntpsec", "openntpd", "ntpstat")) as opened:
        status = opened.status()
        assert (status.daemon, status.daemons, status.failures, status.unparsed) == ("none", (), (), ())

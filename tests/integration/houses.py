"""Houses by the daemon that lives there, and the servers of their town."""

from collections.abc import Callable
from typing import Any

from skewmon.model import SyncStatus
from tests.integration.room import CACHE, package_environment
from tests.integration.town import House, Town

#: By how much the servers that lie do so.
AHEAD_S = 0.25

TRUE = [f"10.78.0.{last}" for last in (11, 12, 13, 14)]
SLOW = [f"10.78.0.{last}" for last in (21, 22, 23, 24)]
FAST = [f"10.78.0.{last}" for last in (31, 32, 33, 34)]
ABSENT = "10.78.0.99"

#: Servers that all follow one other, and say so in their reference identifier.
PASSING_ON = [f"10.78.0.{last}" for last in (41, 42, 43)]
ROOT = "192.0.2.1"

#: Where a real daemon may serve instead of one that lies.
SPARE = "10.78.0.50"

SERVERS = [
    *(f"{address}:0:1" for address in TRUE),
    *(f"{address}:-{AHEAD_S}:1" for address in SLOW),
    *(f"{address}:{AHEAD_S}:1" for address in FAST),
    *(f"{address}:0:2" for address in PASSING_ON),
]

#: How long a daemon may take to make up its mind; ntpd wants four replies at eight seconds each.
SETTLED_S = 90.0

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""

NTPD_CONFIG = "tinker step 0\nrestrict default\nrestrict 127.0.0.1\nrestrict ::1\ndriftfile /run/drift\n"


def put(house: House, path: str, text: str) -> None:
    """Write a file inside a room."""
    done = house.room.run("sh", "-c", f'mkdir -p "$(dirname {path})"; cat >{path}', text=text)
    assert done.returncode == 0, done


# --- houses by the daemon that lives there --------------------------------------------------------------


def chronyd(here: Town, servers: list[str], *, lines: str = "", ahead_ns: int = 0) -> House:
    """Open a room where chronyd runs, watching only: it may not steer."""
    house = here.house(package_environment("chrony"), ahead_ns=ahead_ns)
    sources = "".join(f"server {address} iburst minpoll 0 maxpoll 0\n" for address in servers)
    config = house.room.directory / "chrony.conf"
    config.write_text(f"{sources}{lines}\nport 0\ncmdport 323\npidfile /run/chrony.pid\nuser root\n")
    house.room.start("chronyd", "-x", "-d", "-f", str(config))
    return house


def _ntpd(house: House, servers: list[str]) -> House:
    sources = "".join(f"server {address} iburst minpoll 3 maxpoll 3\n" for address in servers)
    put(house, "/run/ntp.conf", f"{sources}{NTPD_CONFIG}")
    house.room.start("ntpd", "-n", "-c", "/run/ntp.conf", "-p", "/run/ntpd.pid", "-g")
    return house


def ntpd(here: Town, servers: list[str]) -> House:
    """Open a room with a Debian 11 where ntp.org's 4.2.8p15 runs; logins end up in that root, too."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return _ntpd(here.house(environment, chroot=CACHE / "bullseye"), servers)


def ntpsec(here: Town, servers: list[str], *, ahead_ns: int = 0) -> House:
    """Open a room where NTPsec runs."""
    return _ntpd(here.house(package_environment("ntpsec", "ntpstat"), ahead_ns=ahead_ns), servers)


def start_openntpd(house: House, servers: list[str], program: str = "ntpd") -> None:
    put(house, "/run/openntpd.conf", "".join(f"server {address}\n" for address in servers))
    made = "/var/lib/openntpd/run /var/lib/openntpd/db /run/openntpd"
    house.room.start("sh", "-c", f"mkdir -p -m 755 {made}; exec {program} -d -f /run/openntpd.conf")


def openntpd(here: Town, servers: list[str]) -> House:
    """Open a room where OpenNTPD runs."""
    house = here.house(package_environment("openntpd"))
    start_openntpd(house, servers)
    return house


def timesyncd(here: Town, servers: list[str]) -> House:
    """Open a room where systemd-timesyncd runs beside a bus of its own."""
    house = here.house(package_environment("systemd-timesyncd"))
    put(house, "/run/systemd/timesyncd.conf.d/room.conf", f"[Time]\nNTP={servers[0]}\nFallbackNTP=\n")
    put(house, "/run/bus.conf", BUS)
    state = "/run/systemd/timesync /var/lib/systemd/timesync"
    house.room.run("sh", "-c", f"mkdir -p /run/systemd/system /run/dbus {state}; chown 64991:64991 {state}")
    house.room.start("dbus-daemon", "--config-file", "/run/bus.conf", "--nofork", "--nopidfile")
    daemon = CACHE / "bookworm/systemd-timesyncd/lib/systemd/systemd-timesyncd"
    house.room.start("setpriv", "--reuid", "64991", "--regid", "64991", "--clear-groups", str(daemon))
    return house


KINDS: dict[str, Callable[[Town, list[str]], House]] = {
    "chronyd": chronyd,
    "ntpd": ntpd,
    "ntpsec": ntpsec,
    "openntpd": openntpd,
    "timesyncd": timesyncd,
}


def settle(houses: list[House], settled: Callable[[SyncStatus], object]) -> None:
    """Wait until every daemon has made up its mind."""
    for house in houses:
        house.room.status_once(settled, SETTLED_S)


def kinds_of(node: dict[str, Any]) -> set[str]:
    """Return the kinds of a node's findings."""
    return {found["kind"] for found in node["findings"]}

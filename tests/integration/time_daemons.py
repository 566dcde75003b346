"""Hosts for each kind of time daemon, and the servers of the estate."""

from collections.abc import Callable
from typing import Any

from skewmon.model import SyncStatus
from tests.integration.container import CACHE, package_environment
from tests.integration.estate import Estate, Host

#: By how much the servers that lie do so.
AHEAD_S = 0.25

TRUE = [f"10.78.0.{last}" for last in (11, 12, 13, 14)]
SLOW = [f"10.78.0.{last}" for last in (21, 22, 23, 24)]
FAST = [f"10.78.0.{last}" for last in (31, 32, 33, 34)]
ABSENT = "10.78.0.99"

#: Servers that all follow one other, and say so in their reference identifier.
PASSING_ON = [f"10.78.0.{last}" for last in (41, 42, 43)]
ROOT = "192.0.2.1"

#: The address for a real daemon instead of a wrong server.
SPARE = "10.78.0.50"

SERVERS = [
    *(f"{address}:0:1" for address in TRUE),
    *(f"{address}:-{AHEAD_S}:1" for address in SLOW),
    *(f"{address}:{AHEAD_S}:1" for address in FAST),
    *(f"{address}:0:2" for address in PASSING_ON),
]

#: How long a daemon may take to select its source; ntpd wants four replies at eight seconds each.
SETTLED_S = 90.0

BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
"""

NTPD_CONFIG = "tinker step 0\nrestrict default\nrestrict 127.0.0.1\nrestrict ::1\ndriftfile /run/drift\n"


def put(host: Host, path: str, text: str) -> None:
    """Write a file inside a container."""
    done = host.container.run("sh", "-c", f'mkdir -p "$(dirname {path})"; cat >{path}', text=text)
    assert done.returncode == 0, done


# --- hosts for each kind of time daemon --------------------------------------------------------------


def chronyd(estate: Estate, servers: list[str], *, lines: str = "", ahead_ns: int = 0) -> Host:
    """Open a container with chronyd, which only observes: it may not steer."""
    host = estate.host(package_environment("chrony"), ahead_ns=ahead_ns)
    sources = "".join(f"server {address} iburst minpoll 0 maxpoll 0\n" for address in servers)
    config = host.container.directory / "chrony.conf"
    config.write_text(f"{sources}{lines}\nport 0\ncmdport 323\npidfile /run/chrony.pid\nuser root\n")
    host.container.start("chronyd", "-x", "-d", "-f", str(config))
    return host


def _ntpd(host: Host, servers: list[str]) -> Host:
    sources = "".join(f"server {address} iburst minpoll 3 maxpoll 3\n" for address in servers)
    put(host, "/run/ntp.conf", f"{sources}{NTPD_CONFIG}")
    host.container.start("ntpd", "-n", "-c", "/run/ntp.conf", "-p", "/run/ntpd.pid", "-g")
    return host


def ntpd(estate: Estate, servers: list[str]) -> Host:
    """Open a container with a Debian 11 and ntp.org's 4.2.8p15; logins use that root, too."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return _ntpd(estate.host(environment, chroot=CACHE / "bullseye"), servers)


def ntpsec(estate: Estate, servers: list[str], *, ahead_ns: int = 0) -> Host:
    """Open a container with NTPsec."""
    return _ntpd(estate.host(package_environment("ntpsec", "ntpstat"), ahead_ns=ahead_ns), servers)


def start_openntpd(host: Host, servers: list[str], program: str = "ntpd") -> None:
    put(host, "/run/openntpd.conf", "".join(f"server {address}\n" for address in servers))
    made = "/var/lib/openntpd/run /var/lib/openntpd/db /run/openntpd"
    host.container.start("sh", "-c", f"mkdir -p -m 755 {made}; exec {program} -d -f /run/openntpd.conf")


def openntpd(estate: Estate, servers: list[str]) -> Host:
    """Open a container with OpenNTPD."""
    host = estate.host(package_environment("openntpd"))
    start_openntpd(host, servers)
    return host


def timesyncd(estate: Estate, servers: list[str]) -> Host:
    """Open a container with systemd-timesyncd and a bus of its own."""
    host = estate.host(package_environment("systemd-timesyncd"))
    put(host, "/run/systemd/timesyncd.conf.d/container.conf", f"[Time]\nNTP={servers[0]}\nFallbackNTP=\n")
    put(host, "/run/bus.conf", BUS)
    state = "/run/systemd/timesync /var/lib/systemd/timesync"
    host.container.run(
        "sh", "-c", f"mkdir -p /run/systemd/system /run/dbus {state}; chown 64991:64991 {state}"
    )
    host.container.start("dbus-daemon", "--config-file", "/run/bus.conf", "--nofork", "--nopidfile")
    # timesyncd looks for the bus once, at its start.
    host.container.run("sh", "-c", "until [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done")
    daemon = CACHE / "bookworm/systemd-timesyncd/lib/systemd/systemd-timesyncd"
    host.container.start("setpriv", "--reuid", "64991", "--regid", "64991", "--clear-groups", str(daemon))
    return host


KINDS: dict[str, Callable[[Estate, list[str]], Host]] = {
    "chronyd": chronyd,
    "ntpd": ntpd,
    "ntpsec": ntpsec,
    "openntpd": openntpd,
    "timesyncd": timesyncd,
}


def settle(hosts: list[Host], settled: Callable[[SyncStatus], object]) -> None:
    """Wait until every daemon has selected its source."""
    for host in hosts:
        host.container.status_once(settled, SETTLED_S)


def kinds_of(node: dict[str, Any]) -> set[str]:
    """Return the kinds of a node's findings."""
    return {found["kind"] for found in node["findings"]}

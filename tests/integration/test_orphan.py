"""The head of an orphan subnet serves its own oscillator, and calls that synchronized."""

import pytest

from tests.integration.container import CACHE, package_environment
from tests.integration.estate import Estate, Host
from tests.integration.time_daemons import ABSENT, NTPD_CONFIG, kinds_of, put, settle

ORPHAN = f"server {ABSENT} iburst minpoll 3 maxpoll 3\ntos orphan 5 orphanwait 1\n"


def host(estate: Estate, implementation: str) -> Host:
    """Open a container for one of the two ntpds."""
    if implementation == "ntpd":
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return estate.host(environment, chroot=CACHE / "bullseye")
    return estate.host(package_environment("ntpsec", "ntpstat"))


@pytest.mark.parametrize("implementation", ["ntpd", "ntpsec"])
def test_an_orphan_parent_is_an_island(estate: Estate, implementation: str) -> None:
    """Its stratum is the orphan's, its reference identifier the loopback address."""
    opened = host(estate, implementation)
    put(opened, "/run/ntp.conf", f"{ORPHAN}{NTPD_CONFIG}")
    opened.container.start("ntpd", "-n", "-c", "/run/ntp.conf", "-p", "/run/ntpd.pid", "-g")
    settle([opened], lambda said: said.synchronized)
    node = estate.cluster()["by_name"][opened.node.name]
    assert node["timesync"]["stratum"] == 5, node["timesync"]
    assert kinds_of(node) == {"local-island", "no-reachable-source"}, node

"""The head of an orphan subnet serves its own oscillator, and calls that synchronized."""

import pytest

from tests.integration.houses import ABSENT, NTPD_CONFIG, kinds_of, put, settle
from tests.integration.room import CACHE, package_environment
from tests.integration.town import House, Town

ORPHAN = f"server {ABSENT} iburst minpoll 3 maxpoll 3\ntos orphan 5 orphanwait 1\n"


def house(here: Town, implementation: str) -> House:
    """Open a room for one of the two ntpds."""
    if implementation == "ntpd":
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return here.house(environment, chroot=CACHE / "bullseye")
    return here.house(package_environment("ntpsec", "ntpstat"))


@pytest.mark.parametrize("implementation", ["ntpd", "ntpsec"])
def test_an_orphan_parent_is_an_island(here: Town, implementation: str) -> None:
    """Its stratum is the orphan's, its reference identifier the loopback address."""
    opened = house(here, implementation)
    put(opened, "/run/ntp.conf", f"{ORPHAN}{NTPD_CONFIG}")
    opened.room.start("ntpd", "-n", "-c", "/run/ntp.conf", "-p", "/run/ntpd.pid", "-g")
    settle([opened], lambda said: said.synchronized)
    node = here.cluster()["by_name"][opened.node.name]
    assert node["timesync"]["stratum"] == 5, node["timesync"]
    assert kinds_of(node) == {"local-island", "no-reachable-source"}, node

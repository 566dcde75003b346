"""Which upstream a node follows: one key for one upstream, whatever daemon follows it."""

from dataclasses import replace

import pytest

from skewmon.model import SyncStatus
from skewmon.timesync import refid
from skewmon.timesync.source import servers, source_key, usable
from tests.timesync.captures import named


def followed(status: SyncStatus) -> SyncStatus:
    """Return a status that says synchronized, as its daemon's other tool would."""
    return replace(status, synchronized=True)


@pytest.mark.parametrize(
    "capture",
    [
        "ntpq-4.2.8p15-synchronized",
        "ntpq-rv-4.2.8p15-synchronized",
        "timesync-status-252-synchronized",
        "show-timesync-252-synchronized",
        "ntpstat-0.0.0.0-bullseye-synchronized",
    ],
)
def test_daemons_that_follow_one_server_have_one_key(capture: str) -> None:
    """The address, the hexadecimal refid and the sentence all name the same server."""
    assert source_key(named(capture).status, "n1") == "10.78.0.11"


def test_chronys_hexadecimal_and_its_table_agree() -> None:
    """0A4E000D is 10.78.0.13."""
    tracking = source_key(named("chronyc-tracking-4.3-synchronized").status, "n1")
    sources = source_key(followed(named("chronyc-sources-4.3-synchronized").status), "n1")
    assert tracking == sources == "10.78.0.13"


def test_an_ipv6_server_has_the_digest_that_ntp_gives_it() -> None:
    """RFC 5905: the first four octets of the MD5 digest of the address, however the address is written."""
    assert refid.of_address("2001:db8::1") == refid.of_address("2001:0DB8:0:0::0001") == "57.171.155.55"
    assert refid.of_address("fe80::1%eth0") == refid.of_address("fe80::1")
    assert refid.of_address("::ffff:192.0.2.7") == "192.0.2.7"
    assert refid.of_address("ntp.example") is None


def test_a_reference_clock_belongs_to_its_node() -> None:
    """Two GPS receivers are two sources."""
    status = named("chronyc-tracking-refclock").status
    assert source_key(status, "n1") == "GPS of n1"
    assert source_key(status, "n1") != source_key(status, "n2")


def test_a_free_running_node_is_its_own_upstream() -> None:
    """Two machines that follow themselves do not follow the same source."""
    status = named("ntpstat-local-net").status
    assert source_key(status, "n1") == "local clock of n1"


@pytest.mark.parametrize(
    "capture", ["ntpq-4.2.8p15-stepping", "chronyc-tracking-4.3-unreached", "timedatectl-252"]
)
def test_a_node_without_a_source_has_no_key(capture: str) -> None:
    """Unsynchronized, or not printed."""
    assert source_key(named(capture).status, "n1") is None
    assert source_key(None, "n1") is None


def test_placeholders_and_the_own_clock_are_no_servers() -> None:
    """A pool's line and LOCAL(0) bring no time from elsewhere; an unreachable source does not answer."""
    assert [peer.name for peer in servers(named("ntpq-4.2.6-centos7").status)] == [
        "news.neu.edu.cn",
        "202.118.1.130",
    ]
    assert "0.debian.pool.ntp.org" not in [peer.name for peer in servers(named("ntpq-ntpsec-nts").status)]
    assert "10.78.0.16" not in [peer.name for peer in usable(named("ntpq-4.2.8p15-synchronized").status)]
    assert len(usable(named("ntpctl-6.2p3-unsynced").status)) == 4


def test_the_parent_of_orphans_is_free_running() -> None:
    """An ntpd in orphan mode that others follow calls its own loopback address its reference."""
    status = named("ntpq-rv-4.2.8-orphan-parent").status
    assert source_key(status, "n1") == "local clock of n1"
    assert source_key(replace(status, daemon="chronyd"), "n1") == "127.0.0.1"


def test_a_kernel_whose_pulse_is_lost_is_not_synchronized() -> None:
    """The result of the call counts if the flag of a daemon that keeps the clock is not set."""
    kernel = named("ntptime-pps-lost").status.kernel
    assert kernel is not None
    assert kernel.synchronized is False

"""One status of many outputs: who disciplines the clock decides, and disagreement is named."""

import re
from dataclasses import replace

import pytest

from skewmon.model import SyncStatus
from skewmon.timesync.script import ToolOutput
from skewmon.timesync.status import assemble
from tests.timesync.captures import DIRECTORY, read

UNAME = "uname Linux 6.1.0 x86_64\nclock 1795353256\nboot 1-2-3\n"


def facts(*lines: str) -> ToolOutput:
    """Return the first block of a status output."""
    return ToolOutput("facts", UNAME + "".join(f"{line}\n" for line in lines))


def output(capture: str) -> ToolOutput:
    """Return a capture as in a status output."""
    one = read(DIRECTORY / f"{capture}.json")
    return ToolOutput(one.tool, one.stdout, one.stderr, one.exit_status)


def status(*parts: ToolOutput | str) -> SyncStatus:
    """Assemble blocks and captures."""
    outputs = [output(part) if isinstance(part, str) else part for part in parts]
    return assemble({one.name: one for one in outputs})


CHRONYD = "process 7 chronyd /usr/sbin/chronyd -F 1"
NTPD = "process 8 ntpd /usr/sbin/ntpd -p /var/run/ntpd.pid -g"


def test_chronyd_is_one_status_of_two_outputs() -> None:
    """Tracking has the quality, sources have the servers."""
    found = status(
        facts(CHRONYD),
        "chronyc-tracking-4.3-synchronized",
        "chronyc-sources-4.3-synchronized",
        "ntpq-4.2.8p15-not-running",
    )
    assert (found.daemon, found.synchronized, found.stratum) == ("chronyd", True, 2)
    assert (found.offset_s, found.source, found.reach) == (0.249955863, "10.78.0.13", 255)
    assert (len(found.peers), found.daemons, found.failures, found.unparsed) == (6, ("chronyd",), (), ())


def test_ntpsec_is_known_by_its_version() -> None:
    """Its process is called ntpd like any other; that makes neither two daemons nor a wrong name."""
    found = status(facts(NTPD), "ntpq-rv-ntpsec-1.2.2-synchronized", "ntpq-ntpsec-1.2.2-synchronized")
    assert (found.daemon, found.daemons) == ("ntpsec", ("ntpsec",))


def test_the_daemon_that_holds_the_clock_is_shown_and_all_are_named() -> None:
    """A second daemon that is unsynchronized does not hide the first."""
    found = status(
        facts(CHRONYD, NTPD),
        "chronyc-tracking-4.3-unreached",
        "ntpq-rv-4.2.8p15-synchronized",
        "ntpq-4.2.8p15-synchronized",
    )
    assert (found.daemon, found.synchronized) == ("ntpd", True)
    assert found.daemons == ("chronyd", "ntpd")


def test_a_watching_chronyd_does_not_win_over_the_daemon_that_steers() -> None:
    """Chronyd -x leaves the clock alone, however well it is synchronized."""
    found = status(
        facts("process 7 chronyd chronyd -x", NTPD),
        "chronyc-tracking-4.3-synchronized",
        "ntpq-rv-4.2.8p15-unreached",
    )
    assert (found.daemon, found.synchronized) == ("ntpd", False)


def test_openntpds_parent_is_not_a_second_daemon() -> None:
    """Its three processes are one daemon."""
    found = status(
        facts("process 1 ntpd /usr/sbin/ntpd -f /etc/openntpd/ntpd.conf", "process 2 ntpd ntpd: ntp engine"),
        "ntpctl-6.2p3-unsynced",
    )
    assert (found.daemon, found.daemons, found.synchronized) == ("openntpd", ("openntpd",), False)


def test_busyboxs_ntpd_is_an_ntpd_without_tools() -> None:
    """The status names ntpd, the list of daemons its implementation; it never sets the kernel's flag."""
    found = status(
        facts("ntpd busybox", "process 9 ntpd /usr/sbin/ntpd -N -p pool.ntp.org"), "ntptime-busybox-1.35"
    )
    assert (found.daemon, found.daemons, found.synchronized) == ("ntpd", ("busybox ntpd",), None)


@pytest.mark.parametrize(
    ("process", "synchronized"),
    [
        ("process 9 phc2sys /usr/sbin/phc2sys -a -r", None),
        ("process 9 ntpd ntpd: ntp engine", None),
        (CHRONYD, None),
        (NTPD, False),
    ],
)
def test_an_unsynchronized_kernel_counts_only_for_daemons_that_set_its_flag(
    process: str, synchronized: bool | None
) -> None:
    """PTP, OpenNTPD and a chronyd without rtcsync hold a clock whose kernel knows nothing of it."""
    found = status(facts(process), "ntptime-busybox-1.35")
    assert found.daemon != "none"
    assert found.synchronized is synchronized


def test_a_hardware_clock_in_local_time_is_no_lost_synchronisation() -> None:
    """Then timesyncd leaves the kernel's flag up, and only the maximum error shows it."""
    kernel = output("ntptime-adjtimex-1.29")
    unsync = re.sub(r"status: *[0-9]+", "status: 64", kernel.stdout)
    unsync = re.sub(r"maxerror: *[0-9]+", "maxerror: 250000", unsync)
    parts = (
        facts("process 5 systemd-timesyn /lib/systemd/systemd-timesyncd"),
        "timesync-status-252-synchronized",
    )
    assert status(*parts, replace(kernel, stdout=unsync)).synchronized is True
    assert status(*parts, replace(kernel, stdout=unsync.replace("250000", "16000000"))).synchronized is False


def test_a_daemon_that_leaves_the_clock_alone_is_no_rival() -> None:
    """``chronyd -x`` serves or watches; it answers, and two daemons are not reported."""
    watching = "process 7 chronyd /usr/sbin/chronyd -x -F 1"
    found = status(
        facts(watching, NTPD), "chronyc-tracking-4.3-synchronized", "ntpq-rv-4.2.8p15-synchronized"
    )
    assert (found.daemon, found.daemons) == ("ntpd", ("ntpd",))
    alone = status(facts(watching), "chronyc-tracking-4.3-synchronized")
    assert (alone.daemon, alone.daemons) == ("chronyd", ("chronyd",))
    twice = status(facts(watching, CHRONYD, NTPD), "chronyc-tracking-4.3-synchronized")
    assert twice.daemons == ("chronyd", "ntpd")


def test_the_claim_of_timesyncd_is_the_kernels_flag() -> None:
    """An accepted packet is not synchronization: the kernel's flag decides if it is known."""
    parts = (
        facts("process 5 systemd-timesyn /lib/systemd/systemd-timesyncd"),
        "timesync-status-252-synchronized",
    )
    assert status(*parts, "timedatectl-252").synchronized is True
    assert status(*parts, "ntptime-busybox-1.35").synchronized is False
    assert status(*parts).daemon == "timesyncd"


def test_no_daemon_is_reported_only_if_all_processes_can_be_seen() -> None:
    """With hidden processes it is not known."""
    assert status(facts(), "ntptime-busybox-1.35").daemon == "none"
    assert status(facts("processes hidden"), "ntptime-busybox-1.35").daemon == "unknown"
    assert assemble({}).daemon == "unknown"


def test_a_kernel_in_step_without_a_daemon_is_kept_from_elsewhere() -> None:
    """A container's clock is its host's."""
    found = status(facts(), "ntptime-kudu-synchronized")
    assert (found.daemon, found.synchronized) == ("unknown", True)


def test_a_claim_that_outlived_its_daemon_does_not_count() -> None:
    """The kernel claims synchronization for hours after its daemon stopped; its maximum error shows it."""
    kudu = output("ntptime-kudu-synchronized")
    text = re.sub(r"maximum error [0-9]+ us", "maximum error 700000 us", kudu.stdout)
    assert text != kudu.stdout
    found = status(facts(), replace(kudu, stdout=text))
    assert (found.daemon, found.synchronized) == ("none", True)


def test_a_daemon_that_runs_and_does_not_answer_is_a_failure_of_its_tool() -> None:
    """For chronyc a daemon that hangs is like none; its process shows the difference."""
    assert status(facts(CHRONYD), "chronyc-tracking-4.3-not-running").failures == (
        "chronyc-tracking: no answer, although its daemon runs",
    )
    assert status(facts(NTPD), "chronyc-tracking-4.3-not-running").failures == ()


def test_disagreement_is_named() -> None:
    """The daemon's claim counts, and the contradiction is named."""
    found = status(
        facts(NTPD), "ntpq-rv-4.2.8p15-synchronized", "ntpstat-unsynchronised", "ntptime-busybox-1.35"
    )
    assert found.synchronized is True
    assert "ntpd says synchronized, ntpstat says unsynchronized" in found.suspects
    assert "ntpd says synchronized, the kernel says unsynchronized" in found.suspects


def test_a_running_daemon_without_an_answer_is_named_with_the_claims_of_others() -> None:
    """noquery: the daemon runs, its tool gets no answer, ntpstat does."""
    found = status(facts(NTPD), "ntpq-4.2.8p15-noquery", "ntpstat-centos7")
    assert (found.daemon, found.synchronized, found.source) == ("ntpd", True, "202.118.1.130")
    assert found.failures == ("ntpq: timed-out",)


def test_a_tool_without_its_daemon_is_no_failure() -> None:
    """Ntpq on a chrony host asks a port that swallows the question."""
    found = status(facts(CHRONYD), "chronyc-tracking-4.3-synchronized", "ntpq-4.2.8p15-noquery")
    assert found.failures == ()


def test_lines_not_understood_are_named_with_their_tool() -> None:
    """Nothing is dropped in silence."""
    found = status(facts(NTPD, "what is this"), "ntpq-foreign-lines")
    assert found.unparsed[0] == "facts: what is this"
    assert found.unparsed[1] == "ntpq: Welcome to n3, authorised use only"


def test_floods_and_ends_in_the_middle_are_failures() -> None:
    """The cut tool is named."""
    flood = ToolOutput("ntpq", "x\n", flooded=True)
    cut = ToolOutput("ntpstat", "synchronised to", status=None)
    found = status(facts(NTPD), flood, cut)
    assert found.failures == ("ntpq: unparsed", "ntpstat: timed-out", "ntpq: more output than is read")


def test_age_follows_from_the_nodes_own_clock() -> None:
    """Chronyd prints an instant, the status output the time by the same clock."""
    found = status(facts(CHRONYD), "chronyc-tracking-slow")
    assert found.last_update_s == 1795353256 - 1763814131

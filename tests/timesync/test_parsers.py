"""The meaning of awkward lines, one table for each tool; positive always means that the node is ahead."""

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.parsers.report import ToolOutcome
from tests.timesync.captures import named


@pytest.mark.parametrize(
    ("capture", "offset_s"),
    [
        ("ntpq-4.2.8p15-synchronized", 0.24994),
        ("ntpq-ntpsec-1.2.2-synchronized", 0.24992),
        ("ntpq-ntpsec-1.2.2-units", 0.2499),
        ("ntpq-rv-4.2.8p15-synchronized", 0.249972837),
        ("ntpq-rv-ntpsec-1.2.2-synchronized", 0.249918242),
        ("ntpq-rv-ntpsec-1.2.2-units", 0.249918242),
        ("chronyc-tracking-4.3-synchronized", 0.249955863),
        ("chronyc-tracking-4.3-synchronized-csv", 0.249955863),
        ("timesync-status-252-synchronized", 0.24994),
        ("ntp-ctl-1.6-prometheus", 0.25),
        ("show-timesync-two-seconds-off", 2.0),
        ("chronyc-tracking-slow", -6.523e-06),
        ("chronyc-tracking-fast", 6.523e-06),
        ("ntpctl-sensor-and-pool", 0.009901),
        ("ntpctl-unsynced-offset", 1.234567),
        ("timesync-status-locale-comma", 0.005224),
        ("ntpq-4.2.6-centos7", -0.001631),
    ],
)
def test_all_sign_conventions_converge(capture: str, offset_s: float) -> None:
    """A node ahead is positive, whatever its tool calls it; most of these nodes really were 250 ms ahead."""
    assert named(capture).status.offset_s == offset_s


@pytest.mark.parametrize(
    ("capture", "offset_s"),
    [
        ("ntpctl-6.2p3-unsynced", 0.249358),
        ("chronyc-sources-4.3-unreached", None),
        ("ntpq-awkward-names", 0.000165),
    ],
)
def test_sources_keep_the_same_sign(capture: str, offset_s: float | None) -> None:
    """A source's offset, too, is positive if the node is ahead, and None if not measured."""
    peers = named(capture).status.peers
    assert peers[1 if len(peers) > 1 else 0].offset_s == offset_s


@pytest.mark.parametrize(
    ("capture", "ppm"),
    [
        ("chronyc-tracking-slow", -3.225),
        ("chronyc-tracking-csv-made-up", 100.001),
        ("ntpq-rv-4.2.8p3-leap-smear", -44.627),
        ("timesync-status-locale-comma", -12.565),
        ("show-timesync-two-seconds-off", 2188148 / 65536),
    ],
)
def test_frequencies_are_positive_if_the_oscillator_is_fast(capture: str, ppm: float) -> None:
    """A correction of +44 ppm means an oscillator that is 44 ppm slow."""
    assert named(capture).status.frequency_ppm == pytest.approx(ppm, abs=1e-9)


@pytest.mark.parametrize(
    ("capture", "outcome"),
    [
        ("ntpq-4.2.6-no-association", ToolOutcome.NO_SOURCES),
        ("ntpq-ntpsec-no-association", ToolOutcome.NO_SOURCES),
        ("ntpq-4.2.8p15-not-running", ToolOutcome.NOT_RUNNING),
        ("ntpq-ntpsec-1.2.2-not-running", ToolOutcome.NOT_RUNNING),
        ("ntpq-not-installed", ToolOutcome.NOT_INSTALLED),
        ("ntpq-4.2.8p15-noquery", ToolOutcome.TIMED_OUT),
        ("ntpq-incomplete", ToolOutcome.TIMED_OUT),
        ("ntpq-killed", ToolOutcome.TIMED_OUT),
        ("ntpq-empty", ToolOutcome.UNPARSED),
        ("chronyc-tracking-cannot-talk", ToolOutcome.NOT_RUNNING),
        ("chronyc-tracking-not-authorised", ToolOutcome.REFUSED),
        ("chronyc-sources-4.3-no-sources-csv", ToolOutcome.NO_SOURCES),
        ("timesync-status-bus-timeout", ToolOutcome.TIMED_OUT),
        ("timedatectl-252-no-systemd", ToolOutcome.NOT_RUNNING),
    ],
)
def test_kinds_of_silence_are_kept_apart(capture: str, outcome: ToolOutcome) -> None:
    """No sources, not running, not installed, timed out and not understood are five different answers."""
    assert named(capture).outcome is outcome


@pytest.mark.parametrize(
    ("when", "poll", "heard_s", "poll_s"),
    [
        ("116m", "18h", 6960, 64800),
        ("613", "68m", 613, 4080),
        ("-", "64", None, 64),
        ("12d", "1024", 1_036_800, 1024),
    ],
)
def test_ntpq_intervals_have_letters(when: str, poll: str, heard_s: float | None, poll_s: float) -> None:
    """68m is minutes and 18h hours; a dash is never heard, not zero."""
    row = f"*10.0.0.1        .GPS.            1 u {when:>4} {poll:>4}  377    1.000    0.500   0.100"
    peer = PARSERS["ntpq"](row, "", 0).status.peers[0]
    assert (peer.last_heard_s, peer.poll_s) == (heard_s, poll_s)


def test_ntpq_names_that_begin_like_a_tally_code_stay_whole() -> None:
    """The tally's column distinguishes a falseticker from a host called x.ns.gin.ntt.net."""
    states = [(peer.name, peer.state) for peer in named("ntpq-awkward-names").status.peers]
    assert ("x.ns.gin.ntt.ne", "rejected") in states
    assert ("o.example.org", "rejected") in states
    assert ("SHM(0)", "falseticker") in states
    assert ("185.232.69.65", "system") in states


def test_ntpq_wrapped_names_find_their_rows() -> None:
    """With -w a long name stands on a line of its own, and counts as parsed with its row."""
    report = named("ntpq-wide-wrapped")
    assert [peer.name for peer in report.status.peers] == [
        "kapu.ruselabs.com",
        "x.ns.gin.ntt.net",
        "ntp1.example.com",
        "a-very-long-name-of-a-server.example.com",
    ]
    assert (report.parsed, report.unparsed) == (7, ())


def test_ntpq_wrapped_name_without_its_row_is_not_dropped() -> None:
    """A name whose row never came is named among the lines not understood; its neighbours are read."""
    report = named("ntpq-wide-left-over")
    assert [peer.name for peer in report.status.peers] == ["192.0.2.1"]
    assert len(report.unparsed) == 2


def test_ntpq_missing_values_are_none_never_zero() -> None:
    """NTPsec's dot, X and nan stand for nothing measured."""
    peers = named("ntpq-ntpsec-missing-values").status.peers
    assert {peer.offset_s for peer in peers} == {None}
    assert {peer.jitter_s for peer in peers} == {None}


def test_ntpq_blank_refid_shifts_no_column() -> None:
    """A source without refid keeps its offset, delay and jitter, and the insane jitter is named."""
    report = named("ntpq-awkward-values")
    peer = report.status.peers[1]
    assert (peer.name, peer.refid, peer.delay_s, peer.offset_s) == ("91.189.94.4", None, 0.143047, -0.274726)
    assert report.suspects == (
        "91.189.94.4 jitter 449.445 s",
        "ntpool1.603.new offset may be cut off: 5602175 ms",
    )


def test_ntpq_units_are_honoured() -> None:
    """700ns is 700 nanoseconds, not 700 milliseconds."""
    first, second = named("ntpq-ntpsec-units").status.peers
    assert (first.delay_s, first.offset_s, first.jitter_s) == (7e-07, 0.00125, 3.25e-06)
    assert (second.delay_s, second.offset_s) == (3.00045, -1.2e-06)


def test_ntpq_cookie_count_is_not_an_address_type() -> None:
    """NTPsec shows the number of NTS cookies in the column of the kind of association."""
    assert [peer.kind for peer in named("ntpq-ntpsec-nts").status.peers] == ["8", "7", "p", "u"]


def test_a_cut_ipv6_address_identifies_no_server() -> None:
    """Fifteen characters of an IPv6 address are not a refid: the digest would be another server's."""
    row = "*2404:1a8:1102:: 133.243.236.18   2 u  613  68m  377    2.916   -0.165   0.066"
    assert PARSERS["ntpq"](row, "", 0).status.refid is None


def test_a_leap_smear_is_reported() -> None:
    """A smearing server is off on purpose, and reports its smear."""
    status = named("ntpq-rv-4.2.8p3-leap-smear").status
    assert (status.leap, status.smear_s, status.version) == (
        "insert",
        -0.932087,
        "ntpd 4.2.8p3-RC1@1.3349-o Mon Jun 22 14:24:09 UTC 2015 (26)",
    )


def test_an_unsynchronized_ntpd_claims_no_offset() -> None:
    """Its loop filter holds a zero that was not measured."""
    status = named("ntpq-rv-4.2.8p15-stepping").status
    assert (status.synchronized, status.offset_s) == (False, None)


def test_a_chronyd_that_never_synchronized_claims_nothing() -> None:
    """Zeroes and ones under reference ID 00000000 are no measurement."""
    status = named("chronyc-tracking-4.3-unreached").status
    assert (status.synchronized, status.offset_s, status.root_distance_s, status.refid) == (
        False,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    "capture",
    ["chronyc-tracking-4.3-local", "ntpstat-local-net", "ntpstat-local-net-address", "ntpq-local-island"],
)
def test_free_running_nodes_are_recognised(capture: str) -> None:
    """All of them call it synchronized, and it is the machine's own oscillator."""
    status = named(capture).status
    assert (status.synchronized, status.refid) == (True, "LOCL")


@pytest.mark.parametrize(
    ("capture", "synchronized"),
    [
        ("timedatectl-252", True),
        ("timedatectl-237-ubuntu", True),
        ("timedatectl-219-centos7", False),
        ("timedatectl-252-show", True),
        ("timedatectl-252-local-rtc", False),
    ],
)
def test_three_generations_of_timedatectl(capture: str, synchronized: bool) -> None:
    """Each wording of the same flag is known, and it is the kernel's."""
    status = named(capture).status
    assert status.synchronized is synchronized
    assert status.kernel is not None
    assert status.kernel.synchronized is synchronized


def test_every_tool_reports_the_same_kernel() -> None:
    """Ntptime of both projects, adjtimex and busybox report the same unsynchronized kernel."""
    tools = ["4.2.8p15-synchronized", "ntpsec-1.2.2-synchronized", "adjtimex-1.29", "busybox-1.35"]
    kernels = {named(f"ntptime-{tool}").status.kernel for tool in tools}
    assert len(kernels) == 1
    kernel = kernels.pop()
    assert kernel is not None
    assert (kernel.synchronized, kernel.max_error_s) == (False, 16.0)


def test_a_status_beside_its_parser_keeps_partial_text() -> None:
    """Output cut off in the middle keeps the whole lines and names the broken one."""
    report = named("chronyc-tracking-cut-off")
    assert (report.outcome, report.status.stratum) == (ToolOutcome.PARSED, 3)
    assert report.unparsed == ("Ref time (UTC)  : Sat Nov 2",)


def test_the_lines_of_a_killed_tool_are_kept() -> None:
    """Timed out is the outcome, and the rows that came are there."""
    row = "*10.0.0.1        .GPS.            1 u   12   64  377    1.000    0.500   0.100\n"
    report = PARSERS["ntpq"](row, "", 137)
    assert (report.outcome, len(report.status.peers)) == (ToolOutcome.TIMED_OUT, 1)

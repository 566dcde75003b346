"""Outputs that were misread in real use, one table for each kind.

Each value is the same as in the plain output, or absent for a reason, or named as a suspect.
"""

import pytest

from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.parsers.report import ToolOutcome, ToolReport
from tests.timesync.captures import DIRECTORY, described, read

TIMESYNC_STATUS = (DIRECTORY / "timesync-status-252-synchronized.txt").read_text(encoding="utf-8")
TRACKING = (DIRECTORY / "chronyc-tracking-slow.txt").read_text(encoding="utf-8")
NXOS = (DIRECTORY / "ntpq-cisco-nxos.txt").read_text(encoding="utf-8")
SHOW_TIMESYNC = (DIRECTORY / "show-timesync-two-seconds-off.txt").read_text(encoding="utf-8")

TABLE = """\
     remote           refid      st t when poll reach   delay   offset  jitter
==============================================================================
*192.0.2.1       .GPS.            1 u   12   64  377    1.000    0.500   0.100
 198.51.100.7    192.0.2.9        2 u   12   64  377    1.000    0.600   0.100
+203.0.113.5     192.0.2.9        2 u   12   64  377    1.000    0.700   0.100
"""
FIELDS = " 2 u   12   64  377    1.000    0.500   0.100\n"


def parse(tool: str, text: str, exit_status: int = 0) -> ToolReport:
    """Return the report of an output."""
    return PARSERS[tool](text, "", exit_status)


@pytest.mark.parametrize(
    ("span", "offset_s"),
    [
        ("-1min 30.500000s", 90.5),
        ("-1h 59min 59.900000s", 7199.9),
        ("+1min 30.5s", -90.5),
        ("-2d 3h", 183_600),
        ("-1w 1.5s", 604_801.5),
        ("-5.224ms", 0.005224),
    ],
)
def test_the_sign_of_a_span_covers_all_its_parts(span: str, offset_s: float) -> None:
    """Timesyncd prints the sign once, before the largest unit."""
    text = TIMESYNC_STATUS.replace("-249.940ms", span)
    assert parse("timesync-status", text).status.offset_s == pytest.approx(offset_s, abs=1e-9)


def test_a_second_sign_within_a_span_is_not_understood() -> None:
    """No version of systemd prints one, so its meaning is unknown."""
    report = parse("timesync-status", TIMESYNC_STATUS.replace("-249.940ms", "1min -30s"))
    assert (report.status.offset_s, len(report.unparsed)) == (None, 1)


PREFIXES = [
    "Jan 10 05:39:29 n1 check[940]: ",
    "Dec  1 23:59:59 web-7.example.net ntpcheck: ",
    "2026-01-10T05:39:29.123456+01:00 n1 check[940]: ",
    "2026-01-10 05:39:29 ",
    "n1: ",
    "db-12.example.com: ",
    "[n1] ",
    "n1 | ",
    "> ",
    ">> ",
    ">",
    "# ",
    " - ",
    "> n1: ",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("rows", [slice(None), slice(2, None), slice(2, 3)], ids=["table", "rows", "row"])
def test_a_prefix_that_all_rows_share_is_noise(prefix: str, rows: slice) -> None:
    """Tally codes and names survive syslog, clush, a quoted mail and their combinations."""
    lines = TABLE.splitlines()[rows]
    plain = parse("ntpq", "".join(f"{line}\n" for line in lines))
    report = parse("ntpq", "".join(f"{prefix}{line}\n" for line in lines))
    assert described(report) == described(plain)
    assert report.status.synchronized


@pytest.mark.parametrize("form", ["{:>6}\t{}\n", "{:>3} {}\n", "{}: {}\n", "{}:{}\n", "{:>4}) {}\n"])
def test_line_numbers_are_noise(form: str) -> None:
    """As cat -n, nl, grep -n and an editor print them."""
    text = "".join(form.format(number, line) for number, line in enumerate(TABLE.splitlines(), 8))
    assert parse("ntpq", text).status == parse("ntpq", TABLE).status


@pytest.mark.parametrize("prefix", ["1:", "# 1:", "> 1:", "n1: 1:"])
def test_the_number_of_a_single_line_takes_no_value_with_it(prefix: str) -> None:
    """The shortest prefix that leaves variables is removed, and not all up to the second variable."""
    line = "offset=0.123, sys_jitter=0.040\n"
    assert parse("ntpq-rv", prefix + line).status == parse("ntpq-rv", line).status


@pytest.mark.parametrize(
    "capture",
    ["chronyc-tracking-slow", "chronyc-sources-manual", "ntpstat-shell-server", "timedatectl-252"],
)
@pytest.mark.parametrize("prefix", ["n1: ", "Jan 10 05:39:29 n1 check[940]: ", "> "])
def test_prefixes_are_noise_for_every_tool(capture: str, prefix: str) -> None:
    """The prefix is removed before any parser sees the lines."""
    original = read(DIRECTORY / f"{capture}.json")
    text = "".join(f"{prefix}{line}\n" for line in original.stdout.splitlines())
    assert parse(original.tool, text).status == original.parse().status


@pytest.mark.parametrize(
    "form", ["Jan 10 05:39:{0:02} n1 check[{1}]: ", "Sat Jan 10 05:39:{0:02} 2026 n1 check[{1}]: "]
)
def test_each_line_may_be_logged_by_a_process_of_its_own(form: str) -> None:
    """Time and process number change from line to line."""
    lines = TABLE.splitlines()
    text = "".join(f"{form.format(58 + at // 2, 940 + at)}{line}\n" for at, line in enumerate(lines))
    assert parse("ntpq", text).status == parse("ntpq", TABLE).status


def test_the_outputs_of_two_nodes_are_not_mixed() -> None:
    """Of two labels the first is read; the lines of the other are not understood."""
    text = "".join(f"n1: {line}\n" for line in TABLE.splitlines())
    text += "n2: *192.0.2.99      .PPS.            1 u   12   64  377    1.000    9.500   0.100\n"
    report = parse("ntpq", text)
    assert report.status.source == "192.0.2.1"
    assert [line[:3] for line in report.unparsed] == ["n2:"]


@pytest.mark.parametrize("second", ["(au.example.net)", "(au.exa", "("])
@pytest.mark.parametrize("indent", [" " * 17, ""])
def test_a_wrapped_name_may_hold_a_blank(second: str, indent: str) -> None:
    """An address and a name in brackets on one line, the fields on the next, are one source."""
    report = parse("ntpq", f"*192.0.2.177 {second}\n{indent}192.0.2.9       {FIELDS}")
    peer = report.status.peers[0]
    assert (peer.name, peer.tally, peer.refid, report.unparsed) == ("192.0.2.177", "*", "192.0.2.9", ())
    assert report.status.synchronized


def test_an_indented_row_does_not_continue_the_name_above() -> None:
    """A name without its row stays without one, however far the whole table is indented."""
    text = (DIRECTORY / "ntpq-wide-left-over.txt").read_text(encoding="utf-8")
    report = parse("ntpq", "".join(f"{' ' * 12}{line}\n" for line in text.splitlines()))
    assert ([peer.name for peer in report.status.peers], len(report.unparsed)) == (["192.0.2.1"], 2)


@pytest.mark.parametrize(
    ("name", "column"),
    [("-720000", "offset"), ("1234567", "delay"), ("4000000", "jitter"), ("+100000", "offset")],
)
def test_a_number_of_seven_characters_without_a_point_is_a_suspect(name: str, column: str) -> None:
    """Ntpq prints seven characters of a field; -7,200,000.000 ms and -720,000.000 ms look the same."""
    values = {"delay": "1.000", "offset": "0.500", "jitter": "0.100", column: name}
    row = f"*192.0.2.1 .GPS. 1 u 12 64 377 {values['delay']} {values['offset']} {values['jitter']}\n"
    assert f"192.0.2.1 {column} may be cut off: {name} ms" in parse("ntpq", row).suspects


@pytest.mark.parametrize("lines", range(1, 12))
def test_a_cut_timesync_status_claims_no_lack_of_synchronization(lines: int) -> None:
    """Without the number of packets, the last line but one, nothing is known."""
    text = "".join(TIMESYNC_STATUS.splitlines(keepends=True)[:lines])
    assert parse("timesync-status", text).status.synchronized is None


def test_an_invalid_response_is_not_a_lack_of_synchronization() -> None:
    """Timesyncd prints this alone if the stamps of a packet contradict each other."""
    report = parse("timesync-status", "Invalid NTP response\n", 1)
    assert (report.status.synchronized, report.unparsed) == (None, ())


@pytest.mark.parametrize("name", ["oslo.example.net", "xenon.example.com", "ok.example.org"])
def test_a_letter_in_a_trimmed_row_is_part_of_the_name(name: str) -> None:
    """Without the leading blanks a letter is no proof of a tally code; synchronization is unknown."""
    report = parse("ntpq", f"{name} 192.0.2.9       {FIELDS}198.51.100.7    192.0.2.9       {FIELDS}")
    peer = report.status.peers[0]
    assert (peer.name, peer.state, peer.tally) == (name, "unknown", "")
    assert report.status.synchronized is None
    assert report.suspects == (f"{name}: tally code not known",)


@pytest.mark.parametrize(
    ("row", "name", "state"),
    [
        ("o192.0.2.3       .PPS.           ", "192.0.2.3", "pps"),
        ("xGPS_NMEA(0)     .GPS.           ", "GPS_NMEA(0)", "falseticker"),
        ("xntp7.example    192.0.2.9       ", "ntp7.example", "falseticker"),
        ("xntp7.example   192.0.2.9       ", "xntp7.example", "rejected"),
    ],
)
def test_a_letter_is_a_tally_code_if_the_row_proves_it(row: str, name: str, state: str) -> None:
    """Before an address or a driver, or if the reference identifier stands in its column."""
    report = parse("ntpq", f"{row}{FIELDS}198.51.100.7    192.0.2.9       {FIELDS}")
    assert (report.status.peers[0].name, report.status.peers[0].state) == (name, state)


@pytest.mark.parametrize("head", ["*192.0.2.65 ( 198.51.100.46", "*192.0.2.65 (au. 198.51.100.46"])
def test_a_cut_bracket_is_not_part_of_the_name(head: str) -> None:
    """The name and the reference identifier are read with single blanks, too."""
    status = parse("ntpq", f"{head} 2 u 12 64 377 1.0 0.7 0.1\n").status
    assert (status.source, status.refid, status.peers[0].refid) == (
        "192.0.2.65",
        "192.0.2.65",
        "198.51.100.46",
    )


def test_metrics_without_missed_polls_keep_their_offset() -> None:
    """An absent reachability is not an unreachable source."""
    labels = '{name="a.example",address="192.0.2.1:123",id="1"}'
    text = f"ntp_system_stratum 3\nntp_source_offset_seconds{labels} 0.005\n# EOF\n"
    assert parse("ntp-ctl", text).status.offset_s == -0.005


@pytest.mark.parametrize(
    ("digits", "address"), [("A000001", "10.0.0.1"), ("C0000201", "192.0.2.1"), ("1010101", "1.1.1.1")]
)
def test_references_in_hexadecimal_may_lack_leading_zeroes(digits: str, address: str) -> None:
    """Of timesyncd and of chrony alike."""
    timesyncd = parse("timesync-status", TIMESYNC_STATUS.replace("C0000201", digits)).status.peers[0]
    chronyd = parse("chronyc-tracking", TRACKING.replace("C0A87B01", digits)).status
    assert (timesyncd.refid, chronyd.refid) == (address, address)


SECTIONS = """\
vrf=default,status=0615 leap_none, sync_ntp, 1 event, clock_sync,
version="ntpd 4.2.8p12", leap=00, stratum=3, rootdelay=1.0, rootdisp=2.0, refid=192.0.2.1, offset=0.5

vrf=default,status=9417 conf, reach, sel_candidate, 1 event, event_7,
srcadr=192.0.2.1, stratum=2, reach=377, offset=-0.1, delay=3
vrf=mgmt,status=9617 conf, reach, sel_sys.peer, 1 event,
srcadr=192.0.2.2, stratum=2, reach=377, offset=-0.2, delay=3
"""


def test_sections_of_vendors_are_read_one_by_one() -> None:
    """A routing table's name begins a section; system variables and the first peer are kept."""
    report = parse("ntpq-rv", SECTIONS)
    status = report.status
    assert (status.synchronized, status.stratum, status.offset_s, report.unparsed) == (True, 3, -0.0005, ())
    assert [(peer.name, peer.state, peer.offset_s) for peer in status.peers] == [
        ("192.0.2.1", "candidate", 0.0001),
        ("192.0.2.2", "system", 0.0002),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "reach=377, offset=-0.112, delay=18.241\n",
        "hpoll=6, offset=-0.112\n",
        "status=9614, offset=-0.112,\nflash=00 ok\n",
    ],
)
def test_variables_of_a_peer_are_not_the_nodes_own(text: str) -> None:
    """Reach, delay and poll of a host belong to a source, even without its address."""
    status = parse("ntpq-rv", text).status
    assert (status.offset_s, [peer.offset_s for peer in status.peers]) == (None, [0.000112])


@pytest.mark.parametrize("reach", ["0", "377"])
def test_an_asterisk_at_stratum_16_is_not_synchronization(reach: str) -> None:
    """The contradiction is named."""
    row = f"*192.0.2.1       .INIT.          16 u    -   64  {reach:>3}    0.000    0.000   0.000\n"
    report = parse("ntpq", row)
    assert (report.status.synchronized, report.status.stratum) == (False, None)
    assert report.suspects == ("192.0.2.1 is marked as followed at stratum 16",)


@pytest.mark.parametrize(("stratum", "synchronized"), [(16, False), (2, None)])
def test_a_masked_row_has_no_tally_code(stratum: int, synchronized: bool | None) -> None:
    """Its first asterisk may be a code or the mask."""
    report = parse("ntpq", f"*********** ********** {stratum} u - 1024 0 0.000 0.000 0.000\n")
    assert report.status.synchronized is synchronized
    assert report.suspects == ("***********: tally code not known",)


def test_a_claim_at_stratum_16_is_contradicted_for_every_tool() -> None:
    """An ntpstat that calls stratum 16 synchronized is not believed."""
    report = parse("ntpstat", "synchronised to NTP server (192.0.2.1) at stratum 16\n")
    assert (report.status.synchronized, report.suspects) == (False, ("synchronized at stratum 16",))


@pytest.mark.parametrize("lines", range(1, 13))
def test_of_two_outputs_the_first_is_read(lines: int) -> None:
    """The second may be another host's, or cut: its lines are not understood."""
    second = "".join(
        TRACKING.replace("0.000006523 seconds slow", "7.81 seconds fast").splitlines(True)[:lines]
    )
    first, both = parse("chronyc-tracking", TRACKING), parse("chronyc-tracking", TRACKING + second)
    assert (both.status.offset_s, both.status.stratum) == (first.status.offset_s, first.status.stratum)
    assert list(both.unparsed) == second.splitlines()


@pytest.mark.parametrize(
    "capture",
    [
        "timesync-status-252-synchronized",
        "show-timesync-252-synchronized",
        "ntpstat-shell-server",
        "timedatectl-252",
        "ntptime-pps",
        "ntptime-adjtimex-1.29",
        "ntpctl-unsynced-offset",
        "chronyc-sources-manual",
    ],
)
def test_a_second_output_changes_no_value_of_any_tool(capture: str) -> None:
    """Its figures differ and none of them is taken."""
    original = read(DIRECTORY / f"{capture}.json")
    other = original.stdout.translate(str.maketrans("12345678", "23456781"))
    report = parse(original.tool, original.stdout + other)
    assert described(report)["status"] == described(original.parse())["status"]


def test_an_ignored_sample_moves_nothing() -> None:
    """Timesyncd does not step the clock for a spike; its offset is named, not taken."""
    text = SHOW_TIMESYNC.replace("Ignored=no", "Ignored=yes").replace("09:32:08 UTC", "09:30:40 UTC")
    report = parse("show-timesync", text)
    assert report.status.offset_s is None
    assert report.status.updated_wall_s == 1_659_864_730  # the destination stamp itself
    assert report.suspects == ("offset 90 s of a sample that timesyncd ignored",)


@pytest.mark.parametrize(
    "text",
    [
        NXOS.replace(" management", "").replace(" default", ""),
        NXOS.replace(" management", "\nmanagement").replace(" default", "\ndefault"),
        NXOS.replace("*192.0.2.1     ", "*192.0.2.1\n                "),
    ],
    ids=["without vrf", "wrapped vrf", "wrapped name"],
)
def test_rows_of_nexus_switches_may_lack_or_wrap_the_vrf(text: str) -> None:
    """Every row is a source."""
    report = parse("ntpq", text)
    assert [peer.name for peer in report.status.peers] == ["192.0.2.1", "192.0.2.9"]
    assert (report.status.source, report.unparsed) == ("192.0.2.1", ())


def test_limits_may_be_infinite_and_properties_of_timedatectl_may_follow() -> None:
    """Both are known."""
    text = "RootDistanceMaxUSec=infinity\nPollIntervalUSec=32s\nTimezone=Europe/Berlin\nLocalRTC=no\n"
    report = parse("show-timesync", text)
    assert (report.parsed, report.noise, report.unparsed) == (2, 2, ())


def test_headings_of_ntp_ctl_may_be_worded_otherwise() -> None:
    """Versions differ."""
    text = (DIRECTORY / "ntp-ctl-0.3-peers.txt").read_text(encoding="utf-8")
    other = text.replace("Synchronization status:", "Time synchronization status:")
    assert parse("ntp-ctl", other) == parse("ntp-ctl", text)


@pytest.mark.parametrize(
    ("tool", "line", "outcome"),
    [
        (
            "timedatectl",
            "Failed to connect to system scope bus via local transport: No such file or directory",
            ToolOutcome.NOT_RUNNING,
        ),
        (
            "timesync-status",
            "Failed to connect to system scope bus via local transport: Host is down",
            ToolOutcome.NOT_RUNNING,
        ),
        (
            "timedatectl",
            "Failed to connect to system scope bus via local transport: Permission denied",
            ToolOutcome.REFUSED,
        ),
        ("chronyc-tracking", "510 No command access from this host", ToolOutcome.REFUSED),
        ("chronyc-sources", "505 Facility not enabled in daemon", ToolOutcome.REFUSED),
        ("chronyc-tracking", "517 Protocol version mismatch", ToolOutcome.UNPARSED),
        ("chronyc-tracking", "520 Got unexpected error from daemon", ToolOutcome.UNPARSED),
        ("chronyc-sources", "521 Got unexpected reply from daemon", ToolOutcome.UNPARSED),
        ("chronyc-tracking", "508 Bad reply from daemon", ToolOutcome.UNPARSED),
        ("ntpq", "***Can't find host ntp.example.net", ToolOutcome.NOT_RUNNING),
        ("ntpq", "***Server returned an unspecified error", ToolOutcome.REFUSED),
        ("ntpq-rv", "***Server reports a bad format request packet", ToolOutcome.REFUSED),
        (
            "ntptime",
            "NTP user interface routines are not configured in this kernel.",
            ToolOutcome.NOT_INSTALLED,
        ),
    ],
)
def test_error_messages_name_their_outcome(tool: str, line: str, outcome: ToolOutcome) -> None:
    """No message is left among the lines that were not understood."""
    report = parse(tool, f"{line}\n", 1)
    assert (report.outcome, report.unparsed) == (outcome, ())


@pytest.mark.parametrize(
    "line",
    [
        "n1#",
        "n1>",
        "RP/0/RSP0/CPU0:n1#show ntp associations",
        "switch# show ntp peer-status",
        "operator@n1> show ntp associations no-resolve",
        "n1:~ # ntpq -p",
        "/ # ntpq -p",
        "~ $ ntpq -pn",
        "bash-4.2$ ntpq -p",
        "(venv) me@n1:~$ ntpq -pn",
        "me@n1 ~ % ntpq -p",
        "\u279c  ~ ntpq -p",
        "\u2514\u2500$ ntpq -p",
        "\u276f ntpq -p",
        "Thu Jan 10 05:39:29.123 UTC",
        "current host set to 192.0.2.1",
        "200 OK",
        "n1 | CHANGED | rc=0 >>",
        ".",
    ],
)
def test_prompts_dates_and_banners_are_noise(line: str) -> None:
    """They change nothing but the number of lines."""
    report, plain = parse("ntpq", f"{line}\n{TABLE}"), parse("ntpq", TABLE)
    assert (report.status, report.unparsed, report.noise) == (plain.status, (), plain.noise + 1)


@pytest.mark.parametrize(
    ("tool", "text"),
    [
        ("ntpq", "*192.0.2.1 .GPS. 1 u 12 64 377 1.000 0.500 0.1"),
        ("chronyc-tracking", "Stratum : 3\nSystem time : 0.5 seconds slow of NTP time"),
        ("timesync-status", "Server: 192.0.2.1\nOffset: -1min 30s"),
        ("ntpstat", "synchronised to NTP server (192.0.2.1) at stratum 1"),
    ],
)
def test_a_value_at_the_end_without_a_newline_is_a_suspect(tool: str, text: str) -> None:
    """More digits may have followed."""
    assert any("may be cut off" in suspect for suspect in parse(tool, text).suspects)
    assert not any("may be cut off" in suspect for suspect in parse(tool, f"{text}\n").suspects)


@pytest.mark.parametrize("start", ["-2404:", "+ntp1:", " 12:", " fe80::1%", ".", "#"])
def test_the_start_of_a_row_is_no_prefix(start: str) -> None:
    """A table that was cut within an address may have lost the followed source; the line is not dropped."""
    report = parse("ntpq", TABLE + start)
    assert report.unparsed == (start,)
    assert report.suspects


@pytest.mark.parametrize("start", [".", "#", "x"])
def test_a_lone_tally_code_may_be_the_followed_source(start: str) -> None:
    """A table that was cut behind the code of a row does not claim a lack of synchronization."""
    table = TABLE.replace("*", "-")
    assert parse("ntpq", table).status.synchronized is False
    assert parse("ntpq", table + start).status.synchronized is None


@pytest.mark.parametrize("start", ["=", "#", "^"])
def test_the_first_character_of_a_row_of_chronyc_is_a_suspect(start: str) -> None:
    """A cut list may lack sources, although the character alone looks like a rule or a prompt."""
    text = (DIRECTORY / "chronyc-sources-manual.txt").read_text(encoding="utf-8")
    assert parse("chronyc-sources", text + start).suspects == (
        f"the last line has no end and may be cut off: {start!r}",
    )


@pytest.mark.parametrize("stratum", ["0", "16"])
def test_timesyncd_follows_no_server_that_is_not_synchronized_itself(stratum: str) -> None:
    """Stratum 16, 0 on the wire, says so without a leap of 3."""
    status = TIMESYNC_STATUS.replace("Stratum: 2", f"Stratum: {stratum}")
    shown = SHOW_TIMESYNC.replace("Stratum=2", f"Stratum={stratum}")
    assert f"Stratum: {stratum}" in status
    assert f"Stratum={stratum}" in shown
    assert parse("timesync-status", status).status.synchronized is False
    assert parse("show-timesync", shown).status.synchronized is False


def test_a_row_that_is_read_by_its_header_may_be_wrapped_too() -> None:
    """Below ntpdc's header, whose columns are others, a narrow terminal broke rows within the last number."""
    lines = (DIRECTORY / "ntpq-ntpdc.txt").read_text(encoding="utf-8").splitlines()
    folded = "".join(f"{line[:70]}\n{line[70:]}\n" for line in lines)
    report = parse("ntpq", folded)
    assert {peer.jitter_s for peer in report.status.peers} == {0.1381, 3.9921, 0.1377, 0.0603}
    assert len([one for one in report.suspects if one.endswith("may be its rest")]) == 4


def test_a_wrapped_value_is_a_suspect() -> None:
    """The first half of a span is not the span."""
    report = parse("timesync-status", "Stratum: 2\nOffset: -1min\n30.500000s\nPacket count: 2\n")
    assert report.suspects == ("the line after 'Offset: -1min' may be its rest",)


def test_the_rest_of_a_wrapped_rule_is_not_where_rows_begin() -> None:
    """A pasted table, wrapped: the first piece of the rule stands above the tally codes."""
    lines = (DIRECTORY / "ntpq-junos-pasted.txt").read_text(encoding="utf-8").splitlines()
    wrapped = "".join(f"{line[:68]}\n{line[68:].lstrip()}\n" for line in lines)
    peers = parse("ntpq", wrapped).status.peers
    assert [(peer.tally, peer.name) for peer in peers] == [
        ("x", "192.0.2.2"),
        ("*", "198.51.100.65"),
        (" ", "x.example.net"),
    ]

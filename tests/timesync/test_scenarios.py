"""Healthy and sick fleets, and the findings that an operator would expect of them.

Every node is described by the text of its tools. A healthy fleet has at most the findings named with it.
"""

from dataclasses import replace

import pytest

from skewmon.model import SyncStatus
from skewmon.timesync.findings.derive import ClockChanges
from tests.timesync.captures import DIRECTORY
from tests.timesync.fleets import (
    CHRONYD,
    FOUR,
    NTPD,
    TIMESYNCD,
    Verdicts,
    chronyd,
    judged,
    node,
    ntpd,
    peers,
    row,
    sources,
    status_of,
    tracking,
    variables,
)

WRONG = "198.51.100.9"

NO_CHRONYD = ("506 Cannot talk to daemon\n", "", 1)
NO_NTPD = ("", "ntpq: read: Connection refused\n", 1)

HEALTHY = chronyd(*FOUR)


def capture(name: str) -> str:
    """Return the text of a capture."""
    return (DIRECTORY / f"{name}.txt").read_text(encoding="utf-8")


def kernel(*, unsync: bool, max_error_s: float) -> str:
    """Return the output of busybox's adjtimex."""
    text = capture("ntptime-busybox-1.35").replace("16000000", str(round(max_error_s * 1e6)))
    return text if unsync else text.replace("64 (UNSYNC)", "0 ()").replace("5 (clock not", "0 (clock")


# --- healthy fleets --------------------------------------------------------------------------------------


def test_members_of_a_pool_that_all_differ_are_no_alarm() -> None:
    """A pool gives every node other addresses: that is information, and nothing is wrong."""
    fleet = [node(f"n{k}", chronyd(*(f"203.0.113.{10 * k + i}" for i in range(4)))) for k in (1, 2, 3)]
    said = judged(*fleet)
    assert [said.kinds(f"n{k}") for k in (1, 2, 3)] == [[], [], []]
    assert [(one.kind, one.severity) for one in said.cluster] == [("no-common-reference", "info")]
    assert said.vote.verdict == "none"


@pytest.mark.parametrize("server", ["169.254.169.123", "fd00:ec2::123", "169.254.169.254"])
def test_a_clouds_own_time_service_needs_no_second_one(server: str) -> None:
    """The provider asks for it to be used alone, and other servers do not smear as it does."""
    fleet = [node(f"n{k}", chronyd(server)) for k in (1, 2, 3)]
    assert judged(*fleet).all_kinds == set()


def test_a_single_own_server_is_reported() -> None:
    """It may be wrong, and no other source would show it."""
    for server in ("10.0.0.5", "fe80::1"):
        fleet = [node(f"n{k}", chronyd(server)) for k in (1, 2, 3)]
        assert judged(*fleet).kinds("n1") == ["single-source"]


def azure() -> object:
    """Return the status of a guest whose clock is the host's, by the line that Azure documents."""
    return status_of(
        CHRONYD,
        chronyc_tracking=tracking("50484330 (PHC0)", stratum=3),
        chronyc_sources=sources(row("#*", "PHC0", stratum=2, poll=3)),
    )


def test_a_clock_of_the_hosts_belongs_to_each_node() -> None:
    """``refclock PHC … stratum 2``: four letters are a name, at whatever stratum, and no shared server."""
    fleet = [node(f"n{k}", azure()) for k in (1, 2, 3)]  # type: ignore[arg-type]
    assert judged(*fleet).all_kinds == set()
    said = judged(*fleet, node("n4", azure(), 70.0))  # type: ignore[arg-type]
    assert said.vote.culprits == ("n4",)
    assert said.cluster == ()
    others = [node(f"n{k}", chronyd(f"192.0.2.{k}")) for k in (1, 2, 3)]
    pair = judged(*others, node("n4", azure(), 70.0), node("n5", azure(), 70.0))  # type: ignore[arg-type]
    assert pair.vote.culprits == ("n4", "n5")
    assert "common-wrong-source" not in pair.all_kinds


def test_a_receiver_and_its_pulse_are_healthy() -> None:
    """The sentences are late, the pulse is followed: information at the most."""
    stratum_1 = status_of(
        CHRONYD,
        chronyc_tracking=tracking("50505300 (PPS)", stratum=1, delay_s=0.000000001, dispersion_s=0.000011),
        chronyc_sources=sources(
            row("#x", "GPS", stratum=0, poll=4, last="9"), row("#*", "PPS", stratum=0, poll=4, last="11")
        ),
    )
    said = judged(node("n1", stratum_1), node("n2", HEALTHY), node("n3", HEALTHY))
    assert [(one.kind, one.severity) for one in said.nodes["n1"]] == [("falsetickers", "info")]
    assert said.cluster == ()


def test_a_long_poll_is_not_stale() -> None:
    """Asked every 1024 s, heard 900 s ago."""
    calm = status_of(
        CHRONYD,
        chronyc_tracking=tracking(FOUR[0], ref_time="Sun Nov 22 13:09:15 2026"),
        chronyc_sources=sources(
            *(row(f"^{m}", a, poll=10, last="900") for m, a in zip("*+++", FOUR, strict=True))
        ),
    )
    assert judged(*(node(f"n{k}", calm) for k in (1, 2, 3))).all_kinds == set()


def test_a_restarted_daemon_may_have_few_answers() -> None:
    """Reach 1 and 3, the first samples seconds old, and no majority needed yet."""
    young = status_of(
        CHRONYD,
        chronyc_tracking=tracking(FOUR[0]),
        chronyc_sources=sources(
            *(row(f"^{m}", a, reach=r) for m, a, r in zip("*+++", FOUR, "3331", strict=True))
        ),
    )
    assert judged(node("n1", young), node("n2", HEALTHY), node("n3", HEALTHY)).all_kinds == set()


def test_a_node_that_just_booted_says_so_itself() -> None:
    """Ref time 1970 and reach 1: unsynchronized, and neither stale nor without sources nor lying."""
    booting = status_of(
        CHRONYD,
        chronyc_tracking=tracking(
            "00000000 ()",
            stratum=0,
            ref_time="Thu Jan 01 00:00:00 1970",
            leap="Not synchronised",
            ahead_s=0.0,
        ),
        chronyc_sources=sources(*(row("^?", a, reach="1", last="1") for a in FOUR)),
    )
    said = judged(node("n1", booting, 3.0), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["unsynchronized"]


def test_a_guest_in_a_container_is_kept_by_its_host() -> None:
    """No daemon, a kernel in step: nothing to say."""
    guest = status_of(ntptime=kernel(unsync=False, max_error_s=0.02))
    assert judged(*(node(f"n{k}", guest) for k in (1, 2, 3))).all_kinds == set()
    tool = status_of(timedatectl=capture("timedatectl-252").replace("active", "n/a"))
    assert judged(*(node(f"n{k}", tool) for k in (1, 2, 3))).all_kinds == set()


@pytest.mark.parametrize("max_error_s", [16.0, 0.7])
def test_a_container_cannot_keep_a_clock(max_error_s: float) -> None:
    """No daemon there could; the host's daemon may set the kernel's flag or not."""
    guest = status_of("container", ntptime=kernel(unsync=max_error_s == 16, max_error_s=max_error_s))
    assert judged(*(node(f"n{k}", guest) for k in (1, 2, 3))).all_kinds == set()


def test_both_tools_and_one_daemon_is_one_daemon() -> None:
    """Chrony is installed and stopped beside an ntpd that runs, and the other way round."""
    servers = tuple((address, ".GPS.", 1) for address in FOUR)
    ntp = ntpd(*servers)
    both = status_of(
        NTPD,
        ntpq=peers(*(("*" if a == FOUR[0] else "+", a, ".GPS.", 1) for a in FOUR)),
        ntpq_rv=variables(FOUR[0]),
        chronyc_tracking=NO_CHRONYD,
        chronyc_sources=NO_CHRONYD,
    )
    assert (ntp.daemon, both.daemon) == ("ntpd", "ntpd")
    assert judged(*(node(f"n{k}", both) for k in (1, 2, 3))).all_kinds == set()


def test_a_daemon_in_a_container_of_the_host_is_no_rival() -> None:
    """A host sees its guests' processes; a guest's ntpd does not steer the host's clock."""
    host = status_of(
        CHRONYD,
        "contained 4711 ntpd /usr/sbin/ntpd -p /var/run/ntpd.pid -g",
        chronyc_tracking=tracking(FOUR[0]),
        chronyc_sources=sources(*(row(f"^{m}", a) for m, a in zip("*+++", FOUR, strict=True))),
    )
    assert host.daemons == ("chronyd",)
    assert judged(*(node(f"n{k}", host) for k in (1, 2, 3))).all_kinds == set()


def test_a_daemon_that_runs_in_a_container_alone_is_not_denied() -> None:
    """It may have been given the clock."""
    host = status_of(
        "contained 4711 chronyd /usr/sbin/chronyd -d", ntptime=kernel(unsync=True, max_error_s=16)
    )
    assert host.daemons == ("chronyd",)
    assert "no-time-daemon" not in judged(*(node(f"n{k}", host) for k in (1, 2, 3))).all_kinds


def test_hidden_processes_prove_no_absence() -> None:
    """With hidepid the running daemons are not known; the answer of the daemon counts."""
    hidden = status_of(
        hidden=True,
        chronyc_tracking=tracking(FOUR[0]),
        chronyc_sources=sources(*(row(f"^{m}", a) for m, a in zip("*+++", FOUR, strict=True))),
    )
    assert judged(*(node(f"n{k}", hidden) for k in (1, 2, 3))).all_kinds == set()


@pytest.mark.parametrize(
    "process",
    [
        "process 9 phc2sys /usr/sbin/phc2sys -E ntpshm -M 0 -s eth0 -O 0",
        "process 9 phc2sys /usr/sbin/phc2sys -a",
        "process 9 phc2sys /usr/sbin/phc2sys -s CLOCK_REALTIME -c eth0 -w",
        "process 9 ptp4l /usr/sbin/ptp4l -f /etc/ptp4l.conf",
    ],
)
def test_ptp_programs_that_feed_others_are_no_rivals(process: str) -> None:
    """They write to shared memory, to another clock, or to a card."""
    fed = status_of(CHRONYD, process, chronyc_tracking=tracking(FOUR[0]))
    assert "two-time-daemons" not in judged(*(node(f"n{k}", fed) for k in (1, 2, 3))).all_kinds


@pytest.mark.parametrize(
    "process",
    [
        "process 9 phc2sys /usr/sbin/phc2sys -a -r",
        "process 9 phc2sys /usr/sbin/phc2sys -ar -u 60",
        "process 9 phc2sys /usr/sbin/phc2sys -s eth0 -w",
        "process 9 phc2sys /usr/sbin/phc2sys -s eth0 -c CLOCK_REALTIME -O -37",
    ],
)
def test_phc2sys_beside_a_daemon_is_a_rival(process: str) -> None:
    """Both set the system clock; a chronyd -x beside it does not."""
    rivals = status_of(CHRONYD, process, chronyc_tracking=tracking(FOUR[0]))
    said = judged(node("n1", rivals), node("n2", HEALTHY), node("n3", HEALTHY))
    assert "chronyd, phc2sys run on n1" in said.message("two-time-daemons", "n1")
    watched = status_of(f"{CHRONYD} -x", process, chronyc_tracking=tracking(FOUR[0]))
    assert "two-time-daemons" not in judged(*(node(f"n{k}", watched) for k in (1, 2, 3))).all_kinds


def test_a_slow_lopsided_path_has_no_culprit() -> None:
    """Two far nodes seem 90 ms ahead; their intervals hold the truth, so the near one is not behind."""
    far = {"bound_s": 0.1}
    said = judged(
        node("n1", HEALTHY, 0.09, **far), node("n2", HEALTHY, 0.09, **far), node("n3", HEALTHY, 0.0)
    )
    assert said.all_kinds == set()
    servers = tuple((address, ".GPS.", 1) for address in FOUR)
    wide = {"bound_s": 0.3}
    ntp = judged(
        node("n1", ntpd(*servers), 0.28, **wide),
        node("n2", ntpd(*servers), 0.28, **wide),
        node("n3", ntpd(*servers)),
    )
    assert ntp.all_kinds == set()


def test_a_loose_claim_is_an_honest_one() -> None:
    """Root distance of half a second on a satellite link, and 400 ms off."""
    loose = status_of(
        CHRONYD,
        chronyc_tracking=tracking(FOUR[0], delay_s=0.9, dispersion_s=0.08),
        chronyc_sources=sources(*(row(f"^{m}", a) for m, a in zip("*+++", FOUR, strict=True))),
    )
    assert judged(node("n1", loose, 0.4), node("n2", HEALTHY), node("n3", HEALTHY)).kinds("n1") == []


@pytest.mark.parametrize(("ahead_s", "kinds"), [(0.001510, []), (0.001600, ["claims-sync-but-off"])])
def test_the_line_lies_at_both_claims_and_both_measurements(ahead_s: float, kinds: list[str]) -> None:
    """0.732 ms are claimed by each of the two, 30 us measured of each: 1.524 ms are not yet refuted."""
    said = judged(node("n1", HEALTHY, ahead_s), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == kinds


# --- wrong clocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [
        (3_600.0, "1 h ahead"),
        (-3_600.0, "1 h behind"),
        (1_800.0, "0.5 h ahead"),
        (19_800.0, "5.5 h ahead"),
        (3_600.4, "1 h ahead to within 400.1 ms"),
    ],
)
def test_a_zone_is_recognised(ahead_s: float, words: str) -> None:
    """Whole half hours, also with half a second beside them."""
    said = judged(node("n1", HEALTHY, ahead_s), node("n2", HEALTHY), node("n3", HEALTHY))
    assert words in said.message("time-zone-error", "n1")


def test_a_day_is_no_zone() -> None:
    """No zone is that far from UTC."""
    said = judged(node("n1", HEALTHY, 86_400.0), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["claims-sync-but-off"]


@pytest.mark.parametrize(
    ("ahead_s", "words"),
    [(37.0, "37 s ahead"), (18.0004, "18 s ahead"), (-37.0, "37 s behind"), (-18.0, "18 s behind")],
)
def test_another_time_scale_is_recognised(ahead_s: float, words: str) -> None:
    """TAI, which PTP carries, and GPS time run ahead of UTC by whole seconds."""
    said = judged(node("n1", HEALTHY, ahead_s), node("n2", HEALTHY), node("n3", HEALTHY))
    message = said.message("time-scale-error", "n1")
    assert words in message
    assert ("TAI" if "37" in words else "GPS") in message
    assert "claims-sync-but-off" in said.kinds("n1")


@pytest.mark.parametrize("ahead_s", [1.0, 19.0, 36.0, 37.6, 17.4])
def test_other_whole_seconds_are_no_time_scale(ahead_s: float) -> None:
    """One second, or most of a minute, has other causes."""
    said = judged(node("n1", HEALTHY, ahead_s), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["claims-sync-but-off"]


def test_a_claim_of_the_kernel_is_attributed_to_the_kernel() -> None:
    """A guest without a daemon, whose kernel says synchronized, 70 s ahead: the kernel is quoted."""
    guest = status_of(ntptime=kernel(unsync=False, max_error_s=0.02))
    said = judged(node("n1", guest, 70.0), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.message("claims-sync-but-off", "n1").startswith("The kernel on n1 says synchronized, yet")


def test_a_daemon_that_admits_its_error_is_no_liar() -> None:
    """Synchronized, 70 s off, and slewing by its own report: the finding quotes it and advises a step."""
    slewing = chronyd(*FOUR, ahead_s=70.0)
    said = judged(node("n1", slewing, 70.0), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["corrects-slowly"]
    assert "chronyd on n1 is synchronized, but reports its clock 70 s fast" in said.message(
        "corrects-slowly", "n1"
    )
    assert said.vote.culprits == ("n1",)


def test_the_server_of_a_daemon_that_admits_its_error_is_not_blamed() -> None:
    """The daemon has the offset from the server, a member of a pool that no other node has."""
    slewing = chronyd("203.0.113.9", ahead_s=70.0)
    others = [node(f"n{k}", chronyd("203.0.113.1", f"203.0.113.{k}")) for k in (2, 3, 4)]
    said = judged(node("n1", slewing, 70.0), *others)
    assert said.vote.culprits == ("n1",)
    assert "common-wrong-source" not in said.all_kinds


def test_a_wrong_server_is_named_with_its_node() -> None:
    """The story of the project, through the tools' own text."""
    said = judged(node("n1", chronyd(WRONG), 70.0), *(node(f"n{k}", HEALTHY) for k in (2, 3, 4)))
    assert said.vote.culprits == ("n1",)
    assert f"says synchronized to {WRONG} to within" in said.message("claims-sync-but-off", "n1")
    assert said.message("common-wrong-source") == f"n1 deviates and follows {WRONG}, which no other node uses"


# --- daemons ---------------------------------------------------------------------------------------------


def test_busyboxs_ntpd_is_not_held_for_the_other() -> None:
    """It steps a clock however far off, has no tools, and its system has neither ntpq nor systemd."""
    alpine = status_of(
        "ntpd busybox",
        "process 9 ntpd /usr/sbin/ntpd -N -p pool.ntp.org -n",
        ntptime=kernel(unsync=True, max_error_s=16),
    )
    said = judged(node("n1", alpine, 1_500.0), node("n2", HEALTHY), node("n3", HEALTHY))
    assert "panic-threshold" not in said.kinds("n1")


def test_an_orphan_parent_follows_itself() -> None:
    """``tos orphan 5``: ntpd serves its own oscillator as 127.0.0.1 and calls that synchronized."""
    parent = status_of(
        NTPD,
        ntpq=peers(*((" ", address, ".INIT.", 16) for address in FOUR)).replace("377", "  0"),
        ntpq_rv=variables("127.0.0.1", stratum=5),
    )
    assert parent.synchronized is True
    assert "local-island" in judged(node("n1", parent), node("n2", HEALTHY), node("n3", HEALTHY)).kinds("n1")


def test_a_stopped_timesyncd_leaves_a_claim_that_does_not_count() -> None:
    """The kernel's bound has grown past what any daemon leaves between two updates."""
    stopped = status_of(timedatectl=capture("timedatectl-252"), ntptime=kernel(unsync=False, max_error_s=0.7))
    said = judged(node("n1", stopped), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["no-time-daemon"]


def test_no_daemon_and_no_tool_but_timedatectl() -> None:
    """Nothing runs, and systemd says that the clock is not kept."""
    text = capture("timedatectl-252").replace("yes", "no").replace("active", "inactive")
    said = judged(node("n1", status_of(timedatectl=text)), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["no-time-daemon"]


def test_two_daemons_at_once_are_named() -> None:
    """An ntpd beside a timesyncd that the distribution left enabled."""
    both = status_of(
        NTPD,
        TIMESYNCD,
        ntpq=peers(*(("*" if a == FOUR[0] else "+", a, ".GPS.", 1) for a in FOUR)),
        ntpq_rv=variables(FOUR[0]),
        timesync_status=capture("timesync-status-252-synchronized"),
    )
    said = judged(node("n1", both), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.message("two-time-daemons", "n1").startswith("ntpd, timesyncd run on n1")


def test_a_chronyd_that_lost_its_servers_is_stale() -> None:
    """It says synchronized for hours more."""
    lost = status_of(
        CHRONYD,
        chronyc_tracking=tracking(FOUR[0], ref_time="Sun Nov 22 11:20:00 2026"),
        chronyc_sources=sources(*(row("^?", a, poll=10, reach="0", last="126m") for a in FOUR)),
    )
    said = judged(node("n1", lost), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["no-reachable-source"]  # 7,455 s are not yet eight polls of 1024 s
    longer = status_of(
        CHRONYD,
        chronyc_tracking=tracking(FOUR[0], ref_time="Sun Nov 22 10:20:00 2026"),
        chronyc_sources=sources(*(row("^?", a, poll=10, reach="0", last="184m") for a in FOUR)),
    )
    said = judged(node("n1", longer), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["stale-sync", "no-reachable-source"]
    assert "last heard 3.071 h ago" in said.message("stale-sync", "n1")


def test_an_ntpd_that_lost_its_servers_is_stale() -> None:
    """No tally, reach 0, stratum and leap as if nothing were."""
    table = peers(*((" ", a, ".GPS.", 1) for a in FOUR)).replace(" 21   64  377", "44m   64    0")
    lost = status_of(NTPD, ntpq=table, ntpq_rv=variables(FOUR[0]).replace("eead6bd0", "eead6154"))
    said = judged(node("n1", lost), node("n2", HEALTHY), node("n3", HEALTHY))
    assert said.kinds("n1") == ["stale-sync", "no-reachable-source"]


def test_openntpds_constraint_and_pool_are_understood() -> None:
    """Synced with four peers; one name of the pool is not resolved yet."""
    said_it = status_of(
        "process 5 ntpd /usr/sbin/ntpd",
        "process 6 ntpd ntpd: ntp engine",
        ntpctl=(
            "4/4 peers valid, constraint offset -1s, clock synced, stratum 2\n\n"
            "peer\n   wt tl st  next  poll          offset       delay      jitter\n"
            + "".join(
                f"{a}\n {'*' if a == FOUR[0] else ' '}  1 10  1   21s   34s"
                "         0.012ms     0.412ms     0.021ms\n"
                for a in FOUR
            )
        ),
    )
    assert (said_it.daemon, said_it.unparsed) == ("openntpd", ())
    assert judged(*(node(f"n{k}", said_it) for k in (1, 2, 3))).all_kinds == set()


def ntpd_rs(*servers: str) -> SyncStatus:
    """Return a healthy ntpd-rs, which combines its sources and names none of them as the one it follows."""
    metrics = "ntp_system_leap_indicator 0\nntp_system_root_delay_seconds 0.0008\n"
    metrics += "ntp_system_root_dispersion_seconds 0.0003\nntp_system_stratum 2\n"
    for number, address in enumerate(servers):
        labels = f'{{name="t{number}:123",address="{address}:123",id="{number}"}}'
        metrics += f"ntp_source_poll_interval_seconds{labels} 64\nntp_source_unanswered_polls{labels} 0\n"
        metrics += f"ntp_source_offset_seconds{labels} -0.00001\n"
        metrics += f"ntp_source_uncertainty_seconds{labels} 0.00002\n"
    return status_of("process 5 ntp-daemon /usr/bin/ntp-daemon", ntp_ctl=metrics)


def test_ntpd_rs_is_healthy_with_four_sources() -> None:
    """Its clock is judged like any other's."""
    rs = ntpd_rs(*FOUR)
    assert judged(*(node(f"n{k}", rs) for k in (1, 2, 3))).all_kinds == set()
    off = judged(node("n1", rs, 70.0), node("n2", rs), node("n3", rs))
    assert off.message("claims-sync-but-off", "n1").startswith("ntpd-rs on n1 says synchronized to within")


def test_the_sources_that_ntpd_rs_combines_are_counted() -> None:
    """Two nodes that combine two sources of their own against three on one: the names are withheld."""
    camp = [node(f"n{k}", ntpd_rs(WRONG, "198.51.100.10"), 70.0) for k in (4, 5)]
    said = judged(*(node(f"n{k}", chronyd("192.0.2.1")) for k in (1, 2, 3)), *camp)
    assert (said.vote.verdict, said.vote.disputed) == ("undetermined", ("n4", "n5"))
    assert f"n4, n5 (sources 198.51.100.10, {WRONG})" in said.vote.evidence
    more = judged(*(node(f"n{k}", ntpd_rs(*FOUR)) for k in (1, 2, 3)), *camp)
    assert more.vote.culprits == ("n4", "n5")


# --- camps and their sources ----------------------------------------------------------------------------


def camps(right: int, wrong: object, count: int = 3) -> list[object]:
    """Return the nodes that are right, each with its own server, and those that are 70 s ahead."""
    good = [node(f"n{k}", chronyd(f"192.0.2.{k}")) for k in range(1, right + 1)]
    return [*good, *(node(f"n{right + k}", wrong(k), 70.0) for k in range(1, count + 1))]  # type: ignore[operator]


def against(wrong: int, *right: SyncStatus) -> Verdicts:
    """Return the findings of right nodes, against so many 70 s ahead with one server."""
    good = [node(f"n{k}", status) for k, status in enumerate(right, 1)]
    return judged(*good, *(node(f"w{k}", chronyd(WRONG), 70.0) for k in range(1, wrong + 1)))


def test_servers_that_pass_on_one_time_are_one_source() -> None:
    """Three nodes have three servers, and ntpq shows that all three follow one: no more than the camp has."""
    passing = [ntpd((f"198.51.100.{k}", "203.0.113.77", 2)) for k in (1, 2, 3)]
    said = against(2, *passing)
    assert (said.vote.verdict, said.vote.disputed) == ("undetermined", ("w1", "w2"))
    assert "n1, n2, n3 (source 203.0.113.77)" in said.vote.evidence
    assert against(2, *(chronyd(f"198.51.100.{k}") for k in (1, 2, 3))).vote.culprits == ("w1", "w2")


def test_the_upstream_of_a_server_is_known_from_any_node() -> None:
    """Chrony does not print the upstream of its server; another node's ntpq does."""
    spoken = ntpd(("198.51.100.3", "203.0.113.77", 2), ("198.51.100.4", "203.0.113.77", 2))
    silent = chronyd("198.51.100.4")
    assert against(2, spoken, spoken, silent).vote.disputed == ("w1", "w2")


@pytest.mark.parametrize("name", ["2a01:3f7:2:202:", "ntp.example", "198.51.100.9%x", "time1.example.co"])
def test_a_server_whose_name_is_no_address_has_no_known_root(name: str) -> None:
    """An IPv6 address that ntpq cuts off, or a name in spite of ``-n``, disturbs nothing."""
    fleet = [node(f"n{k}", ntpd((name, "192.0.2.77", 2))) for k in (1, 2)]
    assert judged(*fleet, node("n3", HEALTHY, 70.0)).vote.culprits == ("n3",)


def test_strangers_private_addresses_are_not_one_root() -> None:
    """Public servers behind networks of their own may all follow some 10.0.0.1."""
    fleet = [node(f"n{k}", ntpd((f"5.9.{k}.1", "10.0.0.1", 2))) for k in (1, 2)]
    fleet += [node("n3", ntpd(("5.9.3.1", ".GPS.", 1)), 70.0)]
    said = judged(*fleet)
    assert said.vote.culprits == ("n3",)
    assert "one source" not in said.vote.evidence


def test_a_node_that_serves_the_others_is_not_a_second_source() -> None:
    """All of it is one upstream: whoever is apart does not follow it well, and it is not to blame."""
    server = node("n1", chronyd("192.0.2.1"), 70.0, address="10.0.0.1")
    clients = [node(f"n{k}", chronyd("10.0.0.1"), address=f"10.0.0.{k}") for k in (2, 3, 4)]
    said = judged(server, *clients)
    assert said.vote.culprits == ("n1",)
    assert said.cluster == ()
    two = judged(server, clients[0])
    assert "no-common-reference" not in [one.kind for one in two.cluster]


def test_a_free_running_node_is_not_a_source() -> None:
    """Three nodes that follow their own oscillators name no camp that has a source, but one node alone."""
    island = status_of(CHRONYD, chronyc_tracking=tracking("7F7F0101 ()", stratum=10))
    said = judged(*camps(2, lambda _: island))  # type: ignore[arg-type]
    assert "local-island" in said.kinds("n4")
    assert (said.vote.verdict, said.vote.disputed) == ("undetermined", ("n1", "n2"))
    assert "n3, n4, n5 (no known source)" in said.vote.evidence
    alone = judged(*camps(1, lambda _: island))  # type: ignore[arg-type]
    assert (alone.vote.verdict, alone.vote.culprits) == ("named", ("n1",))
    assert alone.vote.evidence.endswith("None of these has a known source, but the outlier has.")
    few = judged(*camps(3, lambda _: island, 2))  # type: ignore[arg-type]
    assert (few.vote.verdict, few.vote.culprits) == ("named", ("n4", "n5"))


def test_a_free_running_node_is_not_an_upstream_to_remove() -> None:
    """The node that follows itself is named, and its own oscillator is not called a source."""
    island = status_of(CHRONYD, chronyc_tracking=tracking("7F7F0101 ()", stratum=10))
    said = judged(node("n1", island, 70.0), *(node(f"n{k}", HEALTHY) for k in (2, 3, 4)))
    assert said.vote.culprits == ("n1",)
    assert said.cluster == ()


def test_nodes_that_follow_a_free_running_node_have_no_source() -> None:
    """One node with ``local stratum 10`` serves two others; two nodes have a server."""
    island = status_of(CHRONYD, chronyc_tracking=tracking("7F7F0101 ()", stratum=10))
    fleet = [node("n1", island, 70.0, address="10.0.0.1")]
    fleet += [node(f"n{k}", chronyd("10.0.0.1"), 70.0, address=f"10.0.0.{k}") for k in (2, 3)]
    fleet += [node(f"n{k}", chronyd("192.0.2.1"), address=f"10.0.0.{k}") for k in (4, 5)]
    said = judged(*fleet)
    assert (said.vote.verdict, said.vote.disputed) == ("undetermined", ("n4", "n5"))


def test_two_nodes_that_follow_each_other_have_no_source() -> None:
    """A loop has no root, which the evidence names; a single outlier is named all the same."""
    fleet = [node("n1", chronyd("10.0.0.2"), 70.0, address="10.0.0.1")]
    fleet += [node("n2", chronyd("10.0.0.1"), 70.0, address="10.0.0.2")]
    said = judged(*fleet, node("n3", chronyd("192.0.2.1"), address="10.0.0.3"))
    assert (said.vote.verdict, said.vote.culprits) == ("named", ("n3",))
    assert said.vote.evidence.endswith("None of these has a known source, but the outlier has.")


def test_two_unsynchronized_nodes_against_a_third_are_said_to_have_no_source() -> None:
    """A network that lets only one node out to its servers."""
    lost = status_of(
        CHRONYD,
        chronyc_tracking=tracking(
            "00000000 ()", stratum=0, ref_time="Thu Jan 01 00:00:00 1970", leap="Not synchronised"
        ),
        chronyc_sources=sources(*(row("^?", a, reach="0", last="-", stratum=0) for a in FOUR)),
    )
    said = judged(node("n1", HEALTHY), node("n2", lost, 70.0), node("n3", lost, 70.0))
    assert (said.vote.verdict, said.vote.culprits) == ("named", ("n1",))
    assert said.vote.evidence.endswith("None of these has a known source, but the outlier has.")
    assert said.kinds("n2") == ["unsynchronized", "no-reachable-source"]


def test_an_unsynchronized_node_is_still_named() -> None:
    """It has no voice, and can be wrong."""
    lost = status_of(
        NTPD,
        ntpq=peers(*((" ", a, ".INIT.", 16) for a in FOUR)),
        ntpq_rv=variables(".INIT.", stratum=16, leap="11"),
    )
    said = judged(*(node(f"n{k}", HEALTHY) for k in (1, 2)), node("n3", lost, 70.0))
    assert said.vote.culprits == ("n3",)
    assert "common-wrong-source" not in said.all_kinds


def test_two_nodes_are_one_claim_against_another() -> None:
    """Both claim to be right; no node is named, and the tie is reported."""
    said = judged(node("n1", chronyd("192.0.2.1")), node("n2", chronyd("192.0.2.2"), 70.0))
    assert (said.vote.verdict, said.vote.culprits) == ("undetermined", ())
    assert "claims-sync-but-off" not in said.all_kinds
    assert "2 of 2 nodes are provably apart" in said.vote.evidence


def test_three_of_five_behind_one_wrong_server() -> None:
    """The two have a source of their own, or one each: no name, and both camps are reported."""
    apart = judged(*camps(2, lambda _: chronyd(WRONG)))  # type: ignore[arg-type]
    assert (apart.vote.verdict, apart.vote.disputed) == ("undetermined", ("n1", "n2"))
    assert f"n1, n2 (sources 192.0.2.1, 192.0.2.2) and n3, n4, n5 (source {WRONG})" in apart.vote.evidence
    good = [node(f"n{k}", chronyd("192.0.2.1")) for k in (1, 2)]
    tied = judged(*good, *(node(f"n{k}", chronyd(WRONG), 70.0) for k in (3, 4, 5)))
    assert (tied.vote.verdict, tied.vote.disputed) == ("undetermined", ("n1", "n2"))
    assert tied.message("common-wrong-source").startswith(
        "Two camps stand at least 69.99 s apart, n1, n2 with"
    )
    for said in (apart, tied):
        assert "claims-sync-but-off" not in said.all_kinds


def test_a_single_outlier_is_named_also_if_the_others_share_one_source() -> None:
    """The evidence names it."""
    said = judged(*(node(f"n{k}", chronyd("192.0.2.1")) for k in (1, 2)), node("n3", chronyd(WRONG), 70.0))
    assert said.vote.culprits == ("n3",)
    assert said.vote.evidence.endswith("All of these have one source, 192.0.2.1, and would share its error.")


def test_without_a_majority_no_node_is_called_off() -> None:
    """No two of five agree to 50 ms: there is no reference to be off from."""
    scattered = [node(f"n{k}", HEALTHY, 0.06 * k) for k in (1, 2, 3, 4)]
    said = judged(*scattered, node("n5", HEALTHY, 70.0))
    assert said.vote.verdict == "undetermined"
    assert said.all_kinds == set()


def test_two_guests_of_a_wrong_host_are_named_by_eighteen() -> None:
    """Eighteen accept four servers; the guests have a clock each."""
    fleet = [node(f"n{k:02}", HEALTHY) for k in range(1, 19)]
    guests = [node(name, azure(), 70.0) for name in ("n19", "n20")]  # type: ignore[arg-type]
    said = judged(*fleet, *guests)
    assert (said.vote.verdict, said.vote.culprits) == ("named", ("n19", "n20"))


@pytest.mark.parametrize("admitted_s", [0.0, 3_600.0])
def test_servers_that_all_nodes_have_do_not_divide_them(admitted_s: float) -> None:
    """Two nodes an hour ahead follow other servers of the same four than the rest does."""
    a, b, c, d = FOUR
    fleet = [node(f"n{k}", chronyd(a, b, c, d)) for k in (1, 2, 3)]
    fleet += [node("n4", chronyd(b, a, c, d, ahead_s=admitted_s), 3_600.0)]
    fleet += [node("n5", chronyd(c, a, b, d, ahead_s=admitted_s), 3_600.0)]
    said = judged(*fleet)
    assert (said.vote.verdict, said.vote.culprits) == ("named", ("n4", "n5"))
    assert "time-zone-error" in said.kinds("n4")
    assert said.kinds("n1") == []


def test_two_that_are_wrong_differently_are_both_named() -> None:
    """Each of the two happens to follow another server of the four that all five hold for right."""
    a, b, c, d = FOUR
    fleet = [node(f"n{k}", chronyd(a, b, c, d)) for k in (1, 2, 3)]
    said = judged(*fleet, node("n4", chronyd(b, a, c, d), 70.0), node("n5", chronyd(c, a, b, d), 3_600.0))
    assert (said.vote.verdict, said.vote.culprits) == ("named", ("n4", "n5"))
    assert said.kinds("n4") == ["claims-sync-but-off"]
    assert said.kinds("n5") == ["time-zone-error", "claims-sync-but-off"]


def test_one_server_is_outvoted_by_the_four_of_the_others() -> None:
    """Both camps follow one server; three daemons accept four, which count as three sources."""
    said = judged(
        *(node(f"n{k}", HEALTHY) for k in (1, 2, 3)), *(node(f"n{k}", chronyd(WRONG), 70.0) for k in (4, 5))
    )
    assert (said.vote.verdict, said.vote.culprits) == ("named", ("n4", "n5"))
    assert (
        said.message("common-wrong-source") == f"n4, n5 deviate and follow {WRONG}, which no other node uses"
    )


def test_three_nodes_on_three_upstreams() -> None:
    """Two sources against one."""
    said = judged(*camps(2, lambda _: chronyd(WRONG), 1))  # type: ignore[arg-type]
    assert said.vote.culprits == ("n3",)


def test_one_server_by_two_addresses_may_pass_for_two() -> None:
    """Nothing on the nodes shows that they are one; the sentence holds only known facts."""
    said = judged(node("n1", chronyd("192.0.2.1")), node("n2", chronyd("2001:db8::1")))
    assert [one.severity for one in said.cluster] == ["info"]
    assert "by address" in said.message("no-common-reference")


def test_an_ipv6_server_is_named_by_its_address() -> None:
    """Its reference identifier is a digest that looks like an unrelated IPv4 address."""
    said = judged(*camps(3, lambda _: chronyd("2001:db8::bad"), 2))  # type: ignore[arg-type]
    message = said.message("common-wrong-source")
    assert message == "n4, n5 deviate and follow 2001:db8::bad, which no other node uses"
    good = [node(f"n{k}", chronyd("2001:db8::1")) for k in (1, 2, 3)]
    tied = judged(*good, *(node(f"n{k}", chronyd("2001:db8::bad"), 70.0) for k in (4, 5)))
    assert "n4, n5 (source 2001:db8::bad) and n1, n2, n3 (source 2001:db8::1)" in tied.vote.evidence
    assert "n1, n2, n3 with 2001:db8::1 and n4, n5 with 2001:db8::bad" in tied.message("common-wrong-source")


def test_a_server_that_only_ntpds_variables_name_is_named() -> None:
    """Its table timed out; the reference identifier shows it, and is named as one."""
    alone = status_of(NTPD, ntpq_rv=variables(WRONG), ntpq=("", "***Request timed out\n", 1))
    said = judged(node("n1", alone, 70.0), *(node(f"n{k}", HEALTHY) for k in (2, 3)))
    assert f"synchronized to the reference ID {WRONG} to within" in said.message("claims-sync-but-off", "n1")


# --- leap seconds ----------------------------------------------------------------------------------------


def test_a_clock_set_back_by_a_second_is_not_a_leap() -> None:
    """One node steps by one second on an ordinary day, and its pool's member is its own."""
    odd = chronyd("203.0.113.9")
    rest = [node(f"n{k}", chronyd(f"203.0.113.{k}")) for k in (2, 3, 4)]
    for step_s in (1.0, -1.0):
        said = judged(node("n1", odd, step_s, step_s=step_s), *rest)
        assert "leap-smear-split" not in said.all_kinds


def test_a_leap_second_that_all_announce_is_no_trouble() -> None:
    """On the last day of the month every healthy daemon announces it."""
    assert (
        judged(*(node(f"n{k}", chronyd(*FOUR, leap="Insert second")) for k in (1, 2, 3))).all_kinds == set()
    )


def test_a_smear_is_distinguished_from_an_inserted_second() -> None:
    """Half a second apart on the day, whoever announces it."""
    smearing = [node(f"s{k}", chronyd(f"216.239.35.{4 * k}"), 0.4) for k in (0, 1)]
    plain = [node(f"p{k}", chronyd(*FOUR, leap="Insert second")) for k in (1, 2, 3)]
    assert "leap-smear-split" in judged(*smearing, *plain).all_kinds


def test_the_whole_camp_that_steps_back_by_a_second_shows_the_leap() -> None:
    """At midnight the announcement is gone, and the step shows it."""
    smearing = [node(f"s{k}", chronyd(f"216.239.35.{4 * k}"), 0.4) for k in (0, 1)]
    plain = [replace(node(f"p{k}", HEALTHY), history=ClockChanges(step_s=-1.0)) for k in (1, 2, 3)]
    assert "leap-smear-split" in judged(*smearing, *plain).all_kinds

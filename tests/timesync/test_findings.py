"""Every finding: when it is made, when not, its severity and the command to type."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from skewmon.culprit.decide import NO_CULPRIT, decide
from skewmon.culprit.reference import reference_clock
from skewmon.model import Finding, Interval, KernelClock, Node, Peer, SshSettings, SyncStatus
from skewmon.model.commands import Access
from skewmon.timesync.findings.catalogue import FINDINGS
from skewmon.timesync.findings.derive import (
    ClockChanges,
    NodeEvidence,
    admin_box_findings,
    cluster_findings,
    node_findings,
)
from skewmon.timesync.findings.evidence import proven

MS = 1_000_000
S = 1_000_000_000
WEEK = 7 * 86_400 * S

#: Words that a section of the runbook needs for the meaning of a finding, how to see it, and the remedy.
LEAST_WORDS = 25


def source(name: str, state: str = "candidate", **changed: object) -> Peer:
    """Return a source that answers."""
    values = {"refid": "GPS", "stratum": 1, "kind": "u", "last_heard_s": 20.0, "poll_s": 64.0, "reach": 255}
    return Peer(name=name, state=state, **{**values, **changed})  # type: ignore[arg-type]


FOUR = (source("192.0.2.1", "system"), *(source(f"192.0.2.{last}") for last in (2, 3, 4)))

#: The same after they went away: chronyd follows none of them any more.
LOST = tuple(replace(peer, reach=0, state="unreachable", last_heard_s=513.0) for peer in FOUR)

HEALTHY = SyncStatus(
    "chronyd",
    synchronized=True,
    stratum=2,
    source="192.0.2.1",
    refid="192.0.2.1",
    offset_s=0.0001,
    root_distance_s=0.002,
    reach=255,
    last_update_s=20.0,
    poll_s=64.0,
    leap="none",
    frequency_ppm=12.0,
    peers=FOUR,
    daemons=("chronyd",),
)


def node(name: str = "n3", offset_ns: int | None = 0, bound_ns: int = MS, **changed: object) -> NodeEvidence:
    """Return a healthy node with these values changed."""
    history = changed.pop("history", ClockChanges())
    status = changed.pop("status", replace(HEALTHY, **changed))  # type: ignore[arg-type]
    offset = None if offset_ns is None else Interval.around(offset_ns, bound_ns)
    return NodeEvidence(name, status, offset, history)  # type: ignore[arg-type]


def among(one: NodeEvidence, *others: NodeEvidence) -> dict[str, NodeEvidence]:
    """Return a cluster: the node, and others, healthy by default."""
    rest = others or (node("n1"), node("n2"))
    return {each.name: each for each in (one, *rest)}


def found_of(one: NodeEvidence, *others: NodeEvidence) -> tuple[Finding, ...]:
    """Return the findings about a node of a cluster that has not voted."""
    return node_findings(one, reference_clock(among(one, *others), NO_CULPRIT))


def kinds(one: NodeEvidence, *others: NodeEvidence) -> list[str]:
    """Return the kinds of the findings of the node."""
    return [found.kind for found in found_of(one, *others)]


def test_a_healthy_cluster_has_no_findings() -> None:
    """Four sources, a small offset, one daemon: nothing to say."""
    cluster = among(node())
    reference = reference_clock(cluster, NO_CULPRIT)
    assert [node_findings(one, reference) for one in cluster.values()] == [(), (), ()]
    assert said(*cluster.values()) == ()


def test_a_node_that_was_not_asked_has_no_findings() -> None:
    """No claims, no measurement, no history."""
    one = NodeEvidence("n3")
    assert found_of(one) == ()


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"daemon": "none", "synchronized": False, "peers": (), "daemons": ()}, "no-time-daemon"),
        ({"daemons": ("chronyd", "ntpd")}, "two-time-daemons"),
        ({"synchronized": False}, "unsynchronized"),
        ({"last_update_s": 8 * 64 + 1, "peers": ()}, "stale-sync"),
        ({"last_update_s": 513.0, "poll_s": None, "peers": LOST}, "stale-sync"),
        ({"last_update_s": 129.0, "poll_s": 1.0, "peers": ()}, "stale-sync"),
        ({"peers": tuple(replace(peer, reach=0, last_heard_s=None) for peer in FOUR)}, "no-reachable-source"),
        ({"peers": FOUR[:1]}, "single-source"),
        ({"peers": FOUR[:3]}, "few-sources"),
        ({"refid": "LOCL", "source": "LOCAL(0)"}, "local-island"),
        ({"peers": (*FOUR, source("192.0.2.9", "falseticker"))}, "falsetickers"),
        ({"frequency_ppm": -500.0}, "frequency-limit"),
        ({"unparsed": ("ntpq: what",)}, "unparsed-output"),
        ({"failures": ("ntpq: timed-out",)}, "tool-failed"),
        ({"offset_ns": 70 * S}, "claims-sync-but-off"),
        ({"offset_ns": 3_600 * S}, "time-zone-error"),
        ({"offset_ns": -19_800 * S, "bound_ns": 3 * S}, "time-zone-error"),
        ({"offset_ns": 37 * S}, "time-scale-error"),
        ({"offset_ns": -18 * S, "bound_ns": 200 * MS}, "time-scale-error"),
        ({"offset_ns": -56 * 365 * 86_400 * S}, "wrong-date"),
        ({"offset_ns": 2 * 86_400 * S, "bound_ns": 5 * S}, "wrong-date"),
        ({"offset_ns": -1_024 * WEEK}, "gps-week-rollover"),
        ({"offset_ns": 2_048 * WEEK + 18 * S}, "gps-week-rollover"),
        ({"offset_s": -7.81}, "corrects-slowly"),
        ({"offset_s": 0.3}, "corrects-slowly"),
        ({"history": ClockChanges(step_s=-1.5)}, "stepped"),
        ({"history": ClockChanges(suspended_s=12.0)}, "suspended"),
        ({"history": ClockChanges(rebooted=True)}, "rebooted"),
        ({"history": ClockChanges(slew_ppm=500.0)}, "slewing"),
        ({"daemon": "ntpd", "daemons": ("ntpd",), "offset_ns": 1_500 * S}, "panic-threshold"),
        ({"daemon": "ntpsec", "daemons": ("ntpsec",), "offset_ns": 200 * MS}, "panic-threshold"),
    ],
)
def test_a_finding_is_made_if_its_evidence_is_there(changed: dict[str, object], kind: str) -> None:
    """Each kind, with a message that names the node and a command that goes there."""
    one = node(**changed)  # type: ignore[arg-type]
    found = {each.kind: each for each in found_of(one)}
    assert kind in found
    assert "n3" in found[kind].message
    assert str(found[kind].next).replace(" -t", "").startswith("ssh n3 ")


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"daemons": ("chronyd", "ptp4l")}, "two-time-daemons"),
        ({"synchronized": None}, "unsynchronized"),
        ({"failures": ("ntpq: unparsed",), "unparsed": ("ntpq: what",)}, "tool-failed"),
        ({"last_update_s": 8 * 64, "peers": ()}, "stale-sync"),
        ({"last_update_s": 9_000.0}, "stale-sync"),
        ({"last_update_s": 128.0, "poll_s": 1.0, "peers": ()}, "stale-sync"),
        ({"peers": ()}, "no-reachable-source"),
        ({"daemon": "timesyncd", "peers": FOUR[:1]}, "single-source"),
        ({"frequency_ppm": 499.0}, "frequency-limit"),
        ({"offset_ns": 5 * MS, "bound_ns": MS}, "claims-sync-but-off"),
        ({"offset_ns": 70 * S, "synchronized": False}, "claims-sync-but-off"),
        ({"offset_ns": 3_606 * S}, "time-zone-error"),
        ({"offset_ns": 4 * S, "bound_ns": 5 * S}, "time-zone-error"),
        ({"offset_ns": 15 * 3_600 * S}, "time-zone-error"),
        ({"offset_ns": 37 * S + 300 * MS}, "time-scale-error"),
        ({"offset_ns": 37 * S, "bound_ns": 400 * MS}, "time-scale-error"),
        ({"offset_ns": -1_024 * WEEK}, "wrong-date"),
        ({"offset_ns": 1_023 * WEEK}, "gps-week-rollover"),
        ({"offset_ns": 14 * 3_600 * S}, "wrong-date"),
        ({"offset_s": 0.1}, "corrects-slowly"),
        ({"offset_s": -7.81, "synchronized": False}, "corrects-slowly"),
        ({"offset_s": -7.81, "daemon": "ntpd"}, "corrects-slowly"),
        ({"offset_ns": 200 * MS}, "panic-threshold"),
        ({"daemon": "ntpd", "offset_ns": 200 * MS, "history": ClockChanges(step_s=0.2)}, "panic-threshold"),
        ({"daemon": "ntpd", "offset_ns": 200 * MS, "bound_ns": 100 * MS}, "panic-threshold"),
        ({"history": ClockChanges(slew_ppm=20.0, rebooted=False, suspended_s=0.0)}, "slewing"),
    ],
)
def test_no_finding_is_made_beyond_the_evidence(changed: dict[str, object], kind: str) -> None:
    """Just inside each limit, or without the evidence of the rule, nothing is reported."""
    assert kind not in kinds(node(**changed))  # type: ignore[arg-type]


def test_a_chronyd_that_reports_its_own_error_is_quoted() -> None:
    """The quote is chrony's, and the command steps the clock."""
    (found,) = found_of(node(offset_s=-7.81, offset_ns=-7_810 * MS))
    assert "chronyd on n3 is synchronized, but reports its clock 7.81 s slow" in found.message
    assert found.next == "ssh -t n3 sudo chronyc makestep"


def test_a_refuted_claim_quotes_the_daemons_own_offset() -> None:
    """A daemon that reports 7.81 s and is 70 s off is wrong by its own figures, too."""
    found = {each.kind: each for each in found_of(node(offset_s=-7.81, offset_ns=-70 * S))}
    assert found["claims-sync-but-off"].message.endswith(", and chronyd itself reports its clock 7.81 s slow")


def test_a_wrong_date_is_named() -> None:
    """A reader understands 1970 better than a number of seconds."""
    epoch = replace(node(offset_ns=-1_795_000_000 * S), wall_ns=12 * S)
    message = next(each.message for each in found_of(epoch) if each.kind == "wrong-date")
    assert message == "n3 is at least 56.88 years behind the cluster's median; its clock shows 1970-01-01"


def test_a_lost_count_of_gps_weeks_is_named() -> None:
    """In weeks, with the date."""
    lost = replace(node(offset_ns=-1_024 * WEEK), wall_ns=1_176_000_000 * S)
    message = next(each.message for each in found_of(lost) if each.kind == "gps-week-rollover")
    assert "n3 is 1,024 weeks behind the cluster's median to within" in message
    assert "its clock shows 2007-04-08" in message


def test_an_hour_is_named_as_an_hour() -> None:
    """Not as 3601 s."""
    (found,) = (each for each in found_of(node(offset_ns=3_601 * S)) if each.kind == "time-zone-error")
    assert found.message.startswith("n3 is 1 h ahead to within 1.")


def test_two_nodes_have_no_culprit_by_measurement() -> None:
    """The median of two lies between them."""
    one, other = node(offset_ns=35 * S), node("n1", offset_ns=-35 * S)
    assert kinds(one, other) == []


def test_a_claim_is_refuted_only_beyond_both_bounds() -> None:
    """A loose majority cannot prove a tight node wrong."""
    loose = {"root_distance_s": 0.5}
    one = node(offset_ns=400 * MS)
    assert kinds(one, node("n1", **loose), node("n2", **loose)) == []
    assert kinds(one) == ["claims-sync-but-off"]


def test_findings_name_evidence_and_the_daemons_own_command() -> None:
    """The story of the project in one line, with the command for chrony."""
    one = replace(
        node(offset_ns=70 * S), access=Access(Node("n3", "n3", SshSettings(user="root", port=2222)))
    )
    found = found_of(one)
    assert [(each.kind, each.severity, each.next) for each in found] == [
        ("claims-sync-but-off", "critical", "ssh -p 2222 root@n3 chronyc -n sources -v")
    ]
    assert found[0].message == (
        "chronyd on n3 says synchronized to 192.0.2.1 to within 2.1 ms, "
        "yet its clock is at least 69.99 s ahead of the cluster's median"
    )


def test_falsetickers_are_a_warning_unless_they_are_a_minority() -> None:
    """One of five is outvoted; if the daemon follows none, two of four leave no majority."""
    minority = node(peers=(*FOUR, source("192.0.2.9", "falseticker")))
    tie = node(peers=(*FOUR[1:3], source("192.0.2.8", "falseticker"), source("192.0.2.9", "falseticker")))
    assert [each.severity for each in found_of(minority)] == ["info"]
    assert [each.severity for each in found_of(tie)] == ["warning"]


#: A receiver whose sentences come late, and its pulse, which is followed: every healthy stratum 1 looks so.
RECEIVER = (
    source("GPS", "falseticker", kind="refclock", stratum=0, poll_s=8.0),
    source("PPS", "system", kind="refclock", stratum=0, refid="PPS", poll_s=0.25, last_heard_s=3.0),
)


def test_a_healthy_receiver_is_no_trouble() -> None:
    """Its clock needs no majority of servers, and its age is printed in whole seconds."""
    changed = {"stratum": 1, "source": "PPS", "refid": "PPS", "poll_s": 0.25, "last_update_s": 3.0}
    one = node(peers=RECEIVER, **changed)
    assert [(each.kind, each.severity) for each in found_of(one)] == [("falsetickers", "info")]
    azure = node(peers=(replace(RECEIVER[1], name="PHC0", refid="PHC0"),), refid="PHC0", source="PHC0")
    assert kinds(azure) == []


def test_two_receivers_are_no_common_upstream() -> None:
    """Each node's own GPS, under any pseudo-address, belongs to that node alone."""
    clock = source("127.127.20.0", kind="l")
    nodes = [
        replace(follower(name, f"192.0.2.{last}"), name=name)
        for name, last in (("n1", 11), ("n2", 12), ("n3", 13))
    ]
    with_clocks = [
        replace(one, status=replace(one.status, peers=(*one.status.peers, clock)))
        for one in nodes
        if one.status is not None
    ]
    assert "no-common-reference" in [each.kind for each in said(*with_clocks)]


def test_the_claiming_program_is_named() -> None:
    """If no daemon answers and only the kernel denies, the kernel is named."""
    mute = node(daemon="unknown", synchronized=False, daemons=(), peers=(), kernel=KernelClock(False))
    found = {each.kind: each.message for each in found_of(mute)}
    assert found["unsynchronized"] == "The kernel on n3 says that it is not synchronized"


def test_chronyd_corrects_more_than_others() -> None:
    """Its limit is not ntpd's, and the sentence must not be wrong about it."""
    fast = node(frequency_ppm=31_244.0)
    (found,) = found_of(fast)
    assert found.message.endswith("daemons other than chronyd correct 500 ppm at most")


def test_the_kernels_frequency_counts_if_the_daemon_prints_none() -> None:
    """OpenNTPD prints no frequency; the kernel does."""
    assert "frequency-limit" in kinds(node(frequency_ppm=None, kernel=KernelClock(frequency_ppm=500.0)))


def said(*nodes: NodeEvidence, limit_ns: int = 50 * MS) -> tuple[Finding, ...]:
    """Return the findings of the cluster after the vote of its nodes."""
    cluster = {one.name: one for one in nodes}
    return cluster_findings(cluster, decide(cluster, limit_ns), limit_ns)


def wrong_upstream(name: str) -> NodeEvidence:
    """Return a node that follows another source and is 70 s ahead."""
    return node(name, offset_ns=70 * S, refid="198.51.100.9", source="198.51.100.9", peers=())


def test_the_upstream_of_the_deviating_nodes_is_named() -> None:
    """Two of five are off, and they share a source that the others do not use."""
    third = node("n3", refid="192.0.2.3", source="192.0.2.3")
    cluster = among(
        wrong_upstream("n4"), wrong_upstream("n5"), node("n1"), node("n2", refid="192.0.2.2"), third
    )
    found = said(*cluster.values())
    assert [(each.kind, each.severity) for each in found] == [("common-wrong-source", "critical")]
    assert found[0].message == "n4, n5 deviate and follow 198.51.100.9, which no other node uses"


def test_a_shared_upstream_is_not_to_blame() -> None:
    """If right nodes use it too, it is not the cause."""
    cluster = among(node("n4", offset_ns=70 * S), node("n1"), node("n2"))
    assert said(*cluster.values()) == ()


def follower(name: str, key: str, offset_ns: int = 0) -> NodeEvidence:
    """Return a node with one source."""
    return node(name, offset_ns=offset_ns, refid=key, source=key, peers=(source(key, "system"),))


@pytest.mark.parametrize("apart_ns", [5 * MS, 70 * S])
def test_a_minority_behind_one_wrong_server_is_named_with_it(apart_ns: int) -> None:
    """Its two nodes have one source, the others have three."""
    wrong = [follower(name, "198.51.100.9") for name in ("n4", "n5")]
    good = [follower(f"n{k}", f"192.0.2.{k}", -apart_ns) for k in (1, 2, 3)]
    found = {each.kind: each.message for each in said(*good, *wrong, limit_ns=2 * MS)}
    assert found["common-wrong-source"] == "n4, n5 deviate and follow 198.51.100.9, which no other node uses"
    beyond = [each.kind for each in said(*good, *wrong, limit_ns=2 * apart_ns)]
    assert "common-wrong-source" not in beyond


def compared(admin_ns: int, *nodes: NodeEvidence, line_ns: int | None = 50 * MS) -> tuple[Finding, ...]:
    """Return the findings of a cluster whose admin box is this far ahead of the reference."""
    cluster = {one.name: one for one in nodes}
    return admin_box_findings(cluster, node("the admin box", admin_ns), line_ns)


@pytest.mark.parametrize(("admin_ns", "side"), [(70 * S, "ahead of"), (-70 * S, "behind")])
def test_an_admin_box_apart_from_most_nodes_is_reported(admin_ns: int, side: str) -> None:
    """Neither side is blamed: it may be the nodes, which follow one server."""
    (found,) = compared(admin_ns, node("n1"), node("n2"), node("n3"))
    assert (found.kind, found.severity) == ("admin-box-off", "warning")
    assert f"is at least 69.99 s {side} n1, n2, n3 (3 of 3 nodes): either it is wrong, or" in found.message


def test_an_admin_box_that_may_be_right_is_not_reported() -> None:
    """Below the line, apart from half of the nodes, from nodes on both sides, and without a line."""
    assert compared(40 * MS, node("n1"), node("n2")) == ()
    assert compared(70 * S, node("n1"), node("n2", 70 * S)) == ()
    assert compared(70 * S, node("n1"), node("n2", 140 * S), node("n3", 70 * S)) == ()
    assert compared(70 * S, node("n1")) == ()
    assert compared(70 * S, node("n1"), node("n2"), line_ns=None) == ()


def sharing(name: str, boot_id: str, offset_ns: int) -> NodeEvidence:
    """Return a node with this boot id."""
    return replace(node(name, offset_ns), boot_id=boot_id)


def test_one_boot_id_on_clocks_that_are_apart_is_reported() -> None:
    """Clones of a virtual machine's memory, or a lie; one machine under two names has one clock."""
    (found,) = said(sharing("n1", "b1", 0), sharing("n2", "b1", 70 * S), node("n3"), limit_ns=100 * S)
    assert (found.kind, found.severity) == ("boot-id-shared", "warning")
    assert found.message.startswith("n1, n2 show one boot id, yet their clocks are at least 69.99 s apart")
    assert said(sharing("n1", "b1", 0), sharing("n2", "b1", MS), node("n3")) == ()
    assert said(sharing("n1", "", 0), sharing("n2", "", 70 * S), node("n3"), limit_ns=100 * S) == ()


def test_two_camps_with_a_source_each_have_no_culprit() -> None:
    """Two sources are one claim against another, however many nodes follow each."""
    wrong = [follower(name, "198.51.100.9", 0) for name in ("n3", "n4", "n5")]
    good = [follower(name, "192.0.2.1", -70 * S) for name in ("n1", "n2")]
    (found,) = said(*good, *wrong)
    assert found.kind == "common-wrong-source"
    assert found.message == (
        "Two camps stand at least 69.99 s apart, n1, n2 with 192.0.2.1 and n3, n4, n5 with 198.51.100.9: "
        "which of the two sources is wrong cannot be known from the nodes alone"
    )


def test_two_camps_around_a_leap_second_are_a_smear() -> None:
    """Tight camps, half a second apart, different upstreams, a leap announced."""
    smearing = [node(f"s{i}", offset_ns=500 * MS, refid="216.239.35.0", peers=()) for i in (1, 2)]
    plain = [node(f"p{i}", leap="insert") for i in (1, 2, 3)]
    found = [each.kind for each in said(*among(*smearing, *plain).values())]
    assert "leap-smear-split" in found
    quiet = [replace(one, status=HEALTHY) for one in plain]
    assert "leap-smear-split" not in [each.kind for each in said(*among(*smearing, *quiet).values())]


def test_nodes_without_a_common_upstream_are_reported() -> None:
    """Each follows its own; reference clocks of their own are no fault."""
    apart = [node(f"n{i}", refid=f"203.0.113.{i}", source=f"203.0.113.{i}", peers=()) for i in (1, 2, 3)]
    assert [each.kind for each in said(*among(*apart).values())] == ["no-common-reference"]
    clocks = [node(f"n{i}", refid="GPS", source="GPS0", peers=()) for i in (1, 2, 3)]
    assert said(*among(*clocks).values()) == ()


def test_mixed_daemons_are_reported() -> None:
    """Two kinds in one cluster."""
    cluster = among(node("n1"), node("n2", daemon="ntpd", daemons=("ntpd",)))
    assert [each.kind for each in said(*cluster.values())] == ["mixed-daemons"]


def test_the_table_and_the_runbook_agree() -> None:
    """Every kind is explained once, in sentences and with something to type, and nothing else is."""
    runbook = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"
    text = re.sub(r"^## .*$", "", runbook.read_text(encoding="utf-8"), flags=re.MULTILINE)
    sections = [section.partition("\n") for section in text.split("\n### ")[1:]]
    assert sorted(heading for heading, _, _ in sections) == sorted(FINDINGS)
    for heading, _, body in sections:
        assert len(body.split()) >= LEAST_WORDS, heading
        assert re.search(r"`[^`]+`", body), heading


def test_proven_offsets_are_never_rounded_up() -> None:
    """A thousandth below seventy seconds is not at least seventy seconds."""
    below = Interval(70 * S - MS, 70 * S + MS)
    assert proven(below) == "at least 69.99 s ahead of the cluster's median"
    assert proven(-below) == "at least 69.99 s behind the cluster's median"
    assert proven(Interval(1_000 * S, 1_000 * S)) == "at least 16.66 min ahead of the cluster's median"


def test_a_daemon_that_did_not_answer_is_not_quoted() -> None:
    """Without ntpq on the node, the claim is the kernel's, and the advised command exists there."""
    silent = {"stratum": None, "source": None, "refid": None, "leap": None, "peers": ()}
    mute = node(daemon="ntpd", synchronized=False, kernel=KernelClock(False), **silent)
    found = {each.kind: each for each in found_of(mute)}
    assert found["unsynchronized"].message == "The kernel on n3 says that it is not synchronized"
    assert str(found["unsynchronized"].next).startswith("ssh n3 'timedatectl || ")

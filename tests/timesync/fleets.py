"""Nodes of a fleet: the text of their tools in a real status output, and a measured clock."""

from collections.abc import Mapping
from dataclasses import dataclass

from skewmon.clock import pairs
from skewmon.culprit.decide import decide
from skewmon.culprit.reference import reference_clock
from skewmon.model import NS_PER_S, Finding, Interval, SyncStatus, Vote
from skewmon.timesync import script
from skewmon.timesync.findings.derive import ClockChanges, NodeEvidence, cluster_findings, node_findings
from skewmon.timesync.refid import of_address
from skewmon.timesync.status import assemble

NONCE = "fleet4711fleet"

#: 2026-11-22 13:24:15 UTC by the nodes' clocks.
NOW_S = 1_795_353_855

CHRONYD = "process 612 chronyd /usr/sbin/chronyd -F 1"
NTPD = "process 613 ntpd /usr/sbin/ntpd -u ntp:ntp -g"
TIMESYNCD = "process 614 systemd-timesyn /lib/systemd/systemd-timesyncd"

FOUR = ("192.0.2.11", "192.0.2.12", "192.0.2.13", "192.0.2.14")

Blocks = Mapping[str, str | tuple[str, str, int]]


def status_of(*processes: str, hidden: bool = False, **tools: str | tuple[str, str, int]) -> SyncStatus:
    """Return the status of an output; a tool's underscore stands for its hyphen."""
    lines = [
        "uname Linux 6.1.0-18-amd64 x86_64",
        f"clock {NOW_S}",
        "boot 3f6b1c52-0d1e-4d52-9d0a-000000000001",
    ]
    lines += ["processes hidden"] if hidden else []
    blocks: Blocks = {"facts": "\n".join([*lines, *processes]) + "\n", **tools}
    text = "Debian GNU/Linux 12\n"
    for name, said in blocks.items():
        out, err, code = (said, "", 0) if isinstance(said, str) else said
        text += f"\n{NONCE} begin {name.replace('_', '-')}\n{out}\n{NONCE} err\n{err}\n{NONCE} end {code}\n"
    return assemble(script.split(NONCE, f"{text}\n{NONCE} done\n"))


# --- outputs of the tools --------------------------------------------------------------------------------


def refid_hex(address: str) -> str:
    """Return an address as chrony prints a reference ID."""
    return "".join(f"{int(part):02X}" for part in str(of_address(address)).split("."))


def tracking(
    reference: str,
    *,
    stratum: int = 2,
    ahead_s: float = 0.000012,
    delay_s: float = 0.000818,
    dispersion_s: float = 0.000311,
    ref_time: str = "Sun Nov 22 13:23:54 2026",
    leap: str = "Normal",
) -> str:
    """Return ``chronyc -n tracking``; ``reference`` is ``C000020B (192.0.2.11)`` or an address alone."""
    named = reference if " " in reference else f"{refid_hex(reference)} ({reference})"
    side = "fast" if ahead_s >= 0 else "slow"
    return (
        f"Reference ID    : {named}\n"
        f"Stratum         : {stratum}\n"
        f"Ref time (UTC)  : {ref_time}\n"
        f"System time     : {abs(ahead_s):.9f} seconds {side} of NTP time\n"
        "Last offset     : +0.000004212 seconds\n"
        "RMS offset      : 0.000031954 seconds\n"
        "Frequency       : 4.349 ppm slow\n"
        "Residual freq   : +0.002 ppm\n"
        "Skew            : 0.044 ppm\n"
        f"Root delay      : {delay_s:.9f} seconds\n"
        f"Root dispersion : {dispersion_s:.9f} seconds\n"
        "Update interval : 64.4 seconds\n"
        f"Leap status     : {leap}\n"
    )


def sources(*rows: str) -> str:
    """Return ``chronyc -n sources``."""
    head = (
        "MS Name/IP address         Stratum Poll Reach LastRx Last sample               \n" + "=" * 79 + "\n"
    )
    return head + "".join(f"{row}\n" for row in rows)


def row(
    mark: str, name: str, *, stratum: int = 1, poll: int = 6, reach: str = "377", last: str = "21"
) -> str:
    """Return one row of it; the mark is mode and state."""
    return f"{mark} {name:<27} {stratum:>2}  {poll:>2}   {reach:>3}  {last:>4}    +12us[  +16us] +/-  720us"


def chronyd(
    *servers: str, ahead_s: float = 0.000012, leap: str = "Normal", process: str = CHRONYD
) -> SyncStatus:
    """Return a healthy chronyd that follows the first of these."""
    marks = ["^*", *["^+"] * len(servers)]
    rows = [row(mark, name) for mark, name in zip(marks, servers, strict=False)]
    return status_of(
        process,
        chronyc_tracking=tracking(servers[0], ahead_s=ahead_s, leap=leap),
        chronyc_sources=sources(*rows),
    )


def peers(*rows: tuple[str, str, str, int]) -> str:
    """Return ``ntpq -pn`` of rows of tally, address, refid and stratum."""
    head = (
        "     remote           refid      st t when poll reach   delay   offset  jitter\n" + "=" * 78 + "\n"
    )
    return head + "".join(
        f"{tally}{name:<15.15} {refid:<15} {stratum:>2} u   21   64  377    0.412   -0.012   0.021\n"
        for tally, name, refid, stratum in rows
    )


def variables(refid: str, *, stratum: int = 2, offset_ms: float = -0.012, leap: str = "00") -> str:
    """Return ``ntpq -c rv``."""
    return (
        "associd=0 status=0615 leap_none, sync_ntp, 1 event, clock_sync,\n"
        'version="ntpd 4.2.8p15@1.3728-o", processor="x86_64", system="Linux/6.1.0",\n'
        f"leap={leap}, stratum={stratum}, precision=-24, rootdelay=0.412, rootdisp=1.115, refid={refid},\n"
        "reftime=eead6bd0.00000000, clock=eead6be5.00000000, peer=53312, tc=6, mintc=3,\n"
        f"offset={offset_ms:+.6f}, frequency=-4.349, sys_jitter=0.021200, clk_jitter=0.017,\n"
        "clk_wander=0.002\n"
    )


def ntpd(
    *servers: tuple[str, str, int], offset_ms: float = -0.012, process: str = NTPD, tally: str = "*"
) -> SyncStatus:
    """Return a healthy ntpd that follows the first of these (address, refid, stratum)."""
    first, *others = servers
    return status_of(
        process,
        ntpq=peers((tally, *first), *(("+", *other) for other in others)),
        ntpq_rv=variables(first[0], stratum=first[2] + 1, offset_ms=offset_ms),
    )


# --- findings and verdict ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdicts:
    """All findings and the verdict of one fleet."""

    nodes: Mapping[str, tuple[Finding, ...]]
    cluster: tuple[Finding, ...]
    vote: Vote

    def kinds(self, name: str) -> list[str]:
        """Return the kinds of findings of one node."""
        return [found.kind for found in self.nodes[name]]

    @property
    def all_kinds(self) -> set[str]:
        """Every kind of finding, of nodes and cluster."""
        found = [one for each in self.nodes.values() for one in each]
        return {one.kind for one in (*found, *self.cluster)}

    def message(self, kind: str, name: str = "") -> str:
        """Return the sentence of the one finding of a kind."""
        (found,) = [one for one in (self.nodes[name] if name else self.cluster) if one.kind == kind]
        return found.message

    def command(self, kind: str, name: str = "") -> str | None:
        """Return the command of the one finding of a kind."""
        (found,) = [one for one in (self.nodes[name] if name else self.cluster) if one.kind == kind]
        return found.next


def node(
    name: str,
    status: SyncStatus | None,
    ahead_s: float | None = 0.0,
    *,
    bound_s: float = 0.00003,
    step_s: float | None = None,
    address: str = "",
) -> NodeEvidence:
    """Return one node whose clock was measured to be so much ahead."""
    offset = (
        None if ahead_s is None else Interval.around(round(ahead_s * NS_PER_S), round(bound_s * NS_PER_S))
    )
    return NodeEvidence(name, status, offset, ClockChanges(step_s=step_s), address=address)


def judged(*nodes: NodeEvidence, limit_s: float = 0.05) -> Verdicts:
    """Return the findings of a round of these nodes, with offsets to their median as in a round."""
    measured = {one.name: one.offset for one in nodes if one.offset is not None}
    reference_ns = pairs.reference_ns(measured) if measured else 0
    cluster = {
        one.name: NodeEvidence(
            one.name,
            one.status,
            None if one.offset is None else one.offset.shifted(-reference_ns),
            one.history,
            address=one.address,
        )
        for one in nodes
    }
    limit_ns = round(limit_s * NS_PER_S)
    vote = decide(cluster, limit_ns)
    reference = reference_clock(cluster, vote)
    return Verdicts(
        {name: node_findings(one, reference) for name, one in cluster.items()},
        cluster_findings(cluster, vote, limit_ns),
        vote,
    )

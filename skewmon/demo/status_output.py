"""The output of a simulated node's time tools: each daemon trusts its own clock.

The daemons claim the offset at the start: one that misses a step goes on claiming synchronization, which is
the case that skewmon exists for.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from skewmon.demo.clock import ClockReading
from skewmon.demo.nodes import SimulatedNode
from skewmon.demo.session import boot_id
from skewmon.model import NS_PER_S

#: Servers of RFC 5737's documentation network, which no host has.
#: Four of them, so that a wrong one would be outvoted.
SOURCE = "192.0.2.10"
OTHER_SOURCES = ("192.0.2.11", "192.0.2.12", "192.0.2.13")

#: The age of the last update by the node's own clock.
UPDATE_AGE_S = 21

#: Seconds from NTP's era 0 (1900) to Unix's; NTP timestamps wrap at 2^32.
NTP_EPOCH_S = 2_208_988_800

Blocks = Mapping[str, str]


def status_output(nonce: str, node: SimulatedNode, now: ClockReading) -> str:
    """Return the whole output, with the markers of skewmon's script."""
    blocks = {"facts": _facts(node, now), **_TOOLS[node.daemon](node, now)}
    body = "".join(
        f"\n{nonce} begin {name}\n{text}\n{nonce} err\n\n{nonce} end 0\n" for name, text in blocks.items()
    )
    return f"{body}\n{nonce} done\n"


def _facts(node: SimulatedNode, now: ClockReading) -> str:
    lines = ["uname Linux 6.12.0 x86_64", f"clock {now.real_ns // NS_PER_S}", f"boot {boot_id(node.name)}"]
    if node.daemon != "none":
        lines.append(f"process 612 {node.daemon} /usr/sbin/{node.daemon} -u ntp")
    return "\n".join(lines) + "\n"


def _chrony(node: SimulatedNode, now: ClockReading) -> Blocks:
    offset_s = node.clock.offset_ns / NS_PER_S
    side = "fast" if offset_s >= 0 else "slow"
    updated = datetime.fromtimestamp(now.real_ns // NS_PER_S - UPDATE_AGE_S, UTC)
    return {
        "chronyc-tracking": (
            f"Reference ID    : C000020A ({SOURCE})\n"
            "Stratum         : 2\n"
            f"Ref time (UTC)  : {updated:%a %b %d %H:%M:%S %Y}\n"
            f"System time     : {abs(offset_s):.9f} seconds {side} of NTP time\n"
            "Last offset     : +0.000004212 seconds\n"
            "RMS offset      : 0.000031954 seconds\n"
            "Frequency       : 4.349 ppm slow\n"
            "Residual freq   : +0.002 ppm\n"
            "Skew            : 0.044 ppm\n"
            "Root delay      : 0.000817976 seconds\n"
            "Root dispersion : 0.000311410 seconds\n"
            "Update interval : 64.4 seconds\n"
            "Leap status     : Normal\n"
        ),
        "chronyc-sources": (
            "MS Name/IP address         Stratum Poll Reach LastRx Last sample               \n"
            "===============================================================================\n"
            f"^* {SOURCE}                    1   6   377    21  {_sample(node)} +/-  720us\n"
            + "".join(
                f"^+ {name}                    1   6   377    23  {_sample(node)} +/-  811us\n"
                for name in OTHER_SOURCES
            )
        ),
    }


def _sample(node: SimulatedNode) -> str:
    microseconds = f"{node.clock.offset_ns // 1000:+d}us"
    return f"{microseconds:>7}[{microseconds:>7}]"


def _ntp(node: SimulatedNode, now: ClockReading) -> Blocks:
    offset_ms = -node.clock.offset_ns / 1e6  # ntpq's sign is opposite: source minus node
    updated = _ntp_time(now.real_ns - UPDATE_AGE_S * NS_PER_S)
    return {
        "ntpq": (
            "     remote           refid      st t when poll reach   delay   offset  jitter\n"
            "==============================================================================\n"
            f"*{SOURCE}      .GPS.            1 u   21   64  377    0.412  {offset_ms:+.3f}   0.021\n"
            + "".join(
                f"+{name}      .GPS.            1 u   23   64  377    0.388  {offset_ms:+.3f}   0.034\n"
                for name in OTHER_SOURCES
            )
        ),
        "ntpq-rv": (
            "associd=0 status=0615 leap_none, sync_ntp, 1 event, clock_sync,\n"
            'version="ntpd 4.2.8p15@1.3728-o", processor="x86_64", system="Linux/6.12.0",\n'
            f"leap=00, stratum=2, precision=-24, rootdelay=0.412, rootdisp=1.115, refid={SOURCE},\n"
            f"reftime={updated}, clock={_ntp_time(now.real_ns)}, peer=53312, tc=6, mintc=3,\n"
            f"offset={offset_ms:+.6f}, frequency=-4.349, sys_jitter=0.021200, clk_jitter=0.017,\n"
            "clk_wander=0.002\n"
        ),
    }


def _none(_role: SimulatedNode, _now: ClockReading) -> Blocks:
    return {}


def _ntp_time(real_ns: int) -> str:
    seconds, rest_ns = divmod(real_ns, NS_PER_S)
    return f"{(seconds + NTP_EPOCH_S) % 2**32:08x}.{(rest_ns << 32) // NS_PER_S:08x}"


_TOOLS = {"chronyd": _chrony, "ntpd": _ntp, "none": _none}

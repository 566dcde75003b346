"""The very command to type next, by daemon."""

from collections.abc import Mapping

from skewmon.timesync.findings.evidence import NodeEvidence
from skewmon.timesync.findings.facts import BUSYBOX

#: A login by ssh finds no programs of the administrator's on many systems, ntpq on some among them.
_SBIN = "PATH=$PATH:/usr/sbin:/sbin;"

#: Commands that show a daemon's sources.
_SOURCES: Mapping[str, str] = {
    "chronyd": "chronyc -n sources -v",
    "ntpd": f"'{_SBIN} ntpq -pn'",
    "ntpsec": f"'{_SBIN} ntpq -pn'",
    "timesyncd": "timedatectl timesync-status",
    "openntpd": f"'{_SBIN} ntpctl -s all'",
    "ntpd-rs": "ntp-ctl status",
}

#: Commands that show a daemon's own state.
_STATE: Mapping[str, str] = {
    **_SOURCES,
    "chronyd": "chronyc -n tracking",
    "ntpd": f"'{_SBIN} ntpq -n -c rv'",
    "ntpsec": f"'{_SBIN} ntpq -n -c rv'",
}

#: The programs of linuxptp.
_PTP = ("phc2sys", "ptp4l", "timemaster")

#: Names of the units, which differ between distributions; journalctl takes any that exist.
_LOG: Mapping[str, str] = {
    "chronyd": "-u chrony -u chronyd",
    "ntpd": "-u ntp -u ntpd",
    "ntpsec": "-u ntpsec",
    "timesyncd": "-u systemd-timesyncd",
    "openntpd": "-u openntpd",
    "ntpd-rs": "-u ntpd-rs",
}

#: The source that the kernel counts time with.
_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"

#: The same as ``oscillator``, for the admin box itself.
ADMIN_OSCILLATOR = f"cat {_CLOCKSOURCE}; chronyc -n tracking || ntptime || adjtimex --print"

#: Shows the kernel's clock; not every system has systemd.
_FALLBACK = f"'timedatectl || {{ {_SBIN} ntptime || adjtimex; }}'"


def sources(node: NodeEvidence) -> str:
    """Show the sources of the node's daemon."""
    return node.on_node(_SOURCES.get(_daemon(node), _FALLBACK))


def state(node: NodeEvidence) -> str:
    """Show the state of the node's daemon; of one that did not answer, the kernel's."""
    return node.on_node(_FALLBACK if node.is_mute else _STATE.get(_daemon(node), _FALLBACK))


def log(node: NodeEvidence) -> str:
    """Show the last hour of the daemon's log."""
    units = _LOG.get(_daemon(node), "-t kernel -t systemd")
    return _journal(node, units)


def kernel_log(node: NodeEvidence) -> str:
    """Show the last hour of the kernel's log."""
    return _journal(node, "-t kernel")


def _journal(node: NodeEvidence, units: str) -> str:
    """Show lines of the journal; other users than root may see none of them, and then look at nothing."""
    return node.on_node(f"sudo journalctl --no-pager --since -1h {units}", terminal=True)


def restart(node: NodeEvidence) -> str:
    """Restart an ntpd, whose unit differs between distributions; with -g it steps once, however far."""
    if _daemon(node) == "ntpsec":
        return node.on_node("sudo systemctl restart ntpsec", terminal=True)
    return node.on_node('"sudo systemctl restart ntpd || sudo systemctl restart ntp"', terminal=True)


def step(node: NodeEvidence) -> str:
    """Make chronyd correct its clock at once."""
    return node.on_node("sudo chronyc makestep", terminal=True)


def units(node: NodeEvidence) -> str:
    """Show which time daemons the node's systemd knows and runs."""
    shown = "systemctl list-units --all '*chron*' '*ntp*' '*timesync*' '*ptp*' '*phc2sys*'"
    return node.on_node(f"\"{shown} || ps | grep -E 'chron|ntp|timesync'\"")


def oscillator(node: NodeEvidence) -> str:
    """Show the clocksource, which may be badly calibrated, and how far the daemon has to correct it."""
    by_chrony = _daemon(node) == "chronyd"
    frequency = "chronyc -n tracking" if by_chrony else f"{_SBIN} ntptime || adjtimex --print"
    return node.on_node(f"'cat {_CLOCKSOURCE}; {frequency}'")


def hardware_clock(node: NodeEvidence) -> str:
    """Show whether the hardware clock is kept in local time."""
    return node.on_node("'timedatectl || cat /etc/adjtime'")


def time_scale(node: NodeEvidence) -> str:
    """Show the options of PTP's programs, which hold the difference; without them, the daemon's sources."""
    status = node.status
    by_ptp = status is not None and any(name in _PTP for name in status.daemons)
    return node.on_node(f"ps -C {','.join(_PTP)} -o args") if by_ptp else sources(node)


def tool(node: NodeEvidence, name: str) -> str:
    """Run one tool by hand."""
    return node.on_node(_COMMANDS.get(name, _SOURCES.get(_daemon(node), _FALLBACK)))


def reparse(node: NodeEvidence, tool: str) -> str:
    """Show which lines of a tool skewmon does not understand."""
    command = _COMMANDS.get(tool)
    # The facts come from no tool, but from the table of processes.
    return node.on_node(f"{command} | skewmon parse {tool}" if command else "ps -A -o pid= -o comm=")


#: Tool of ``skewmon parse`` → the command whose text it takes.
_COMMANDS: Mapping[str, str] = {
    "ntpq": f"'{_SBIN} ntpq -pn'",
    "ntpq-rv": f"'{_SBIN} ntpq -n -c rv'",
    "ntpstat": "ntpstat",
    "chronyc-tracking": "chronyc -n tracking",
    "chronyc-sources": "chronyc -n sources",
    "timedatectl": "timedatectl status",
    "timesync-status": "timedatectl timesync-status",
    "show-timesync": "timedatectl show-timesync",
    "ntpctl": f"'{_SBIN} ntpctl -s all'",
    "ntp-ctl": "ntp-ctl status -f prometheus",
    "ntptime": f"'{_SBIN} ntptime || adjtimex --print || busybox adjtimex'",
}


def _daemon(node: NodeEvidence) -> str:
    """Return whose tools the node has; busybox's ntpd has none."""
    if node.status is None or BUSYBOX in node.status.daemons:
        return "unknown"
    return node.status.daemon

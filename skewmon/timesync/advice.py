"""The very command to type next, by daemon."""

from collections.abc import Mapping

from skewmon.timesync.evidence import NodeEvidence

#: What shows a daemon's sources.
_SOURCES: Mapping[str, str] = {
    "chronyd": "chronyc -n sources -v",
    "ntpd": "ntpq -pn",
    "ntpsec": "ntpq -pn",
    "timesyncd": "timedatectl timesync-status",
    "openntpd": "ntpctl -s all",
    "ntpd-rs": "ntp-ctl status",
}

#: What shows a daemon's own state.
_STATE: Mapping[str, str] = {
    **_SOURCES,
    "chronyd": "chronyc -n tracking",
    "ntpd": "ntpq -n -c rv",
    "ntpsec": "ntpq -n -c rv",
}

#: Names of the units, which differ between distributions; journalctl takes any that exist.
_LOG: Mapping[str, str] = {
    "chronyd": "-u chrony -u chronyd",
    "ntpd": "-u ntp -u ntpd",
    "ntpsec": "-u ntpsec",
    "timesyncd": "-u systemd-timesyncd",
    "openntpd": "-u openntpd",
    "ntpd-rs": "-u ntpd-rs",
}

_FALLBACK = "timedatectl"


def sources(node: NodeEvidence) -> str:
    """Show the sources of the node's daemon."""
    return node.on_node(_SOURCES.get(_daemon(node), _FALLBACK))


def state(node: NodeEvidence) -> str:
    """Show the state of the node's daemon; of one that did not answer, the kernel's."""
    return node.on_node(_FALLBACK if node.is_mute else _STATE.get(_daemon(node), _FALLBACK))


def log(node: NodeEvidence) -> str:
    """Show what the node's daemon logged lately."""
    units = _LOG.get(_daemon(node), "-t kernel -t systemd")
    return node.on_node(f"journalctl --since -1h {units}")


def restart(node: NodeEvidence) -> str:
    """Restart an ntpd, whose unit differs between distributions; with -g it steps once, however far."""
    if _daemon(node) == "ntpsec":
        return node.on_node("sudo systemctl restart ntpsec")
    return node.on_node('"sudo systemctl restart ntpd || sudo systemctl restart ntp"')


def units(node: NodeEvidence) -> str:
    """Show which time daemons the node's systemd knows and runs."""
    return node.on_node("\"systemctl list-units --all '*chron*' '*ntp*' '*timesync*'\"")


def tool(node: NodeEvidence, name: str) -> str:
    """Run one tool by hand."""
    return node.on_node(_COMMANDS.get(name, _SOURCES.get(_daemon(node), _FALLBACK)))


def reparse(node: NodeEvidence, tool: str) -> str:
    """Show which lines of a tool skewmon does not understand."""
    command = _COMMANDS.get(tool)
    return node.on_node(f"{command} | skewmon parse {tool}") if command else node.on_node("true")


#: Tool of ``skewmon parse`` → the command whose text it takes.
_COMMANDS: Mapping[str, str] = {
    "ntpq": "ntpq -pn",
    "ntpq-rv": "ntpq -n -c rv",
    "ntpstat": "ntpstat",
    "chronyc-tracking": "chronyc -n tracking",
    "chronyc-sources": "chronyc -n sources",
    "timedatectl": "timedatectl status",
    "timesync-status": "timedatectl timesync-status",
    "show-timesync": "timedatectl show-timesync",
    "ntpctl": "ntpctl -s all",
    "ntp-ctl": "ntp-ctl status -f prometheus",
    "ntptime": "ntptime",
}


def _daemon(node: NodeEvidence) -> str:
    return "unknown" if node.status is None else node.status.daemon

"""What a tool says instead of an answer; the five kinds of silence are kept apart."""

import re
from enum import StrEnum


class ToolOutcome(StrEnum):
    """What became of asking one tool."""

    PARSED = "parsed"
    NO_SOURCES = "no-sources"
    NOT_RUNNING = "not-running"
    NOT_INSTALLED = "not-installed"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNPARSED = "unparsed"


#: Part of the line, in lower case → what it means. The first that occurs wins, so the narrow stand first.
COMPLAINTS: tuple[tuple[str, ToolOutcome], ...] = (
    # of whichever tool, and also where another complaint stands before it: a socket that only root may open
    ("permission denied", ToolOutcome.REFUSED),
    ("operation not permitted", ToolOutcome.REFUSED),
    ("access denied", ToolOutcome.REFUSED),
    ("need root privileges", ToolOutcome.REFUSED),
    ("must be root", ToolOutcome.REFUSED),
    # ntpq, classic and NTPsec
    ("no association id", ToolOutcome.NO_SOURCES),
    ("no peers", ToolOutcome.NO_SOURCES),
    ("***request timed out", ToolOutcome.TIMED_OUT),
    ("***no response from host", ToolOutcome.TIMED_OUT),
    ("***server disallowed request", ToolOutcome.REFUSED),
    ("timed out, nothing received", ToolOutcome.TIMED_OUT),
    ("timed out with incomplete data", ToolOutcome.TIMED_OUT),
    ("***response from server was incomplete", ToolOutcome.TIMED_OUT),
    ("socket error; probably ntpd is not running", ToolOutcome.NOT_RUNNING),
    ("ntpq: read: connection refused", ToolOutcome.NOT_RUNNING),
    ("authorization may be required", ToolOutcome.REFUSED),
    # ntpstat, both generations
    ("unable to talk to ntp daemon", ToolOutcome.NOT_RUNNING),
    # chronyc
    ("cannot talk to daemon", ToolOutcome.NOT_RUNNING),
    ("not authorised", ToolOutcome.REFUSED),
    ("could not open connection to daemon", ToolOutcome.NOT_RUNNING),
    # timedatectl
    ("was not provided by any .service files", ToolOutcome.NOT_RUNNING),
    ("has not been booted with systemd", ToolOutcome.NOT_RUNNING),
    ("connect to bus", ToolOutcome.NOT_RUNNING),
    ("create bus connection", ToolOutcome.NOT_RUNNING),
    ("unit dbus-org.freedesktop.timesync1.service not found", ToolOutcome.NOT_RUNNING),
    ("could not activate remote peer", ToolOutcome.NOT_RUNNING),
    ("failed to activate service", ToolOutcome.TIMED_OUT),
    ("connection timed out", ToolOutcome.TIMED_OUT),
    ("no reply", ToolOutcome.TIMED_OUT),
    ("no route to host", ToolOutcome.NOT_RUNNING),
    ("network is unreachable", ToolOutcome.NOT_RUNNING),
    ("transport endpoint is not connected", ToolOutcome.NOT_RUNNING),
    ("disconnected from message bus without replying", ToolOutcome.NOT_RUNNING),
    (".service is masked", ToolOutcome.NOT_RUNNING),
    ("launch helper exited", ToolOutcome.NOT_RUNNING),
    (" exited with status ", ToolOutcome.NOT_RUNNING),
    # a systemd older than the verb: timesync-status and show came with 239
    ("unknown operation", ToolOutcome.NOT_INSTALLED),
    ("unknown command verb", ToolOutcome.NOT_INSTALLED),
    # ntpctl, ntp-ctl
    ("could not open socket at", ToolOutcome.NOT_RUNNING),
    ("ntpctl: connect", ToolOutcome.NOT_RUNNING),
    ("failed to read state from observation socket", ToolOutcome.UNPARSED),
    ("no such file or directory (os error 2)", ToolOutcome.NOT_RUNNING),
    ("os { code: 2,", ToolOutcome.NOT_RUNNING),
    # the shell and the C library, of whichever tool
    ("command not found", ToolOutcome.NOT_INSTALLED),
    ("applet not found", ToolOutcome.NOT_INSTALLED),
    (": not found", ToolOutcome.NOT_INSTALLED),
    ("executable file not found", ToolOutcome.NOT_INSTALLED),
    ("unknown command: ", ToolOutcome.NOT_INSTALLED),
    # the helpers of distributions that know which package has the command
    ("not found, but can be installed with", ToolOutcome.NOT_INSTALLED),
    ("not found, did you mean", ToolOutcome.NOT_INSTALLED),
    ("is currently not installed", ToolOutcome.NOT_INSTALLED),
    ("is not a typo you can use command-not-found", ToolOutcome.NOT_INSTALLED),
    ("connection refused", ToolOutcome.NOT_RUNNING),
    ("remote peer disconnected", ToolOutcome.NOT_RUNNING),
    (" timed out", ToolOutcome.TIMED_OUT),
)


#: Lines that mean so only where they say nothing else: of ntpstat in C, of a shell whose tool was ended.
_WHOLE_LINES = {
    "timeout": ToolOutcome.TIMED_OUT,
    "killed": ToolOutcome.TIMED_OUT,
    "terminated": ToolOutcome.TIMED_OUT,
}


#: A shell, or a program that starts others, about a path where nothing is. Of a tool itself the same words
#: mean a socket or a file of its own.
_NO_SUCH_TOOL = re.compile(
    r"(?:-?(?:/\S{1,60}/)?(?:ba|da|a|z|k|mk|c|tc)?sh|env|timeout|nice|nohup|sudo|chroot): "
    r"(?:.*: no such file or directory|no such file or directory: .*)"
)

_TOOLS = "ntpq|ntpstat|chronyc|timedatectl|ntpctl|ntp-ctl|ntptime|adjtimex"

#: What stands around a tool's text: warnings of the shell, of sudo and of ssh, a pasted prompt.
_CHATTER = re.compile(
    r"\s*+(?:sudo: unable to resolve host .*|\[sudo\] password for .*"
    r"|\S+: (?:line [0-9]+: )?(?:warning: )?setlocale: .*"
    r"|perl: warning: .*|manpath: can't set the locale.*|locale: Cannot set LC_.*"
    r"|Warning: Permanently added .* to the list of known hosts\.|Pseudo-terminal will not be allocated .*"
    r"|\*\* (?:WARNING: connection is not using a post-quantum|This session may be vulnerable"
    r"|The server may need to be upgraded).*"
    r"|stdin: is not a tty|(?:mesg|stty): .*: Inappropriate ioctl for device|tput: .*TERM.*"
    r"|bash: cannot set terminal process group .*|bash: no job control in this shell"
    r"|Connection to \S+ closed\.|Last login: .*"
    r"|You can install it by typing:|(?:Try: )?(?:sudo )?(?:apt|apt-get|snap|dnf|yum|zypper) install .*"
    r"|(?:ntpq|chronyc)>.*|\[?[\w.-]{1,60}@[\w.-]{1,80}[: ][^\s\]]{0,80}\]?[#$%>] ?"
    r"|(?:[^\s*#^=+-]\S{0,60} ?[^\s*#^=+-]?\S{0,60})?[#$%>] ?"
    r"(?:sudo |watch |[A-Z_]{1,30}=\S{0,60} |docker exec (?:-\S{1,10} ){0,3}\S{1,80} ){0,3}(?:/\S{1,60}/)?"
    rf"(?:{_TOOLS})(?: .*)?)"
)


def is_chatter(line: str) -> bool:
    """Tell whether a line is known to say nothing of the clock: what a login or a terminal adds."""
    return _CHATTER.fullmatch(line) is not None


def complaint(line: str) -> ToolOutcome | None:
    """Return what a line means as a complaint, or None where it is none."""
    folded = " ".join(line.casefold().split())
    if folded in _WHOLE_LINES:
        return _WHOLE_LINES[folded]
    if _NO_SUCH_TOOL.fullmatch(folded):
        return ToolOutcome.NOT_INSTALLED
    return next((outcome for words, outcome in COMPLAINTS if words in folded), None)

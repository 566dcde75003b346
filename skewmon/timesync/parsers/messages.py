"""Messages that tools print instead of an answer, and the outcome that each names."""

import re
from enum import StrEnum


class ToolOutcome(StrEnum):
    """The result of running one tool; the five kinds of silence are kept apart."""

    PARSED = "parsed"
    NO_SOURCES = "no-sources"
    NOT_RUNNING = "not-running"
    NOT_INSTALLED = "not-installed"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNPARSED = "unparsed"


#: Part of the line, in lower case → outcome. The first that occurs counts, so narrow ones come first.
MESSAGES: tuple[tuple[str, ToolOutcome], ...] = (
    # of any tool, and also after another message in the same line: a socket that only root may open
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
    (
        "***server ",
        ToolOutcome.REFUSED,
    ),  # disallowed request, unspecified error, bad format, unknown variable
    ("***association id ", ToolOutcome.REFUSED),
    ("***a request variable unknown", ToolOutcome.REFUSED),
    ("***an unspecified error", ToolOutcome.REFUSED),
    ("***buffer size exceeded", ToolOutcome.UNPARSED),
    ("***can't find host", ToolOutcome.NOT_RUNNING),
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
    ("no command access from this host", ToolOutcome.REFUSED),
    ("facility not enabled in daemon", ToolOutcome.REFUSED),
    ("protocol version mismatch", ToolOutcome.UNPARSED),
    ("packet length mismatch", ToolOutcome.UNPARSED),
    ("got unexpected reply from daemon", ToolOutcome.UNPARSED),
    ("got unexpected error from daemon", ToolOutcome.UNPARSED),
    ("bad reply from daemon", ToolOutcome.UNPARSED),
    ("could not open connection to daemon", ToolOutcome.NOT_RUNNING),
    # timedatectl
    ("was not provided by any .service files", ToolOutcome.NOT_RUNNING),
    ("has not been booted with systemd", ToolOutcome.NOT_RUNNING),
    ("connect to bus", ToolOutcome.NOT_RUNNING),
    ("scope bus via ", ToolOutcome.NOT_RUNNING),
    ("invalid ntp response", ToolOutcome.UNPARSED),
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
    # ntptime, adjtimex
    ("not configured in this kernel", ToolOutcome.NOT_INSTALLED),
    # ntpctl, ntp-ctl
    ("could not open socket at", ToolOutcome.NOT_RUNNING),
    ("ntpctl: connect", ToolOutcome.NOT_RUNNING),
    ("failed to read state from observation socket", ToolOutcome.UNPARSED),
    ("no such file or directory (os error 2)", ToolOutcome.NOT_RUNNING),
    ("os { code: 2,", ToolOutcome.NOT_RUNNING),
    # the shell and the C library, of any tool
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


#: Messages that fill their line: of ntpstat in C, of a shell whose tool was ended.
_WHOLE_LINES = {
    "timeout": ToolOutcome.TIMED_OUT,
    "killed": ToolOutcome.TIMED_OUT,
    "terminated": ToolOutcome.TIMED_OUT,
}


#: A shell, or a program that starts others, reports a missing path. Printed by a tool itself, the same words
#: mean a socket or a file of its own.
_NO_SUCH_TOOL = re.compile(
    r"(?:-?(?:/\S{1,60}/)?(?:ba|da|a|z|k|mk|c|tc)?sh|env|timeout|nice|nohup|sudo|chroot): "
    r"(?:.*: no such file or directory|no such file or directory: .*)"
)

#: An error of chronyd that no message above names: three digits and a sentence.
_CHRONY_ERROR = re.compile(r"5[0-9]{2} [a-z][a-z/' ]{3,60}")

_TOOLS = "ntpq|ntpdc|ntpstat|chronyc|timedatectl|ntpctl|ntp-ctl|ntptime|adjtimex"

#: A command at a prompt: a tool with what may come before it, or the command of a switch or router.
_COMMAND = (
    r"(?:sudo (?:-\S{1,20} )?|watch (?:-\S{1,10} ?[0-9.]{0,5} )?|time |[A-Z_]{1,30}=\S{0,60} "
    r"|docker exec (?:-\S{1,10} ){0,3}\S{1,80} ){0,3}(?:/\S{1,60}/)?"
    rf"(?:{_TOOLS})(?: .*)?|sh(?:ow?)? (?:\S{{1,20}} )?ntp\b.*|run show ntp\b.*"
)

#: Prompts: of bash and its like (``[root@n1 ~]#``, ``(venv) user@n1:~$``), of themes (an arrow, with words
#: before a command), of switches and routers (``n1#``, ``RP/0/RSP0/CPU0:n1#``), and of the tools themselves.
_PROMPT = re.compile(
    r"\s*+(?!\S*::)(?:"  # no prompt: an IPv6 address that was cut behind the % of its zone
    r"(?:\([\w.@/ -]{1,40}\) ?)?\[?[\w.-]{1,60}@[\w.-]{1,80}(?:[: ][^\s\]]{0,80})?\]?"
    r"[ :]?[#$%>\u276f] ?(?:.*)"
    r"|(?:ntpq|chronyc|ntpdc)> ?.*"
    r"|[A-Za-z][\w./:-]{0,60}(?:\([\w-]{1,20}\))?[#>$%](?: ?(?:en|enable|exit|end|quit|show .*|term.*))?"
    rf"|(?:[^\s*#^=+-]\S{{0,60}} ?[^\s*#^=+-]?\S{{0,60}} ?)?[#$%>\u276f] ?(?:{_COMMAND})?"
    rf"|[A-Za-z][\w./:-]{{0,60}}[#>$%] ?(?:{_COMMAND})"
    rf"|\S{{0,20}}[\u276f\u279c\u03bb\u2514\u2570\u25b6].{{0,80}}?(?:{_COMMAND})"
    r")\s*"
)

#: Text around a tool's output: warnings of the shell, of sudo and of ssh, a router's date.
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
    r"|\S{1,80} \| (?:CHANGED|SUCCESS|FAILED)[^|]{0,20} \| rc=[0-9]{1,3} >>"  # ansible
    r"|non-zero return code"
    r"|\[[0-9]{1,5}\] [0-9:]{8} \[(?:SUCCESS|FAILURE)\] \S{1,80}.{0,80}"  # pssh
    r"|-{10,60}|\S{1,80} \([0-9]{1,6}\)"  # clush -b: a rule, and the nodes that printed the same
    r"|```\w{0,20}|</?pre>"  # pasted into an issue
    r"|Script (?:started|done),? .*|Every [0-9.]{1,6}s: .*"  # script, watch
    rf"|\+{{1,4}} (?:\S{{0,60}}/)?(?:{_TOOLS})(?: .*)?"  # sh -x
    r"|(?:real|user|sys)\s+[0-9]{1,6}m?[0-9.,]{0,9}s?"  # time
    r"|current host (?:set to|is) .*"  # ntpq
    r"|200 OK|\."  # chronyc; with -e it ends each answer with a dot
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} {1,2}[0-9]{1,2} [0-9:.]{8,15} [A-Za-z]{1,6}"
    r"(?: [0-9]{4})?)\s*"
)


def is_chatter(line: str) -> bool:
    """Return whether a line is text of a login or a terminal, and not of a time tool."""
    return _CHATTER.fullmatch(line) is not None or _PROMPT.fullmatch(line) is not None


def outcome_named_by(line: str) -> ToolOutcome | None:
    """Return the outcome that a message names, or None if the line is not a known message."""
    folded = " ".join(line.casefold().split())
    if folded in _WHOLE_LINES:
        return _WHOLE_LINES[folded]
    if _NO_SUCH_TOOL.fullmatch(folded):
        return ToolOutcome.NOT_INSTALLED
    named = next((outcome for words, outcome in MESSAGES if words in folded), None)
    return ToolOutcome.UNPARSED if named is None and _CHRONY_ERROR.fullmatch(folded) else named

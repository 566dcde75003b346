"""What a tool says instead of an answer; the five kinds of silence are kept apart."""

import re
from enum import StrEnum


class Outcome(StrEnum):
    """What became of asking one tool."""

    PARSED = "parsed"
    NO_SOURCES = "no-sources"
    NOT_RUNNING = "not-running"
    NOT_INSTALLED = "not-installed"
    TIMED_OUT = "timed-out"
    REFUSED = "refused"
    UNPARSED = "unparsed"


#: Part of the line, in lower case → what it means. The first that occurs wins, so the narrow stand first.
COMPLAINTS: tuple[tuple[str, Outcome], ...] = (
    # of whichever tool, and also where another complaint stands before it: a socket that only root may open
    ("permission denied", Outcome.REFUSED),
    ("operation not permitted", Outcome.REFUSED),
    # ntpq, classic and NTPsec
    ("no association id", Outcome.NO_SOURCES),
    ("no peers", Outcome.NO_SOURCES),
    ("***request timed out", Outcome.TIMED_OUT),
    ("***no response from host", Outcome.TIMED_OUT),
    ("***server disallowed request", Outcome.REFUSED),
    ("timed out, nothing received", Outcome.TIMED_OUT),
    ("timed out with incomplete data", Outcome.TIMED_OUT),
    ("***response from server was incomplete", Outcome.TIMED_OUT),
    ("socket error; probably ntpd is not running", Outcome.NOT_RUNNING),
    ("ntpq: read: connection refused", Outcome.NOT_RUNNING),
    ("authorization may be required", Outcome.REFUSED),
    # ntpstat, both generations
    ("unable to talk to ntp daemon", Outcome.NOT_RUNNING),
    # chronyc
    ("cannot talk to daemon", Outcome.NOT_RUNNING),
    ("not authorised", Outcome.REFUSED),
    ("could not open connection to daemon", Outcome.NOT_RUNNING),
    # timedatectl
    ("was not provided by any .service files", Outcome.NOT_RUNNING),
    ("has not been booted with systemd", Outcome.NOT_RUNNING),
    ("connect to bus", Outcome.NOT_RUNNING),
    ("create bus connection", Outcome.NOT_RUNNING),
    ("unit dbus-org.freedesktop.timesync1.service not found", Outcome.NOT_RUNNING),
    ("could not activate remote peer", Outcome.NOT_RUNNING),
    ("failed to activate service", Outcome.TIMED_OUT),
    ("connection timed out", Outcome.TIMED_OUT),
    ("no reply", Outcome.TIMED_OUT),
    ("no route to host", Outcome.NOT_RUNNING),
    # ntpctl, ntp-ctl
    ("could not open socket at", Outcome.NOT_RUNNING),
    ("ntpctl: connect", Outcome.NOT_RUNNING),
    ("failed to read state from observation socket", Outcome.UNPARSED),
    # the shell and the C library, of whichever tool
    ("command not found", Outcome.NOT_INSTALLED),
    ("applet not found", Outcome.NOT_INSTALLED),
    (": not found", Outcome.NOT_INSTALLED),
    ("connection refused", Outcome.NOT_RUNNING),
)


#: Lines that mean so only where they say nothing else: of ntpstat in C, of a shell whose tool was ended.
_WHOLE_LINES = {
    "timeout": Outcome.TIMED_OUT,
    "killed": Outcome.TIMED_OUT,
    "terminated": Outcome.TIMED_OUT,
}


#: What stands around a tool's text: warnings of the shell and of sudo, ssh, a pasted prompt.
_CHATTER = re.compile(
    r"\s*+(?:sudo: unable to resolve host .*|\[sudo\] password for .*"
    r"|\S+: warning: setlocale: .*|perl: warning: .*|manpath: can't set the locale.*|locale: Cannot set LC_.*"
    r"|Warning: Permanently added .* to the list of known hosts\.|Pseudo-terminal will not be allocated .*"
    r"|Connection to \S+ closed\."
    r"|(?:[^\s*#^=+-]\S{0,60} ?[^\s*#^=+-]?\S{0,60})?[#$%>] ?(?:sudo )?(?:/\S{1,60}/)?"
    r"(?:ntpq|ntpstat|chronyc|timedatectl|ntpctl|ntp-ctl|ntptime|adjtimex)(?: .*)?)"
)


def is_chatter(line: str) -> bool:
    """Tell whether a line is known to say nothing of the clock: what a login or a terminal adds."""
    return _CHATTER.fullmatch(line) is not None


def complaint(line: str) -> Outcome | None:
    """Return what a line means as a complaint, or None where it is none."""
    folded = line.casefold()
    if folded.strip() in _WHOLE_LINES:
        return _WHOLE_LINES[folded.strip()]
    return next((outcome for words, outcome in COMPLAINTS if words in folded), None)

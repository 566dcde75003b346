"""``ntpq -c rv``: the system variables of ntpd and NTPsec; offsets in milliseconds, peer minus local."""

import re
from collections.abc import Iterator, Mapping

from skewmon.model import Daemon, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.report import Ledger, ToolReport
from skewmon.timesync.values import distance_s, flipped, number, seconds, whole

TOOL = "ntpq-rv"

#: Leap indicator, as two binary digits (ntpd) or a number (ntpstat's source, chrony's protocol).
LEAPS = {"00": "none", "01": "insert", "10": "delete", "11": "unsynchronized"}

PPM = {None: 1.0, "ppt": 1e-6, "ppb": 1e-3, "ppm": 1.0, "ppk": 1e3}

#: NTP's stratum for "unsynchronised" (RFC 5905: 16; on the wire 0).
UNSYNCHRONIZED_STRATUM = 16

#: One assignment: a name, then a quoted text, or anything up to a comma that begins the next assignment.
#: Dates hold commas of their own: ``reftime=d93dab96.09666671 Tue, Jun 30 2015 23:58:14.036``.
_PAIR = re.compile(
    r"\s*([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"?|(?:[^,]|,(?!\s*[A-Za-z_][A-Za-z0-9_]*=|\s*$))*),?\s*"
)
_ASSOCIATION = re.compile(r"\s*(?:assID|associd)=", re.IGNORECASE)
_FREQUENCY = re.compile(r"([0-9.eE+-]+)(pp[tbmk])?")
_TIMESTAMP = re.compile(r"(?:0x)?([0-9a-f]{8})\.([0-9a-f]{8})\b", re.IGNORECASE)


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read ``ntpq -c rv`` of the system association, in any width, cooked or raw."""
    ledger = Ledger(TOOL)
    variables: dict[str, str] = {}
    for line in text.splitlines():
        if _ASSOCIATION.match(line):  # the status word is followed by its own decoding, in free words
            variables.update(_pairs_of(line.split(" ", 2)))
            ledger.understood()
        elif (pairs := dict(_assignments(line))) != {}:
            variables.update(pairs)
            ledger.understood()
        else:
            ledger.other(line)
    ledger.others(stderr.splitlines())
    found = bool(variables.keys() & {"stratum", "leap", "refid", "version"})
    return ledger.report(_status(variables), found=found, exit_status=status)


def _pairs_of(words: list[str]) -> Iterator[tuple[str, str]]:
    for word in words[:2]:
        name, equals, value = word.partition("=")
        if equals:
            yield name.strip().lower(), value.strip(" ,")


def _assignments(line: str) -> Iterator[tuple[str, str]]:
    """Yield the assignments of a line, or nothing where any part of the line is something else."""
    found = []
    position = 0
    while position < len(line):
        pair = _PAIR.match(line, position)
        if pair is None:
            return
        found.append((pair[1].lower(), pair[2].strip().strip('"')))
        position = pair.end()
    yield from found


def _status(variables: Mapping[str, str]) -> SyncStatus:
    leap = LEAPS.get(variables.get("leap", "").zfill(2)) if "leap" in variables else None
    stratum = whole(variables.get("stratum", ""))
    refid = variables.get("refid")
    version = variables.get("version")
    synchronized = _synchronized(leap, stratum)
    poll = whole(variables.get("tc", variables.get("poll", "")))
    return SyncStatus(
        _daemon(version),
        synchronized=synchronized,
        stratum=stratum,
        refid=None if refid is None else refids.word(refid),
        # Before the first update the loop filter holds a zero that nobody measured.
        offset_s=None if synchronized is False else flipped(_ms(variables, "offset", "phase")),
        root_distance_s=distance_s(_ms(variables, "rootdelay"), _ms(variables, "rootdisp", "rootdispersion")),
        last_update_s=_age_s(variables.get("clock"), variables.get("reftime")),
        poll_s=None if poll is None or poll > 20 else float(2**poll),
        leap=leap,
        frequency_ppm=flipped(_ppm(variables, "frequency")),
        smear_s=_ms(variables, "leapsmearoffset"),
        version=version,
    )


def _daemon(version: str | None) -> Daemon:
    if version is None:
        return "unknown"
    return "ntpsec" if "ntpsec" in version.lower() else "ntpd"


def _synchronized(leap: str | None, stratum: int | None) -> bool | None:
    if leap == "unsynchronized" or (stratum is not None and stratum >= UNSYNCHRONIZED_STRATUM):
        return False
    return None if leap is None or stratum is None else True


def _ms(variables: Mapping[str, str], *names: str) -> float | None:
    values = (seconds(variables[name], "ms") for name in names if name in variables)
    return next((value for value in values if value is not None), None)


def _ppm(variables: Mapping[str, str], name: str) -> float | None:
    """Return a frequency; a bare number is in ppm, ``ntpq -u`` adds a unit."""
    found = _FREQUENCY.fullmatch(variables.get(name, ""))
    value = None if found is None else number(found[1])
    return None if found is None or value is None else value * PPM[found[2]]


def _age_s(clock: str | None, reftime: str | None) -> float | None:
    """How long before ``clock`` the last update was, both NTP timestamps of this node's own clock."""
    now, then = _ntp_s(clock), _ntp_s(reftime)
    return None if now is None or not then else (now - then) % 2**32


def _ntp_s(stamp: str | None) -> float | None:
    found = _TIMESTAMP.match(stamp or "")
    return None if found is None else int(found[1], 16) + int(found[2], 16) / 2**32

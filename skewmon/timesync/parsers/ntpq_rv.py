"""``ntpq -c rv``: the system variables of ntpd and NTPsec; offsets in milliseconds, peer minus local.

``rv ASSID`` prints the variables of one peer under the same names: stratum, leap and offset there are that
peer's, not the system's. A text may hold several sections, each of the system or of one peer.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from skewmon.model import DaemonName, Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolReport
from skewmon.timesync.parsers.sanity import UNSYNCHRONIZED_STRATUM
from skewmon.timesync.parsers.values import distance_s, flipped, is_value, number, octal, seconds, whole

TOOL = "ntpq-rv"

#: Leap indicator, as two binary digits, or as the number that ``-c raw`` prints.
LEAPS = {
    "0": "none",
    "1": "insert",
    "2": "delete",
    "3": "unsynchronized",
    "00": "none",
    "01": "insert",
    "10": "delete",
    "11": "unsynchronized",
    "02": "delete",
    "03": "unsynchronized",
}

#: The selection in a peer's decoded status word → state; before 4.2.6 some had other names.
_SELECTIONS = {
    "sel_reject": "rejected",
    "sel_falsetick": "falseticker",
    "sel_sane": "falseticker",
    "sel_excess": "excess",
    "sel_correct": "excess",
    "sel_outlier": "outlier",
    "sel_outlyer": "outlier",
    "sel_candidate": "candidate",
    "sel_candidat": "candidate",
    "sel_backup": "backup",
    "sel_sync": "backup",
    "sel_sys.peer": "system",
    "sel_pps.peer": "pps",
}

#: First variables of a section; the system's lacked a number before 4.1, and vendors print a routing table.
_HEADS = frozenset({"associd", "assid", "status", "vrf"})

#: Variables that only a peer has.
_OF_A_PEER = frozenset(
    {
        "srcadr",
        "srchost",
        "srcport",
        "dstadr",
        "dstport",
        "reach",
        "unreach",
        "hmode",
        "pmode",
        "hpoll",
        "ppoll",
    }
    | {"delay", "flash", "headway", "keyid", "filtdelay", "filtoffset", "filtdisp", "filterror", "xleave"}
)

#: Name of a peer whose address was not printed.
_UNNAMED = "unnamed peer"

#: At least one of these must be printed for an answer.
_FACTS = frozenset(
    {"version", "leap", "stratum", "refid", "rootdelay", "rootdisp", "rootdispersion"}
    | {"offset", "phase", "frequency", "srcadr"}
)

#: Variables that are numbers of milliseconds.
_NUMBERS = frozenset({"rootdelay", "rootdisp", "rootdispersion", "offset", "phase", "delay", "jitter"})

PPM = {None: 1.0, "ppt": 1e-6, "ppb": 1e-3, "ppm": 1.0, "ppk": 1e3}

#: NTP's greatest poll exponent is 17; far larger ones are garbage, not 2^garbage seconds.
MAX_POLL_EXPONENT = 20

#: A line is divided into assignments by a name at the beginning of a word, outside of quotes. Values hold
#: commas and blanks of their own: ``reftime=d93dab96.09666671 Tue, Jun 30 2015 23:58:14.036``.
_NAME = re.compile(r"\"[^\"]*\"?|(?:^|(?<=[\s,]))([A-Za-z_][A-Za-z0-9_]*)=")

#: If a terminal or a mail broke a line within quotes, the rest of the text stands before the next quote.
_REST_OF_QUOTE = re.compile(r"([^\"=]*)\"\??\s*(?:,|$)")
#: Characters of a line in the name of a suspect.
_SHOWN = 60

_STATUS = re.compile(r"(?:0x)?([0-9a-f]{4})\b", re.IGNORECASE)
_FREQUENCY = re.compile(r"([0-9.eE+-]+)(pp[tbmk])?")
_TIMESTAMP = re.compile(r"(?:0x)?([0-9a-f]{8})\.([0-9a-f]{8})\b", re.IGNORECASE)


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read ``ntpq -c rv`` of the system or of an association, in any width, cooked or raw."""
    tally = LineTally(TOOL)
    sections: list[dict[str, str]] = [{}]
    broken: str | None = None  # the variable whose quoted value goes on in the next line
    is_unfinished = False  # the last line of variables has no comma, as only the last of a section
    for line in text.splitlines():
        rest = None if broken is None else _REST_OF_QUOTE.match(line)
        start = 0 if rest is None else rest.end()
        pairs = list(_assignments(line[start:]))
        if broken is not None and rest is not None:
            sections[-1][broken] += f" {rest[1].strip()}"
            tally.doubt(f"{broken} is put together from two lines")
        if pairs and pairs[0][0] in _HEADS and sections[-1].keys() & _HEADS:
            sections.append({})
        elif pairs and is_unfinished:
            tally.doubt(f"the line before {line.strip()[:_SHOWN]!r} may be broken")
        if pairs or (rest is not None and not line[start:].strip()):
            sections[-1].update((name, _unquoted(value)) for name, value in pairs)
            tally.understood()
            is_unfinished = _is_unfinished(line, pairs)
        else:
            tally.other(line)
        broken = pairs[-1][0] if pairs and pairs[-1][1].count('"') == 1 else None
    if broken is not None:
        tally.doubt(f"{broken} has no closing quote")
    _doubt_numbers(sections, tally)
    tally.others(stderr.splitlines())
    found = any(section.keys() & _FACTS for section in sections)
    return tally.report(_together(sections), found=found, exit_status=status)


def _doubt_numbers(sections: Sequence[Mapping[str, str]], tally: LineTally) -> None:
    for section in sections:
        for name in sorted(section.keys() & _NUMBERS):
            if not is_value(section[name]):
                tally.doubt(f"{name} {section[name]!r} is not a number")


def _is_unfinished(line: str, pairs: Sequence[tuple[str, str]]) -> bool:
    """Return whether a line of variables ends without its comma, as only the last of a section does."""
    is_whole = line.rstrip().endswith(",") or not pairs
    return not is_whole and pairs[-1][0] != "status" and pairs[-1][1].count('"') != 1


def _together(sections: list[dict[str, str]]) -> SyncStatus:
    """Return the status of the system, and of every association that was printed with it."""
    system = next((section for section in sections if not _is_of_a_peer(section)), None)
    peers = tuple(_peer(section) for section in sections if section.keys() & _OF_A_PEER)
    return replace(SyncStatus("unknown") if system is None else _status(system), peers=peers)


def _assignments(line: str) -> Iterator[tuple[str, str]]:
    """Yield the assignments of a line, or nothing if it begins with anything else."""
    names = [found for found in _NAME.finditer(line) if found[1]]
    if not names or line[: names[0].start()].strip():
        return
    ends = [*(found.start() for found in names[1:]), len(line)]
    for found, end in zip(names, ends, strict=True):
        yield found[1], line[found.end() : end].strip().removesuffix(",").rstrip()


def _unquoted(value: str) -> str:
    """Strip the quotes, and the question mark that ntpq 4.2.0 sets behind a value it does not know."""
    return value.removesuffix("?").strip('"') if value.startswith('"') else value


def _is_of_a_peer(variables: Mapping[str, str]) -> bool:
    return bool(variables.keys() & _OF_A_PEER) or _association(variables) != 0


def _association(variables: Mapping[str, str]) -> int | None:
    return whole(variables.get("associd", variables.get("assid", "0")))


def _peer(variables: Mapping[str, str]) -> Peer:
    """Return one association."""
    decoded = variables.get("status", "").replace(",", " ").split()
    refid = variables.get("refid")
    return Peer(
        name=_name(variables),
        state=next((_SELECTIONS[word] for word in decoded if word in _SELECTIONS), "unknown"),
        refid=None if refid is None else _refid(refid),
        stratum=whole(variables.get("stratum", "")),
        poll_s=_poll_s(variables.get("hpoll")),
        reach=octal(variables.get("reach", "")),
        delay_s=_ms(variables, "delay"),
        offset_s=flipped(_ms(variables, "offset")),
        jitter_s=_ms(variables, "jitter", "dispersion"),
    )


def _name(variables: Mapping[str, str]) -> str:
    number = _association(variables)
    numbered = f"association {number}" if number else _UNNAMED
    return variables.get("srcadr", variables.get("srchost", numbered))


def _status(variables: Mapping[str, str]) -> SyncStatus:
    leap = LEAPS.get(variables.get("leap", "")) or _leap_of_status(variables.get("status", ""))
    stratum = whole(variables.get("stratum", ""))
    refid = variables.get("refid")
    version = variables.get("version")
    synchronized = _synchronized(leap, stratum)
    return SyncStatus(
        _daemon(version),
        synchronized=synchronized,
        stratum=stratum,
        refid=None if refid is None else _refid(refid),
        offset_s=_offset_s(variables, synchronized=synchronized),
        root_distance_s=distance_s(_ms(variables, "rootdelay"), _ms(variables, "rootdisp", "rootdispersion")),
        last_update_s=_age_s(variables.get("clock"), variables.get("reftime")),
        poll_s=_poll_s(variables.get("tc", variables.get("poll"))),
        leap=leap,
        frequency_ppm=flipped(_ppm(variables.get("frequency", variables.get("freq", "")))),
        smear_s=_ms(variables, "leapsmearoffset"),
        version=version,
    )


def _leap_of_status(text: str) -> str | None:
    """Return the leap indicator from the first two bits of a status word (RFC 1305, B.2.2)."""
    found = _STATUS.match(text)
    return None if found is None else LEAPS[str(int(found[1], 16) >> 14)]


def _refid(text: str) -> str:
    """Return a reference identifier; some versions print the 32 bits of an address in hexadecimal."""
    address = refids.of_unpadded_hex(text[2:], UNSYNCHRONIZED_STRATUM) if text.startswith("0x") else None
    return address or refids.word(text)


def _poll_s(exponent: str | None) -> float | None:
    poll = whole(exponent or "")
    return None if poll is None or poll > MAX_POLL_EXPONENT else float(2**poll)


def _daemon(version: str | None) -> DaemonName:
    if version is None:
        return "unknown"
    return "ntpsec" if "ntpsec" in version.lower() else "ntpd"


def _synchronized(leap: str | None, stratum: int | None) -> bool | None:
    if leap == "unsynchronized" or (stratum is not None and stratum >= UNSYNCHRONIZED_STRATUM):
        return False
    return None if leap is None or stratum is None else True


def _offset_s(variables: Mapping[str, str], *, synchronized: bool | None) -> float | None:
    """Return how far the clock is ahead; a zero before the first update is no measurement."""
    offset_s = flipped(_ms(variables, "offset", "phase"))
    return None if synchronized is False and offset_s == 0 else offset_s


def _ms(variables: Mapping[str, str], *names: str) -> float | None:
    values = (seconds(variables[name], "ms") for name in names if name in variables)
    return next((value for value in values if value is not None), None)


def _ppm(text: str) -> float | None:
    """Return a frequency; a bare number is in ppm, ``ntpq -u`` adds a unit."""
    found = _FREQUENCY.fullmatch(text)
    value = None if found is None else number(found[1])
    return None if found is None or value is None else value * PPM[found[2]]


def _age_s(clock: str | None, reftime: str | None) -> float | None:
    """How long before ``clock`` the last update was, both NTP timestamps of this node's own clock."""
    now, then = _ntp_s(clock), _ntp_s(reftime)
    return None if now is None or not then else (now - then) % 2**32


def _ntp_s(stamp: str | None) -> float | None:
    found = _TIMESTAMP.match(stamp or "")
    return None if found is None else int(found[1], 16) + int(found[2], 16) / 2**32

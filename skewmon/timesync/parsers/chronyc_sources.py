"""``chronyc sources``, as text and as CSV (``-c``), with or without ``-v``.

"Positive offsets indicate that the local clock is ahead of the source" (chronyc(1)): the sign is our own.
Of the two numbers of *Last sample* the first is taken: it is adjusted for corrections made since.
"""

import re

from skewmon.model import Peer, SyncStatus
from skewmon.timesync import refid as refids
from skewmon.timesync.parsers.report import LineTally, ToolOutcome, ToolReport
from skewmon.timesync.parsers.sanity import UNSYNCHRONIZED_STRATUM
from skewmon.timesync.parsers.values import number, octal, seconds, whole

TOOL = "chronyc-sources"

#: State → word. A question mark is a source that cannot be used: not reached, not yet, or not acceptable.
STATES = {
    "*": "system",
    "+": "candidate",
    "-": "selectable",
    "x": "falseticker",
    "~": "variable",
    "?": "unreachable",
    " ": "unknown",
}

KINDS = {"^": "server", "=": "peer", "#": "refclock"}

CSV_FIELDS = 10

#: chrony's greatest poll exponent (chrony.conf: maxpoll 24); a larger one is garbage, not 2^garbage seconds.
MAX_POLL_EXPONENT = 24

_AMOUNT = r"[+-]?[0-9.]+(?:ns|us|ms|s|m|h|d|y)"
_ROW = re.compile(
    r"\s*(?P<kind>[\^=#])(?P<state>[*+\-x~? ])\s(?P<name>\S+)\s+(?P<stratum>[0-9]+)\s+(?P<poll>-?[0-9]+)"
    r"\s+(?P<reach>[0-7]+)\s+(?P<last>-|[0-9]+[mhdy]?)"
    rf"\s+(?P<offset>{_AMOUNT})\s*\[\s*{_AMOUNT}\]\s+\+/-\s+(?P<error>{_AMOUNT})\s*",
    re.ASCII,
)
_HEADER = re.compile(r"\s*(?:(?:210 )?Number of sources = [0-9]+|MS Name/IP address .*)\s*")
_NOISE = re.compile(
    r"\s*+(?:(?:210 )?Number of sources = [0-9]+|MS Name/IP address\s+Stratum Poll Reach LastRx Last sample"
    r"|[=\s]++|\.-- Source mode .*|/ \.- Source state .*|\| /[ |\\]+.*|\|\|[ |\\]+.*)\s*"
)


def parse(text: str, stderr: str = "", status: int = 0) -> ToolReport:
    """Read the table of sources; a table without rows is a daemon without sources."""
    tally = LineTally(TOOL)
    peers: list[Peer] = []
    is_second = False  # a second table, which may be another host's
    for line in text.splitlines():
        peer = _row(line) or _csv(line)
        is_second = is_second or (bool(peers) and _HEADER.fullmatch(line) is not None)
        if peer is not None and not is_second:
            peers.append(peer)
            tally.understood()
        elif _NOISE.fullmatch(line):
            tally.ignored()
        else:
            tally.other(line)
    tally.others(stderr.splitlines())
    # In CSV a daemon without sources prints nothing at all, and succeeds.
    empty = ToolOutcome.NO_SOURCES if status == 0 else ToolOutcome.UNPARSED
    status_said = _status(tuple(peers), tally)
    return tally.report(status_said, found=bool(peers), exit_status=status, empty=empty)


def _row(line: str) -> Peer | None:
    found = _ROW.fullmatch(line)
    if found is None:
        return None
    return _peer(
        (found["kind"], found["state"], found["name"], found["stratum"], found["poll"], found["reach"]),
        last_heard_s=_age_s(found["last"]),
        offset_s=_amount_s(found["offset"]),
        error_s=_amount_s(found["error"]),
    )


def _csv(line: str) -> Peer | None:
    fields = line.strip().split(",")
    if len(fields) != CSV_FIELDS or fields[0] not in KINDS or (fields[1] or " ") not in STATES:
        return None
    last, offset, _, error = (number(field) for field in fields[6:])
    if None in (last, offset, error) or whole(fields[3]) is None or octal(fields[5]) is None:
        return None
    never = last == NEVER_S
    return _peer(tuple(fields[:6]), last_heard_s=None if never else last, offset_s=offset, error_s=error)


#: Printed by CSV instead of a dash: a source that was never heard (2^32 - 1 seconds ago).
NEVER_S = float(2**32 - 1)


def _peer(
    head: tuple[str, ...], *, last_heard_s: float | None, offset_s: float | None, error_s: float | None
) -> Peer:
    kind, state, name, stratum, poll, reach = head
    exponent = number(poll)
    # Never heard is a dash, and was ten years before 3.0: a source without a stratum, and without an error,
    # which no measurement has.
    sampled = last_heard_s is not None and (whole(stratum), octal(reach), error_s) != (0, 0, 0.0)
    return Peer(
        name=name,
        state="rejected" if state == "?" and octal(reach) else STATES[state or " "],
        refid=refids.of_address(name) if kind != "#" else name,
        # A source that never answered has no stratum, offset or error; chronyc prints zeroes.
        stratum=whole(stratum) if sampled else None,
        kind=KINDS[kind],
        last_heard_s=last_heard_s if sampled else None,
        poll_s=None if exponent is None or abs(exponent) > MAX_POLL_EXPONENT else 2.0**exponent,
        reach=octal(reach),
        offset_s=offset_s if sampled else None,
        jitter_s=error_s if sampled else None,
        tally=state,
    )


def _age_s(text: str) -> float | None:
    if text == "-":
        return None
    return seconds(text)


def _amount_s(text: str) -> float | None:
    return seconds(text)


def _status(peers: tuple[Peer, ...], tally: LineTally) -> SyncStatus:
    followed = next((peer for peer in peers if peer.state == "system"), None)
    if followed is not None and (followed.stratum or 0) >= UNSYNCHRONIZED_STRATUM:
        tally.doubt(f"{followed.name} is marked as followed at stratum {followed.stratum}")
        return SyncStatus("chronyd", synchronized=False, peers=peers)
    if followed is None:
        return SyncStatus("chronyd" if peers else "unknown", peers=peers)
    # "* indicates the best source which is currently selected for synchronisation" (chronyc(1)). The clock
    # that follows it is one further away than its stratum.
    return SyncStatus(
        "chronyd",
        synchronized=True,
        stratum=None if followed.stratum is None else followed.stratum + 1,
        source=followed.name,
        refid=followed.refid,
        offset_s=followed.offset_s,
        reach=followed.reach,
        last_update_s=followed.last_heard_s,
        poll_s=followed.poll_s,
        peers=peers,
    )

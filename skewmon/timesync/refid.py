"""Reference identifiers: the number by which NTP itself names the upstream of a clock."""

import hashlib
import ipaddress
import re
from functools import lru_cache

#: Names of this machine's own oscillator: the local clock driver of ntpd, chrony's local mode.
_LOCAL_WORDS = frozenset({"LOCL", "LOCAL", "7F7F0101"})

#: Names for "no source": not yet, not any more, or only a list of names to choose from.
_NONE_WORDS = frozenset(
    {"", "INIT", "STEP", "XFAC", "POOL", "NONE", "RATE", "DENY", "RSTR", "TIME", "AUTH", "CRYP", "00000000"}
)

#: The root of an orphan's subnet: ntpd that has lost its servers and serves its own oscillator to the others
#: (``tos orphan``). Only as the source of a clock: a server may well be reached at the loopback address.
_ORPHAN_PARENTS = frozenset({"127.0.0.1", "LOOP", "ORPH"})

_ANY_ADDRESS = ipaddress.IPv4Address(0)

_LOCAL_DRIVER = re.compile(r"127\.127\.1\.[0-9]{1,3}|LOCAL\([0-9]+\)", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{8}", re.ASCII)

#: Eight digits, or fewer from tools that leave out the leading zeroes. Five at least: shorter ones may be a
#: word, such as DCF.
_UNPADDED_HEX = re.compile(r"[0-9A-Fa-f]{5,8}", re.ASCII)


#: The same few identifiers occur in every source of every node, each round.
_remembered = lru_cache(maxsize=4096)


def word(refid: str) -> str:
    """Strip the dots that mark a name in ntpq: ``.GPS.`` → ``GPS``; an address keeps its own."""
    inner = refid.strip()
    return inner.strip(".") if inner.startswith(".") or inner.endswith(".") else inner


@_remembered
def is_local(refid: str | None) -> bool:
    """Return whether the identifier or source name means the undisciplined local clock."""
    if refid is None:
        return False
    plain = word(refid)
    return plain.upper() in _LOCAL_WORDS or _LOCAL_DRIVER.fullmatch(plain) is not None


def is_orphan_parent(refid: str | None) -> bool:
    """Return whether the reference identifier of a clock means that it heads an orphan subnet."""
    return refid is not None and word(refid) in _ORPHAN_PARENTS


@_remembered
def is_none(refid: str | None) -> bool:
    """Return whether the identifier says that there is no source."""
    return refid is None or word(refid).upper() in _NONE_WORDS or refid == str(_ANY_ADDRESS)


@_remembered
def of_address(address: str) -> str | None:
    """Return the refid of a server, as dotted quad: its IPv4 address, or the MD5 head of its IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        digest = hashlib.md5(parsed.packed, usedforsecurity=False).digest()  # RFC 5905 section 7.3
        return str(ipaddress.IPv4Address(digest[:4]))
    return str(parsed)


def of_unpadded_hex(digits: str, stratum: int | None = None) -> str | None:
    """Return hexadecimal digits whose leading zeroes may be missing as ``of_hex`` does: ``A000001``."""
    return of_hex(digits.zfill(8), stratum) if _UNPADDED_HEX.fullmatch(digits) else None


def of_hex(digits: str, stratum: int | None = None) -> str | None:
    """Return eight hexadecimal digits as dotted quad, or as the word they spell up to stratum 1."""
    if not _HEX.fullmatch(digits):
        return None
    raw = bytes.fromhex(digits)
    letters = raw.rstrip(b"\0")
    if (stratum is None or stratum <= 1) and letters.isalnum() and letters.isascii():
        return letters.decode("ascii")
    return str(ipaddress.IPv4Address(raw))

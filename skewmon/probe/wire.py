"""The protocol between skewmon and its node-side program; pure text, no effects.

skewmon → node    ``: SKEWMON1 NONCE MODE``     once; a no-op to a shell, the start of an installed program
node → skewmon    ``SKEWMON1 NONCE hello probe=… real=EARLY,LATE raw=… mono=… boot=… boot_id=… clocksource=…``
skewmon → node    ``NONCE ID``                  a request
node → skewmon    ``NONCE ID real raw mono boot raw real``   nanoseconds; ``-`` if the node cannot read one

Everything else that a node prints (banners, rc files, motd) lacks the nonce and is noise.
"""

import re
import secrets
from typing import NamedTuple

from skewmon.errors import ProbeError, Reason
from skewmon.model import NS_PER_S, Exchange, Program, Quantum, VantageStamps

#: Long enough that no banner contains it by accident.
NONCE_BYTES = 8

#: The rungs that a hello may name, as the JSON contract lists them.
PROBES = ("python3", "python2", "perl", "bash", "date", "date-s")

#: No clock of this century needs more digits; a longer number is garbage and is not converted.
MAX_DIGITS = 20

#: No program that skewmon starts reads a coarser clock: ``date +%s`` rounds down a clock that may lag itself.
MAX_QUANTUM_NS = NS_PER_S + 100_000_000

#: The number of a request and the six readings, with single spaces.
_READINGS = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}(?: (?:-|-?[0-9]{{1,{MAX_DIGITS}}})){{6}}")
_QUANTUM = re.compile(r"([0-9]{1,10}),([0-9]{1,10})")

#: A version of the installed program.
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")
#: The form of a boot id and of a clock source's name; both are compared, logged and shown.
_NAME = re.compile(r"[A-Za-z0-9_.:-]{0,64}")


class Reading(NamedTuple):
    """The node's clocks as one reply carries them, in the order in which they were read."""

    ident: int
    real_in_ns: int
    raw_in_ns: int | None
    mono_ns: int | None
    boot_ns: int | None
    raw_out_ns: int | None
    real_out_ns: int

    def exchange(self, sent_ns: int, received_ns: int, vantage: VantageStamps | None = None) -> Exchange:
        """Return the exchange of a request and this reply, with the stamps of both."""
        return Exchange(
            sent_ns=sent_ns,
            received_ns=received_ns,
            real_in_ns=self.real_in_ns,
            real_out_ns=self.real_out_ns,
            raw_in_ns=self.raw_in_ns,
            raw_out_ns=self.raw_out_ns,
            mono_ns=self.mono_ns,
            boot_ns=self.boot_ns,
            vantage=vantage,
        )


def new_nonce() -> str:
    """Return a nonce for one program."""
    return secrets.token_hex(NONCE_BYTES)


def greeting(nonce: str, mode: str) -> str:
    """Return the first line that skewmon sends."""
    return f": SKEWMON1 {nonce} {mode}\n"


def request(nonce: str, ident: int) -> bytes:
    """Return one request."""
    return b"%s %d\n" % (nonce.encode(), ident)


def parse_installed(nonce: str, line: str) -> str:
    """Return the version by which an installed program introduces itself before its hello; empty if none."""
    words = line.split()
    is_own = words[:2] == ["SKEWMON-INSTALLED", nonce] and len(words) == 3
    return words[2] if is_own and _VERSION.fullmatch(words[2]) else ""


def parse_hello(nonce: str, line: str) -> Program | None:
    """Return the program that introduces itself, or None if the line is noise.

    Raises ProbeError if no rung of the ladder works on the node, or if the hello is not understood.
    """
    words = line.split()
    if words[:2] != ["SKEWMON1", nonce]:
        return None
    if words[2:] == ["none"]:
        raise ProbeError(
            Reason.NO_PROGRAM,
            "The node has none of python3, perl, python2.7, bash 5 or date on its PATH.",
            "Install one of them, or set PATH for this user in sshd's SetEnv.",
        )
    facts = dict(word.split("=", 1) for word in words[3:] if "=" in word)
    try:
        if words[2:3] != ["hello"] or facts["probe"] not in PROBES:
            raise ValueError(line)
        return Program(
            probe=facts["probe"],
            boot_id=_name(facts.get("boot_id", "")),
            clocksource=_name(facts.get("clocksource", "")),
            real=_quantum(facts["real"]),
            raw=_quantum(facts["raw"]) if "raw" in facts else None,
            mono=_quantum(facts["mono"]) if "mono" in facts else None,
            boot=_quantum(facts["boot"]) if "boot" in facts else None,
        )
    except (KeyError, ValueError):
        raise ProbeError(
            Reason.GARBLED_REPLY,
            f"The node-side program introduced itself in words that are not understood: {line[:200]!r}.",
            "If the node runs an installed program, install the one of this version.",
        ) from None


def parse_reply(nonce: str, program: Program, line: str) -> Reading | None:
    """Return the reading that a line carries, or None if the line is noise.

    Raises ProbeError if a line carries the nonce but not the readings that the program's hello announced:
    the offset of a reply is computed from them.
    """
    words = line.split()
    if words[:1] != [nonce]:
        return None
    if len(words) == 2 and words[1].isdecimal():  # a request comes back
        raise ProbeError(
            Reason.GARBLED_REPLY,
            "A terminal (pty) or a session recorder on the node echoes the input of this session.",
            "Exempt this account from session recording, or let its forced command run without a terminal.",
        )
    if not _READINGS.fullmatch(" ".join(words[1:])):
        raise ProbeError(
            Reason.GARBLED_REPLY,
            f"The node-side program sent a line that is not a reading: {line[:200]!r}.",
            "Something else writes to this session's output; look at the node's rc files.",
        )
    real_in, raw_in, mono, boot, raw_out, real_out = [None if w == "-" else int(w) for w in words[2:]]
    announced = (program.raw, program.mono, program.boot, program.raw)
    missing = [reading is None for reading in (raw_in, mono, boot, raw_out)]
    if real_in is None or real_out is None or missing != [quantum is None for quantum in announced]:
        raise ProbeError(
            Reason.GARBLED_REPLY,
            f"The node-side program sent other readings than it announced: {line[:200]!r}.",
            "If the node runs an installed program, install the one of this version.",
        )
    if _runs_backwards(program.raw, raw_in, raw_out):
        raise ProbeError(
            Reason.GARBLED_REPLY,
            f"The node's MONOTONIC_RAW ran backwards, which no clock of Linux does: {line[:200]!r}.",
            "Look at what answers there, and at the kernel's log for an unstable clock source.",
        )
    return Reading(int(words[1]), real_in, raw_in, mono, boot, raw_out, real_out)


def _runs_backwards(quantum: Quantum | None, before: int | None, after: int | None) -> bool:
    """Return whether a reading is below an earlier one by more than rounding explains."""
    if quantum is None or before is None or after is None:
        return False
    return after + quantum.early_ns + quantum.late_ns < before


def _quantum(text: str) -> Quantum:
    match = _QUANTUM.fullmatch(text)
    if match is None:
        raise ValueError(text)
    quantum = Quantum(int(match[1]), int(match[2]))
    if max(quantum.early_ns, quantum.late_ns) > MAX_QUANTUM_NS:
        raise ValueError(text)
    return quantum


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError(text)
    return text.strip("-")

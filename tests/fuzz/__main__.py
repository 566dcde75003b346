"""Wounds real outputs and feeds them to every parser: ``python -m tests.fuzz --seconds 60 [--seed N]``.

A crash, a line lost, or a parser that takes too long ends the run with the text that did it.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence

from skewmon.timesync import sheet
from skewmon.timesync.parsers import PARSERS
from skewmon.timesync.status import assemble
from tests.fuzz.mutate import accounted, mutated
from tests.timesync.captures import Capture, captures

#: A parser that needs this long for one output would stall the daemon's loop.
SLOWEST_S = 1.0

NONCE = "fuzz0815fuzz"


def fault(tool: str, text: str, stderr: str, status: int) -> str:
    """Return what a parser did wrong, or nothing."""
    began = time.perf_counter()
    report = PARSERS[tool](text, stderr, status)
    took_s = time.perf_counter() - began
    if took_s > SLOWEST_S:
        return f"took {took_s:.1f} s"
    return accounted(report, text, stderr)


def block(name: str, stdout: str, stderr: str, status: int) -> str:
    """Return one tool's part of a status sheet."""
    return f"\n{NONCE} begin {name}\n{stdout}\n{NONCE} err\n{stderr}\n{NONCE} end {status}\n"


def sheet_of(corpus: Sequence[Capture], chance: random.Random) -> str:
    """Return a whole status sheet of wounded outputs, itself wounded now and then."""
    blocks = [block("facts", "uname Linux\nclock 1\nprocess 1 ntpd ntpd -g\n", "", 0)]
    blocks += [
        block(one.tool, mutated(one.stdout, chance), one.stderr, one.exit_status)
        for one in chance.sample(list(corpus), 4)
    ]
    text = "".join(blocks) + f"\n{NONCE} done\n"
    return mutated(text, chance) if chance.random() < 0.3 else text


def run(seconds: float, seed: int) -> int:
    """Fuzz for so long and return how many texts were tried; raise AssertionError with the culprit."""
    chance = random.Random(seed)
    corpus = list(captures())
    by_tool = {tool: [one for one in corpus if one.tool == tool] for tool in PARSERS}
    deadline = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < deadline:
        for tool, own in by_tool.items():
            capture = chance.choice(own if chance.random() < 0.9 else corpus)
            text, stderr = mutated(capture.stdout, chance), capture.stderr
            wrong = fault(tool, text, stderr, chance.choice((0, 1, 124, 137)))
            assert not wrong, f"{tool}: {wrong}\nseed {seed}, text {tried}:\n{text!r}"
            tried += 1
        assemble(sheet.split(NONCE, sheet_of(corpus, chance)))
        tried += 1
    return tried


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    tried = run(options.seconds, options.seed)
    sys.stdout.write(f"{tried} wounded outputs, no fault (seed {options.seed})\n")


if __name__ == "__main__":
    main()

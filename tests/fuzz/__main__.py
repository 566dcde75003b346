"""Feeds wounded outputs to every parser: ``python -m tests.fuzz [--seconds N] [--seed N] [TOOL ...]``.

A crash, a line lost, or a parser that takes too long ends the run with the text that did it.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from skewmon.timesync import script
from skewmon.timesync.parsers.registry import PARSERS
from skewmon.timesync.status import assemble
from tests.fuzz.mutate import accounted, mutated
from tests.timesync.captures import Capture, captures

#: A parser that needs this long for one output would stall the daemon's loop.
SLOWEST_S = 1.0

#: The status sheet that all tools' outputs arrive in is foreign text as well.
SHEET = "sheet"
TARGETS = (*PARSERS, SHEET)

#: Processor time for each target, unless told otherwise: a quarter of a million wounded outputs and more.
DEFAULT_S = 600.0

NONCE = "fuzz0815fuzz"


def fault(tool: str, text: str, stderr: str, status: int) -> str:
    """Return what a parser did wrong, or nothing."""
    began = time.process_time()
    report = PARSERS[tool](text, stderr, status)
    took_s = time.process_time() - began
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


def run(target: str, seconds: float, seed: int) -> int:
    """Fuzz one target for so much processor time and return how many texts were tried.

    Raises AssertionError with the text that did harm.
    """
    chance = random.Random(f"{seed} {target}")
    corpus = list(captures())
    own = [one for one in corpus if one.tool == target]
    ends = time.process_time() + seconds
    tried = 0
    while time.process_time() < ends:
        if target == SHEET:
            assemble(script.split(NONCE, sheet_of(corpus, chance)))
        else:
            capture = chance.choice(own if chance.random() < 0.9 else corpus)
            text, stderr = mutated(capture.stdout, chance), capture.stderr
            wrong = fault(target, text, stderr, chance.choice((0, 1, 124, 137)))
            assert not wrong, f"{target}: {wrong}\nseed {seed}, text {tried}:\n{text!r}"
        tried += 1
    return tried


def main() -> None:
    """Run as a program: one target a processor at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=DEFAULT_S, help="processor time for each target")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("targets", nargs="*", metavar="TOOL", help=", ".join(TARGETS))
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    targets = options.targets or TARGETS
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(run, target, options.seconds, options.seed): target for target in targets}
        try:
            for one in as_completed(runs):
                sys.stdout.write(f"{runs[one]:<17} {one.result():>9,} wounded outputs, no fault\n")
                sys.stdout.flush()
        finally:
            pool.shutdown(cancel_futures=True)  # a fault is told without waiting for what has not begun
    sys.stdout.write(f"{options.seconds:g} s of processor time each, seed {options.seed}\n")


if __name__ == "__main__":
    main()

"""Fuzz every parser: ``python -m tests.fuzz [--seconds N] [--seed N] [TARGET ...]``.

The target of a tool's name gets damaged outputs; ``valid-NAME`` gets valid outputs behind prefixes, indented,
repeated, wrapped or cut at the end. A crash, a line lost, a wrong value, or a parser that takes too long ends
the run with the text that caused it.
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
from tests.fuzz.surround import surrounded, wrong_value
from tests.timesync.captures import Capture, captures

#: A parser that needs this long for one output would stall the daemon's loop.
SLOWEST_S = 1.0

#: The output of the status script, which holds all tools' outputs, is foreign text as well.
STATUS_OUTPUT = "status-output"

#: Begins the names of the targets with valid outputs.
VALID = "valid-"

TARGETS = (*PARSERS, STATUS_OUTPUT, *(f"{VALID}{tool}" for tool in PARSERS))

#: Default processor time for each target: a quarter of a million damaged outputs and more.
DEFAULT_S = 600.0

NONCE = "fuzz0815fuzz"


def fault(tool: str, text: str, stderr: str, status: int) -> str:
    """Return the fault of a parser, or nothing."""
    began = time.process_time()
    report = PARSERS[tool](text, stderr, status)
    took_s = time.process_time() - began
    if took_s > SLOWEST_S:
        return f"took {took_s:.1f} s"
    return accounted(report, text, stderr)


def block(name: str, stdout: str, stderr: str, status: int) -> str:
    """Return one tool's part of the status output."""
    return f"\n{NONCE} begin {name}\n{stdout}\n{NONCE} err\n{stderr}\n{NONCE} end {status}\n"


def status_output(corpus: Sequence[Capture], chance: random.Random) -> str:
    """Return a whole status output of damaged outputs, itself damaged now and then."""
    blocks = [block("facts", "uname Linux\nclock 1\nprocess 1 ntpd ntpd -g\n", "", 0)]
    blocks += [
        block(one.tool, mutated(one.stdout, chance), one.stderr, one.exit_status)
        for one in chance.sample(list(corpus), 4)
    ]
    text = "".join(blocks) + f"\n{NONCE} done\n"
    return mutated(text, chance) if chance.random() < 0.3 else text


def damaged(target: str, corpus: Sequence[Capture], chance: random.Random) -> str:
    """Try one damaged output of a tool, or of another now and then, and return the fault and the text."""
    own = [one for one in corpus if one.tool == target]
    capture = chance.choice(own if chance.random() < 0.9 else corpus)
    text = mutated(capture.stdout, chance)
    wrong = fault(target, text, capture.stderr, chance.choice((0, 1, 124, 137)))
    return wrong and f"{wrong}\n{text!r}"


def surrounded_validly(tool: str, corpus: Sequence[Capture], chance: random.Random) -> str:
    """Try one valid output as it is passed on, and return the fault and the text."""
    capture = chance.choice([one for one in corpus if one.tool == tool])
    passed_on, is_lossless = surrounded(capture.stdout, chance)
    wrong = fault(tool, passed_on.text, capture.stderr, capture.exit_status)
    if not wrong:
        report = PARSERS[tool](passed_on.text, capture.stderr, capture.exit_status)
        wrong = wrong_value(capture.parse(), report, is_lossless=is_lossless)
    return wrong and f"{capture.name} {passed_on.how}: {wrong}\n{passed_on.text!r}"


def run(target: str, seconds: float, seed: int) -> int:
    """Fuzz one target for this much processor time and return the number of texts tried.

    Raises AssertionError with the text that did harm.
    """
    chance = random.Random(f"{seed} {target}")
    corpus = list(captures())
    ends = time.process_time() + seconds
    tried = 0
    while time.process_time() < ends:
        wrong = ""
        if target == STATUS_OUTPUT:
            assemble(script.split(NONCE, status_output(corpus, chance)))
        elif target.startswith(VALID):
            wrong = surrounded_validly(target.removeprefix(VALID), corpus, chance)
        else:
            wrong = damaged(target, corpus, chance)
        assert not wrong, f"{target}: seed {seed}, text {tried}: {wrong}"
        tried += 1
    return tried


def main() -> None:
    """Run as a program: one target a processor at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=DEFAULT_S, help="processor time for each target")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"unknown target: {', '.join(sorted(unknown))}; targets are {', '.join(TARGETS)}")
    targets = options.targets or TARGETS
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = {pool.submit(run, target, options.seconds, options.seed): target for target in targets}
        try:
            for one in as_completed(runs):
                sys.stdout.write(f"{runs[one]:<23} {one.result():>9,} outputs, no fault\n")
                sys.stdout.flush()
        finally:
            pool.shutdown(
                cancel_futures=True
            )  # report a fault without waiting for the targets that have not begun
    sys.stdout.write(f"{options.seconds:g} s of processor time each, seed {options.seed}\n")


if __name__ == "__main__":
    main()

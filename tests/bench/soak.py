"""Two hours of trouble for one daemon, and whether anything of it grows: `make soak`.

Simulated nodes (``tests.bench.simulated``) drop connections and step their clocks all the time; the daemon is
reloaded and scraped. Memory, descriptors, threads and files are read twice a minute. The first three must
have no significant slope over the second half: a robust line through the readings, by Theil and Sen, that is
steeper than the limit and whose direction Kendall's test confirms at 99.9 %.

``python -m tests.bench.soak --minutes 10`` is a shorter one.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.bench.crowd import REPOSITORY, running, simulated
from tests.bench.scale import Daemon

NODES = 200
INTERVAL_S = 5
READ_EVERY_S = 30.0
RELOAD_EVERY_S = 300.0

#: Somewhere among the nodes a connection is lost, and a clock stepped, this often.
DROP_EVERY_S = 5
STEP_EVERY_S = 20

#: Growth that could matter in a month is more than this share an hour.
SHARE_AN_HOUR = 0.02

#: The normal deviate of 99.9 %, on both sides.
DEVIATE = 3.29

#: The journal keeps every event, and the record every minute, for days: these are printed, not judged.
UNLIMITED = frozenset({"journal", "record"})


class Slope(NamedTuple):
    """The change of one quantity in an hour, as a share of its median, and whether it is more than noise."""

    share: float
    is_significant: bool


def slope_of(at_s: Sequence[float], values: Sequence[float]) -> Slope:
    """Return the slope by Theil and Sen, and its significance by Kendall's test."""
    pairs = list(combinations(range(len(values)), 2))
    rises = [(values[j] - values[i]) / (at_s[j] - at_s[i]) for i, j in pairs]
    count = len(values)
    concordant = sum((rise > 0) - (rise < 0) for rise in rises)
    deviation = sqrt(count * (count - 1) * (2 * count + 5) / 18)
    share = median(rises) * 3600 / (median(values) or 1)
    return Slope(share, abs(concordant) > DEVIATE * deviation and share > SHARE_AN_HOUR)


def reading(daemon: Daemon, directory: Path) -> dict[str, float]:
    """Return what the daemon holds at present."""
    process = Path(f"/proc/{daemon.pid}")
    sizes = dict.fromkeys(("journal", "record"), 0)
    for path in directory.rglob("*"):
        if path.is_file():
            sizes["record" if "record" in path.relative_to(directory).as_posix() else "journal"] += (
                path.stat().st_size
            )
    return {
        "memory": daemon.resident_bytes(),
        "descriptors": len(list((process / "fd").iterdir())),
        "threads": len(list((process / "task").iterdir())),
        **sizes,
    }


def soak(minutes: float) -> bool:
    """Run, print each quantity's slope, and return whether none is significant."""
    readings: list[tuple[float, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        trouble = ("--drop-every", str(DROP_EVERY_S), "--step-every", str(STEP_EVERY_S))
        with (
            simulated(NODES, directory, trouble) as servers,
            running(servers, REPOSITORY, directory / "daemon", INTERVAL_S) as daemon,
        ):
            daemon.wait(lambda now: sum(now.get("skewmon_node_success", ())) >= NODES * 0.9, pause_s=2)
            began = time.monotonic()
            reloaded = began
            while (now := time.monotonic()) - began < minutes * 60:
                time.sleep(READ_EVERY_S)
                daemon.scrape()
                if now - reloaded > RELOAD_EVERY_S:
                    os.kill(daemon.pid, signal.SIGHUP)
                    reloaded = now
                readings.append((now - began, reading(daemon, directory / "daemon")))
            failures = sum(daemon.metrics().get("skewmon_node_failures_total", ()))
    half = readings[len(readings) // 2 :]
    print(f"{minutes:g} minutes, {NODES} nodes, {failures:.0f} failed measurements; second half:")
    is_flat = True
    for quantity in half[0][1]:
        values = [each[quantity] for _, each in half]
        slope = slope_of([at_s for at_s, _ in half], values)
        grows = slope.is_significant and quantity not in UNLIMITED
        is_flat = is_flat and not grows
        print(
            f"  {quantity:<12} median {median(values):>12,.0f}   {slope.share * 100:+7.2f} % an hour"
            f"{'   GROWS' if grows else ''}"
        )
    return is_flat


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak")
    parser.add_argument("--minutes", type=float, default=120)
    sys.exit(0 if soak(parser.parse_args().minutes) else 1)

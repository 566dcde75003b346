"""A synthetic record of hours, written without its minutes, and the memory that a report of it takes."""

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from skewmon.journal.record import rows
from skewmon.journal.record.seal import GENESIS, sealed
from skewmon.journal.record.store import RecordFile
from skewmon.model.record import HOUR_S, ClusterRow, EndRange, Line, LineTime, NodeRow, Period
from tests.journal.rounds import HOUR_S as RECENT_S

#: A year and more ago.
BEGIN_S = RECENT_S - 10_000 * HOUR_S

LINE = Line("skew", "warning", 50_000_000)

#: Runs a command of skewmon, and prints its peak memory to standard error.
MEASURED = """
import resource, sys
from skewmon.cli.main import run
code = run(sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def write(directory: Path, nodes: int, hours: int) -> None:
    """Write sealed hours of one cluster; every tenth node passes a line now and then."""
    file = RecordFile(directory)
    connection, before = file.connected(), GENESIS
    connection.execute("PRAGMA synchronous = OFF")
    for number in range(1, hours + 1):
        hour = _hour(number, nodes)
        with connection:
            rows.insert(connection, number, hour)
            link = sealed(number, hour, [], (hours + 1, 1), before)
            connection.execute(
                "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, hour.start_s, hours + 1, 1, link.minutes, link.hour, link.seal),
            )
        before = link.seal
    file.close()


def _hour(number: int, nodes: int) -> Period:
    lines = {LINE: LineTime(60_000, 30_000)}
    named = {
        f"n{node:04}": NodeRow(
            EndRange(node - 900, node - 700, node + 700, node + 900 + number), None, 240, 0, 0, 3_600_000, 0,
            ("chronyd: 192.0.2.1",), lines if node % 10 == 0 and number % 50 == 0 else {},
        )
        for node in range(nodes)
    }  # fmt: skip
    skew = EndRange(0, 900, 1_500, 2_000 + number)
    times = (3_600_000, 0, 0, 0, 0)
    cluster = ClusterRow(skew, 240, times, 0, ("digest",), (LINE,), (), {}, named)
    return Period(BEGIN_S + (number - 1) * HOUR_S, HOUR_S, {"prod": cluster})


def report_peak_mb(directory: Path, hours: int, form: str) -> tuple[float, float]:
    """Return the peak memory of a report of everything, and its size."""
    since, until = (datetime.fromtimestamp(BEGIN_S + h * HOUR_S, UTC).isoformat() for h in (0, hours))
    options = ["report", "--state-directory", str(directory), "--since", since, "--until", until, "-o", form]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *options], capture_output=True, check=True, timeout=3_000
    )
    found = re.search(rb"peak (\d+)", done.stderr)
    assert found, done.stderr
    return int(found[1]) / 1_000, len(done.stdout) / 1e6

"""A thousand nodes behind real SSH servers, and the daemon as it is shipped, looked at from outside."""

import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from prometheus_client.parser import text_string_to_metric_families

from skewmon.clock import pairs
from skewmon.culprit.decide import decide
from skewmon.model import Interval
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.bench.table import Row
from tests.fleet.node import PATH_DIRECTORIES, free_port, hides
from tests.fleet.processes import cpu_s, end_tree
from tests.fleet.sshd import Fleet, Login

NODES = 1000
INTERVAL_S = 10
ROUNDS = 5

#: Rounds before the figures: the first ones of a node have whole bursts, and learn its rate and usual width.
SETTLING_ROUNDS = 8

#: A thousand handshakes with servers that share two cores with the client.
CONNECT_TIMEOUT_S = 300.0

PAGE_BYTES = os.sysconf("SC_PAGESIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

Metrics = dict[str, list[float]]


class Daemon:
    """A running ``skewmon run``, read through its public interfaces only."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._process = process
        self._url = f"http://127.0.0.1:{port}/metrics"

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def scrape(self) -> bytes:
        with urllib.request.urlopen(self._url, timeout=30) as answer:
            return bytes(answer.read())

    def metrics(self) -> Metrics:
        """Return the values of every metric, in the order of its series."""
        values: Metrics = {}
        for family in text_string_to_metric_families(self.scrape().decode()):
            for sample in family.samples:
                values.setdefault(sample.name, []).append(sample.value)
        return values

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def wait(self, holds: Callable[[Metrics], bool], *, pause_s: float = 0.5) -> Metrics:
        """Return the metrics once they are as they should be."""
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while True:
            try:
                seen = self.metrics()
                if holds(seen):
                    return seen
            except OSError:  # not listening yet
                seen = {}
            assert self._process.poll() is None, "the daemon ended"
            assert time.monotonic() < deadline, {name: values[:3] for name, values in seen.items()}
            time.sleep(pause_s)

    def rounds(self, count: int, *, pause_s: float = 0.5) -> list[Metrics]:
        """Return the metrics of so many further rounds, one of each."""
        taken = [self.metrics()]
        while len(taken) <= count:
            before = taken[-1]["skewmon_rounds_total"]
            taken.append(self._after(before, pause_s))
        return taken[1:]

    def _after(self, rounds: list[float], pause_s: float) -> Metrics:
        return self.wait(lambda now: now["skewmon_rounds_total"] != rounds, pause_s=pause_s)


@contextmanager
def running(fleet: Fleet, directory: Path) -> Iterator[Daemon]:
    """Run the daemon on a fleet."""
    port = free_port("127.0.0.1")
    config = fleet.write_config(
        directory / "skewmon.yml",
        cluster={"interval": f"{INTERVAL_S}s", "status_interval": "1h"},
        web={"listen": f"127.0.0.1:{port}"},
        state_directory=str(directory),
    )
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "skewmon", "run", "--config.file", str(config), "--log.format", "logfmt"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Daemon(process, port)
    finally:
        end_tree(process)


def rows(nodes: int = NODES) -> list[Row]:
    """Measure and return the table."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        # A thousand Pythons would need six gigabytes; Perl answers as exactly and needs two thirds of it.
        login = Login(environment={"PATH": str(_without_python(directory / "bin"))})
        with Fleet(nodes, login=login) as fleet, running(fleet, directory) as daemon:
            return [*_connecting(fleet, daemon), *_steady(daemon, nodes)]


def _connecting(fleet: Fleet, daemon: Daemon) -> list[Row]:
    """Return how long the start takes, beside the least time in which the cores can do the servers' part."""
    servers, cores = [node.process_id for node in fleet], len(os.sched_getaffinity(0))
    began, spent_s = time.monotonic(), cpu_s(*servers)
    daemon.wait(lambda now: sum(now.get("skewmon_node_success", ())) == len(fleet), pause_s=1)
    connected_s, servers_s = time.monotonic() - began, cpu_s(*servers) - spent_s
    own_s, least_s = daemon.cpu_s(), servers_s / cores
    return [
        Row("all connected and measured after", f"{connected_s:.0f} s"),
        Row("CPU of the servers until then", f"{servers_s:.0f} s"),
        Row(f"that time ÷ CPU of the servers on {cores} cores", f"{connected_s / least_s:.2f}", "", "≤ 1.3"),
        Row("CPU of the daemon until then, per node", f"{own_s / len(fleet) * 1000:.1f} ms", "", "≤ 5 ms"),
    ]


def _steady(daemon: Daemon, nodes: int) -> list[Row]:
    daemon.rounds(SETTLING_ROUNDS, pause_s=INTERVAL_S / 4)
    before_s = daemon.cpu_s()
    calm = daemon.rounds(ROUNDS, pause_s=INTERVAL_S / 4)
    spent_s = (daemon.cpu_s() - before_s) / ROUNDS
    scraped = daemon.rounds(ROUNDS, pause_s=0)
    round_s = median(metrics["skewmon_round_duration_seconds"][0] for metrics in calm)
    scrape_s = median(_seconds(daemon.scrape) for _ in range(ROUNDS))
    return [
        Row("round, wall time", f"{round_s:.2f} s", "≤ 5 s", ""),
        Row("CPU of the daemon per node and round", f"{spent_s / nodes * 1000:.2f} ms"),
        Row("resident memory", f"{daemon.resident_bytes() / 2**20:.0f} MiB", "≤ 150 MiB"),
        Row("pairs, skew and culprits", f"{_evaluation_s() * 1000:.1f} ms", "≤ 50 ms"),
        Row("bound, median", f"±{_bound_s(calm) * 1e6:.1f} us"),
        Row("one scrape", f"{scrape_s * 1000:.0f} ms", "≤ 250 ms"),
        Row("bound under endless scrapes ÷ without any", f"{_bound_s(scraped) / _bound_s(calm):.2f}", "1"),
    ]


def _bound_s(rounds: list[Metrics]) -> float:
    """Return the median half-width of the offsets of all nodes in these rounds."""
    lower, upper = (
        [value for metrics in rounds for value in metrics[f"skewmon_node_offset_{end}_seconds"]]
        for end in ("lower", "upper")
    )
    return median(high - low for high, low in zip(upper, lower, strict=True)) / 2


def _evaluation_s() -> float:
    dice = random.Random(1)
    offsets = {
        f"n{number}": Interval.around(dice.randint(-(10**9), 10**9), dice.randint(10**4, 10**7))
        for number in range(NODES)
    }

    nodes = {name: NodeEvidence(name, None, offset, boot_id=name) for name, offset in offsets.items()}

    def evaluate() -> None:
        pairs.skew(offsets)
        pairs.worst_pairs(offsets, 100)
        decide(nodes, 50_000_000)

    return median(_seconds(evaluate) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _without_python(place: Path) -> Path:
    """Make one PATH for all nodes, without Python."""
    place.mkdir()
    found = {path.name: path for directory in PATH_DIRECTORIES for path in Path(directory).glob("*")}
    for name, program in found.items():
        if not hides("python3", name):
            (place / name).symlink_to(program)
    return place

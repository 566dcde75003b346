"""The daemon's cost against the number of nodes, with simulated servers; optionally beside another version.

``python -m tests.bench.crowd 300 1000 3000`` prints a table for each size. With ``--against DIRECTORY``, a
checkout of another version, both daemons measure the same servers at the same time: on a machine that does
other work, the ratios hold.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import yaml

from tests.bench import plots, table
from tests.bench.figures import Figures
from tests.bench.scale import SETTLING_ROUNDS, Daemon, Metrics
from tests.bench.table import Row, rendered
from tests.fleet.node import free_port
from tests.fleet.processes import end_tree

REPOSITORY = Path(__file__).resolve().parents[2]
SCALE_PAGE = REPOSITORY / "docs" / "scale.md"

#: Nodes of one server process: more would make the servers' share of a round the longer one.
NODES_A_PROCESS = 1000

#: Two daemons and the servers share two cores; each round then has ended well before the next begins. One
#: daemon measures 10,000 nodes every 15 s, the default interval.
NODES_A_SECOND = 333
LEAST_INTERVAL_S = 2

CONNECT_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """Servers that run, and how a client logs in to them."""

    addresses: Sequence[tuple[str, int]]
    identity: Path
    known_hosts: Path

    def write_config(self, directory: Path, listen: int, interval_s: int) -> Path:
        """Write the configuration of a daemon for all of them."""
        nodes = [
            {"name": f"n{number}", "address": address, "port": port}
            for number, (address, port) in enumerate(self.addresses, 1)
        ]
        ssh = {"user": "skewmon", "identity": str(self.identity), "known_hosts": str(self.known_hosts)}
        cluster = {"nodes": nodes, "interval": f"{interval_s}s", "status_interval": "1h"}
        path = directory / "skewmon.yml"
        whole = {
            "ssh": ssh,
            "clusters": {"crowd": cluster},
            "web": {"listen": f"127.0.0.1:{listen}"},
            "state_directory": str(directory),
        }
        path.write_text(yaml.safe_dump(whole))
        return path


@contextmanager
def simulated(count: int, directory: Path, options: Sequence[str] = ()) -> Iterator[Simulated]:
    """Run so many simulated nodes; ``options`` are those of ``tests.bench.simulated``."""
    identity, known_hosts = directory / "id_ed25519", directory / "known_hosts"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(identity)], check=True)
    addresses: list[tuple[str, int]] = []
    with ExitStack() as stack, known_hosts.open("w") as known:
        for begin in range(0, count, NODES_A_PROCESS):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.simulated", f"{identity}.pub", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=REPOSITORY,
            )
            stack.callback(end_tree, process)
            assert process.stdout is not None
            port, host_key = process.stdout.readline().decode().split(maxsplit=1)
            for number in range(begin, min(count, begin + NODES_A_PROCESS)):
                address = f"127.1.{number // 250}.{number % 250 + 1}"
                addresses.append((address, int(port)))
                known.write(f"[{address}]:{port} {host_key}")
        known.flush()
        yield Simulated(addresses, identity, known_hosts)


@contextmanager
def running(
    servers: Simulated, source: Path, directory: Path, interval_s: int, profile: str = ""
) -> Iterator[Daemon]:
    """Run the daemon of a checkout; ``profile`` is the file for the profile of cProfile."""
    directory.mkdir()
    port = free_port("127.0.0.1")
    config = servers.write_config(directory, port, interval_s)
    profiler = ["-m", "cProfile", "-o", profile] if profile else []
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *profiler, "-m", "skewmon", "run", "--config.file", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=source,
        )
    try:
        yield Daemon(process, port)
    finally:
        process.terminate()
        process.wait(60)


def measured(daemons: Sequence[Daemon], nodes: int, rounds: int, interval_s: int) -> list[Figures]:
    """Return the figures of daemons that run beside each other."""
    figures = [Figures() for _ in daemons]
    began, left = time.monotonic(), set(range(len(daemons)))
    while left:
        time.sleep(1)
        assert time.monotonic() - began < CONNECT_TIMEOUT_S, "not all nodes are measured"
        for index in sorted(left):
            if _is_complete(daemons[index], nodes):
                figures[index].connect_s = time.monotonic() - began
                figures[index].connect_cpu_s = daemons[index].cpu_s()
                left.discard(index)
    time.sleep(interval_s * SETTLING_ROUNDS)
    before = [daemon.metrics() for daemon in daemons]
    spent = [daemon.cpu_s() for daemon in daemons]
    resident = [daemon.resident_bytes() for daemon in daemons]
    time.sleep(rounds * interval_s)
    spent = [daemon.cpu_s() - one for daemon, one in zip(daemons, spent, strict=True)]
    for one, daemon, earlier, cpu_s, held in zip(figures, daemons, before, spent, resident, strict=True):
        one.resident_bytes = daemon.resident_bytes()
        after = daemon.metrics()
        count = _first(after, "skewmon_rounds_total") - _first(earlier, "skewmon_rounds_total")
        one.cpu_s, one.growth_bytes = cpu_s / count, (one.resident_bytes - held) / count
        one.round_s, one.bound_s = _first(after, "skewmon_round_duration_seconds"), _bound_s(after)
    return figures


def _first(metrics: Metrics, name: str) -> float:
    return metrics[name][0]


def _bound_s(metrics: Metrics) -> float:
    ends = (metrics[f"skewmon_node_offset_{end}_seconds"] for end in ("lower", "upper"))
    return median(high - low for low, high in zip(*ends, strict=True)) / 2


def _is_complete(daemon: Daemon, nodes: int) -> bool:
    try:
        return sum(daemon.metrics().get("skewmon_node_success", ())) == nodes
    except OSError:  # not listening yet
        return False


def rows(figures: Sequence[Figures], nodes: int) -> list[Row]:
    """Return the table of one size: the figures, and in the next column those of the other version."""

    def row(name: str, text: str, values: Sequence[float]) -> Row:
        words = [text.format(value) for value in values]
        ratio = f"{values[0] / values[1]:.2f}" if len(values) > 1 and values[1] else ""
        return Row(name, words[0], *words[1:2], *([ratio] if ratio else []))

    def each(name: str, scale: float = 1) -> list[float]:
        return [getattr(one, name) * scale for one in figures]

    return [
        row("all measured after", "{:.0f} s", each("connect_s")),
        row("CPU until then, per node", "{:.2f} ms", each("connect_cpu_s", 1000 / nodes)),
        row("round, wall time", "{:.2f} s", each("round_s")),
        row("CPU per node and round", "{:.3f} ms", each("cpu_s", 1000 / nodes)),
        row("bound, median", "±{:.1f} us", each("bound_s", 1e6)),
        row("resident memory", "{:.1f} MiB", each("resident_bytes", 1 / 2**20)),
        row("its growth in a round", "{:.0f} KiB", each("growth_bytes", 1 / 2**10)),
    ]


def main() -> None:
    """Print the figures of each size."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.crowd")
    parser.add_argument("nodes", type=int, nargs="*", default=[300])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--against", type=Path, help="a checkout of another version")
    parser.add_argument("--write", action="store_true", help="put table and plots into docs/scale.md")
    parser.add_argument("--profile", default="", help="a file for the profile of the daemon")
    options = parser.parse_args()
    if options.write and not find_spec("matplotlib"):
        parser.error("--write draws with matplotlib: pip install --group bench, or run make scale")
    found: dict[int, Figures] = {}
    for nodes in options.nodes:
        sources = [REPOSITORY, *([options.against] if options.against else [])]
        interval_s = max(LEAST_INTERVAL_S, nodes * len(sources) // (2 * NODES_A_SECOND))
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            directory = Path(name)
            servers = stack.enter_context(simulated(nodes, directory))
            daemons = [
                stack.enter_context(
                    running(servers, source, directory / f"daemon{index}", interval_s, options.profile)
                )
                for index, source in enumerate(sources)
            ]
            figures = measured(daemons, nodes, options.rounds, interval_s)
        found[nodes] = figures[0]
        print(
            rendered(f"{nodes:,} simulated nodes, load {os.getloadavg()[0]:.1f}", rows(figures, nodes)),
            flush=True,
        )

    if options.write:
        plots.draw(found)
        picture = "![Processor time, memory, bound and round against the number of nodes](pictures/scale.png)"
        rounds = f"{options.rounds} rounds each, after {SETTLING_ROUNDS} to settle:"
        text = "\n".join([table.machine(), "", rounds, "", *plots.lines(found), "", picture, ""])
        table.write(text, SCALE_PAGE)


if __name__ == "__main__":
    main()

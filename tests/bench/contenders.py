"""Today's practice: run ``date`` on the node and compare, with a connection for every sample."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import asyncssh

from tests.fleet.clocks import base_ns
from tests.fleet.sshd import Fleet, FleetNode

NS_PER_S = 1_000_000_000

COMMAND = "date +%s.%N"


@dataclass(frozen=True, slots=True)
class Sample:
    """The node's output, and the base before the request and after the reply."""

    before_ns: int
    reading_ns: int
    after_ns: int

    def error_ns(self, node: FleetNode) -> int:
        """Return the error of the offset when the reading is taken to be of the middle, the kindest way."""
        middle = (self.before_ns + self.after_ns) // 2
        return abs(self.reading_ns - middle - node.clock.truth_offset_at(middle))


@dataclass(frozen=True, slots=True)
class Result:
    """A contender's typical error, and the processor time of one sample on the client."""

    error_ns: float
    cpu_s: float


def in_ns(text: str) -> int:
    """Turn the output of ``date +%s.%N`` into nanoseconds."""
    seconds, _, decimals = text.strip().partition(".")
    return int(seconds) * NS_PER_S + int(decimals)


def openssh(fleet: Fleet, node: FleetNode, samples: int) -> Result:
    """Run ``ssh host date`` for every sample."""
    config = fleet.write_ssh_config(fleet.identity.with_name("ssh_config"))
    command = ["ssh", "-F", str(config), "-o", "BatchMode=yes", node.name, COMMAND]

    def sample() -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return _measured(node, samples, sample, children=True)


def _measured(node: FleetNode, samples: int, sample: Callable[[], str], *, children: bool = False) -> Result:
    taken, began = [], _cpu_s(children=children)
    for _ in range(samples):
        before = base_ns()
        text = sample()
        taken.append(Sample(before, in_ns(text), base_ns()))
    cpu_s = (_cpu_s(children=children) - began) / samples
    return Result(median(one.error_ns(node) for one in taken), cpu_s)


def _cpu_s(*, children: bool) -> float:
    times = os.times()
    own = times.user + times.system
    return own + times.children_user + times.children_system if children else time.process_time()


async def connect_each_time(fleet: Fleet, node: FleetNode, samples: int) -> Result:
    """Connect with asyncssh for every sample, with keys and known hosts loaded once."""
    known_hosts = asyncssh.read_known_hosts(str(fleet.known_hosts))

    async def one() -> Sample:
        before = base_ns()
        async with asyncssh.connect(
            node.address,
            node.port,
            username=fleet.user,
            client_keys=[fleet.client_key],
            known_hosts=known_hosts,
            config=None,
            agent_path=None,
        ) as connection:
            done = await connection.run(COMMAND, check=True)
            return Sample(before, in_ns(str(done.stdout)), base_ns())

    began = time.process_time()
    taken = [await one() for _ in range(samples)]
    cpu_s = (time.process_time() - began) / samples
    return Result(median(sample.error_ns(node) for sample in taken), cpu_s)


def pssh(fleet: Fleet, samples: int) -> Result:
    """Run the pssh package's ``parallel-ssh``, which starts one ssh for every node."""
    config = fleet.write_ssh_config(fleet.identity.with_name("ssh_config"))
    output = fleet.identity.with_name("pssh")
    hosts = [argument for node in fleet for argument in ("-H", node.name)]
    options = ["-p", "50", "-t", "60", "-x", f"-F {config}", "-o", str(output)]
    command = ["parallel-ssh", *options, *hosts, COMMAND]
    errors, began = [], _cpu_s(children=True)
    for _ in range(samples):
        before = base_ns()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = base_ns()
        errors += [
            Sample(before, in_ns((output / node.name).read_text()), after).error_ns(node) for node in fleet
        ]
    cpu_s = (_cpu_s(children=True) - began) / samples / len(fleet)
    return Result(median(errors), cpu_s)


async def parallel_ssh(fleet: Fleet, samples: int) -> Result:
    """Let parallel-ssh ask all nodes at once, round after round, with new connections for each round."""
    request = {
        "hosts": [[node.address, node.port] for node in fleet],
        "user": fleet.user,
        "identity": str(fleet.identity),
        "rounds": samples,
        "command": COMMAND,
    }
    program = Path(__file__).with_name("parallel_ssh.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(json.dumps(request).encode())
    answer = json.loads(output)
    errors = [
        Sample(before, in_ns(text), after).error_ns(node)
        for before, texts, after in answer["rounds"]
        for node, text in zip(fleet, texts, strict=True)
    ]
    return Result(median(errors), answer["cpu_s"] / samples / len(fleet))

"""The parallel-ssh contender, in a process of its own because gevent wants the interpreter to itself."""

import json
import sys
import time

from pssh.clients import ParallelSSHClient
from pssh.config import HostConfig

NS_PER_S = 1_000_000_000


def base_ns() -> int:
    """Read the base."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def main() -> None:
    """Run the rounds requested on standard input and print the results."""
    request = json.load(sys.stdin)
    hosts = [host for host, _ in request["hosts"]]
    configs = [
        HostConfig(port=port, user=request["user"], private_key=request["identity"])
        for _, port in request["hosts"]
    ]
    rounds = []
    began = time.process_time()
    for _ in range(request["rounds"]):
        before = base_ns()
        client = ParallelSSHClient(hosts, host_config=configs, pool_size=50)
        outputs = client.run_command(request["command"])
        client.join(outputs)
        texts = ["".join(output.stdout) for output in outputs]
        rounds.append((before, texts, base_ns()))
    json.dump({"rounds": rounds, "cpu_s": time.process_time() - began}, sys.stdout)


if __name__ == "__main__":
    main()

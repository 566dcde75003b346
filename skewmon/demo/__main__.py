"""``python -m skewmon.demo``: the simulated nodes alone, for load tests and for ``skewmon demo``.

Prints one line of JSON once every node listens: ``{"config": PATH, "nodes": [{"name": …, "story": …}, …]}``.
Ends on SIGTERM and Ctrl-C; with ``--until-eof`` also when standard input ends, so that nothing keeps
running if the parent is killed.
"""

import argparse
import asyncio
import json
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from skewmon.demo.bastion import Bastion
from skewmon.demo.clock import ClockOrigin
from skewmon.demo.nodes import simulated_nodes, site_nodes
from skewmon.demo.server import Servers
from skewmon.demo.workdir import make_identity, write_config

DEFAULT_NODES = 7

#: Two descriptors a node, and some room, fit into the hard limit of common systems (4,096 and more).
MAX_NODES = 1_000


async def serve(nodes: int, directory: Path, listen: str, *, until_eof: bool, with_site: bool) -> None:
    """Run the nodes until a signal or end of input; the directory has the configuration meanwhile."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if until_eof:
        loop.add_reader(sys.stdin.fileno(), ended.set)  # nothing is ever written there: readable means closed
    servers = Servers(make_identity(directory))
    origin = ClockOrigin.now()
    listening = await servers.start(simulated_nodes(nodes, origin))
    site = await servers.start_site(site_nodes(origin), Bastion) if with_site else None
    config = write_config(directory, listening, listen, site)
    everyone = (*listening, *(site.nodes if site else ()))
    stories = [{"name": one.simulated.name, "story": one.simulated.story} for one in everyone]
    print(json.dumps({"config": str(config), "nodes": stories}), flush=True)  # noqa: T201  # the contract
    await ended.wait()
    await servers.close()


def main(arguments: list[str] | None = None) -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(prog="skewmon.demo", description="Simulated nodes behind SSH servers.")
    parser.add_argument("--nodes", type=int, default=DEFAULT_NODES, metavar="N")
    parser.add_argument("--directory", type=Path, help="an existing one; emptied and removed at the end")
    parser.add_argument("--listen", default="127.0.0.1:10061", help="listen address in the configuration")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    parser.add_argument("--site", action="store_true", help="also a second site, behind a slow bastion")
    options = parser.parse_args(arguments)
    if not 1 <= options.nodes <= MAX_NODES:
        parser.error(f"--nodes: expected 1 to {MAX_NODES}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    directory = options.directory or Path(tempfile.mkdtemp(prefix="skewmon-demo-"))
    try:
        asyncio.run(
            serve(
                options.nodes, directory, options.listen, until_eof=options.until_eof, with_site=options.site
            )
        )
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

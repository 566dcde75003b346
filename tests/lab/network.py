"""The lab's own network: guests, skewmon and the test itself live there; it ends with all that runs in it."""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.integration.container import namespaces

ADMIN_ADDRESS = "10.77.0.1"

CLONE_NEWNET = 0x40000000


def guest_address(number: int) -> str:
    """Return the address of the guest with this number."""
    return f"10.77.0.{10 + number}"


@contextlib.contextmanager
def network(guests: int) -> Iterator[int]:
    """Make a bridge with a tap for each guest and move this thread there; yield the id of a process inside.

    The processes of the lab have a namespace of their own as well: processes of its guests end with it.
    """
    words = ["link add lab type bridge", f"addr add {ADMIN_ADDRESS}/24 dev lab", "link set lab up"]
    for number in range(1, guests + 1):
        words += [f"tuntap add tap{number} mode tap", f"link set tap{number} master lab up"]
    setup = "; ".join(f"ip {line}" for line in words)
    with namespaces("--net", "--mount", "--pid", "--mount-proc", setup=setup) as pid, _entered(pid):
        yield pid


@contextlib.contextmanager
def _entered(pid: int) -> Iterator[None]:
    """Let this thread, and all that it starts, use the network of another process."""
    own, other = Path("/proc/thread-self/ns/net"), Path(f"/proc/{pid}/ns/net")
    with own.open() as outside, other.open() as inside:
        _set_network(inside.fileno())
        try:
            yield
        finally:
            _set_network(outside.fileno())


def _set_network(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def inside(pid: int, *command: str) -> list[str]:
    """Return the command line that runs a command among the lab's processes."""
    return ["nsenter", "-t", str(pid), "-n", "-m", "-p", "--", *command]


def child_of(process: subprocess.Popen[bytes]) -> int:
    """Return the id of the one child of a process, which it starts at once."""
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while True:
        assert process.poll() is None, process.args
        if children := path.read_text().split():
            return int(children[0])
        os.sched_yield()

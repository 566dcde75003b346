"""Finding and ending the processes of a test by their ids, and no others."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: A killed process is gone within milliseconds; a machine under load may take a little longer.
END_TIMEOUT_S = 10.0

#: Executing a program takes a millisecond, or until the scheduler comes back to it.
EXECUTE_TIMEOUT_S = 10.0


TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def with_mark(mark: str) -> list[int]:
    """Return the ids of the living processes whose initial environment has FLEET_MARK=mark."""
    entry = f"FLEET_MARK={mark}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or another user's
            if entry in _environment(process).split(b"\0"):
                found.append(int(process.name))
    return found


def _environment(process: Path) -> bytes:
    """Return a process's initial environment, also of one that is just executing its program.

    Until the kernel has laid out the new program, its arguments and its environment both read as empty. A
    kernel thread and a zombie have neither, nor a program: for them, as for one that is gone, OSError.
    """
    deadline = time.monotonic() + EXECUTE_TIMEOUT_S
    while not (text := (process / "environ").read_bytes()):
        (process / "exe").readlink()
        if (process / "cmdline").read_bytes():
            return (process / "environ").read_bytes()
        assert time.monotonic() < deadline, f"{process} does not start its program"
        time.sleep(0)
    return text


def descendants(*ancestors: int) -> list[int]:
    """Return the ids of the children of these processes, of their children, and so on."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(_stat(path)[1]), []).append(int(path.parent.name))
    found = [*ancestors]
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, ()))
    return found[len(ancestors) :]


def _stat(path: Path) -> list[str]:
    """Return the fields from the state on; the name before may hold spaces and parentheses itself."""
    return path.read_text().rpartition(")")[2].split()


def cpu_s(*ancestors: int) -> float:
    """Return the processor time of processes and of their descendants, those that ended among them.

    The time of ended ones is rounded down, by up to two ticks for each process that waited for them.
    """
    total_s = 0.0
    for pid in (*ancestors, *descendants(*ancestors)):
        with suppress(OSError):
            ended = sum(map(int, _stat(Path(f"/proc/{pid}/stat"))[13:15])) / TICKS_PER_S
            total_s += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9 + ended
    return total_s


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to every process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def state_of(pid: int) -> str:
    """Return the state letter of a process, X for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def stop(listing: Callable[[], list[int]]) -> None:
    """Stop all that ``listing`` returns, also what it returns later because it was started meanwhile."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while running := [pid for pid in listing() if state_of(pid) not in "TtZX"]:
        send(running, signal.SIGSTOP)
        assert time.monotonic() < deadline, f"processes {running} do not stop"
        time.sleep(0.001)


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a child with all its descendants, and reap it; it is stopped first so that it has no more."""
    send([process.pid], signal.SIGSTOP)
    killed = [*descendants(process.pid), process.pid]
    send(killed, signal.SIGKILL)
    process.wait(END_TIMEOUT_S)
    deadline = time.monotonic() + END_TIMEOUT_S
    while left := [pid for pid in killed if state_of(pid) not in "ZX"]:
        assert time.monotonic() < deadline, f"processes {left} do not end"
        time.sleep(0.001)


def end_marked(mark: str) -> None:
    """Kill every process that carries the mark and wait until none is left."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while left := with_mark(mark):
        send(left, signal.SIGKILL)
        assert time.monotonic() < deadline, f"processes {left} do not end"
        time.sleep(0.005)

"""A daemon for which no name server answers, under the limit of tasks that its unit sets."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

#: TasksMax= of the unit.
TASKS_MAX = 256

#: Hierarchies for cgroups with a limit of tasks: version 1, then version 2.
HIERARCHIES = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))

#: Enters the cgroup and a mount namespace, replaces the files of name resolution, and becomes the daemon.
PROGRAM = """\
import os, sys
os.execvp("unshare", ["unshare", "--mount", "sh", "-ec", {script!r}, "sh",
                      sys.executable, "-m", "skewmon", *sys.argv[1:]])
"""


@contextmanager
def silent_name_server(address: str) -> Iterator[None]:
    """Take every question at this address, and answer none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        yield


@contextmanager
def limited_tasks() -> Iterator[Path | None]:
    """Yield a cgroup of at most TASKS_MAX tasks, or None if this machine lets none be made."""
    group = next(filter(None, map(_limited, HIERARCHIES)), None)
    try:
        yield group
    finally:
        if group:
            group.rmdir()


def _limited(hierarchy: Path) -> Path | None:
    """Return a new cgroup of this hierarchy, or None if it counts no tasks or is not ours to change."""
    group = hierarchy / f"skewmon-test-{os.getpid()}"
    with suppress(OSError):
        group.mkdir()
        with suppress(OSError):
            (group / "pids.max").write_text(str(TASKS_MAX))
            return group
        group.rmdir()
    return None


def program(directory: Path, name_server: str, hosts: Mapping[str, str], group: Path | None) -> list[str]:
    """Return how Python starts skewmon with one name server and these lines of /etc/hosts."""
    files = {
        "resolv.conf": f"nameserver {name_server}\n",
        "hosts": "".join(f"{address} {name}\n" for name, address in hosts.items()),
        "nsswitch.conf": "passwd: files\nhosts: files dns\n",
    }
    script = [f"echo $$ >{group}/cgroup.procs"] if group else []
    for name, text in files.items():
        (directory / name).write_text(text)
        script.append(f"mount --bind {directory / name} /etc/{name}")
    return ["-c", PROGRAM.format(script="; ".join([*script, 'exec "$@"']))]

"""Real NTP servers with known clocks in a network namespace of their own, behind a relay of known delays."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from pathlib import Path

from tests.fleet.bullseye import ROOT as BULLSEYE
from tests.fleet.clocks import KnownClock, Segment, build, in_e12, kernel_now
from tests.integration.container import (
    MOUNTS,
    NEW_ROOT,
    POWERLESS,
    UPSTREAM,
    namespaces,
    package_environment,
    proc_of,
)

RELAY = Path(__file__).parents[1] / "fleet" / "udp_relay.py"

#: The machine's base runs away from UTC by so much in these tests.
BASE_OFF_PPM = 80

NTP_PORT = 123


#: Numbers of the servers that this process starts on the loopback; at most so many can run at once.
_NUMBERS = count()
NEAR_AT_ONCE = 64


def _own_place() -> tuple[str, int]:
    """Return an address and port of the loopback that no other process of the tests gives to a server.

    chronyd shares its port with any other that asks for it, so one that is taken would not be noticed. A
    process number has at most 22 bits: 16 of them are in the address, the others in the port.
    """
    pid = os.getpid()
    number = next(_NUMBERS) % NEAR_AT_ONCE
    return f"127.{64 + number}.{pid >> 8 & 255}.{pid & 255}", 11_123 + (pid >> 16)


class TimeServers:
    """Servers that are started one by one, and the line of true UTC over the base."""

    def __init__(self, directory: Path, outside: int, stack: ExitStack) -> None:
        self.directory = directory
        self._outside = outside
        self._stack = stack
        self.true: Segment = replace(kernel_now(), drift_e12=in_e12(BASE_OFF_PPM))
        self.clocks: dict[str, KnownClock] = {}
        self._relayed = 0

    def utc_ns(self, base: int) -> int:
        """Return true UTC at an instant of the base."""
        return self.true.at(base)[0]

    def chronyd(self, name: str, *, ahead_ns: int = 0, lines: str = "local stratum 1") -> str:
        """Start a chronyd that serves its own clock; return its address."""
        address = self._address()
        config = self._file(
            f"{name}.conf",
            f"{lines}\nallow\nbindaddress {address}\ncmdport 0\nbindcmdaddress /\n"
            f"pidfile {self.directory}/{name}.pid\nuser root\n",
        )
        self._start(name, ahead_ns, "chrony", "chronyd", "-4", "-x", "-d", "-f", config)
        return address

    def near(self, name: str, *, ahead_ns: int = 0, lines: str = "local stratum 5") -> tuple[str, int]:
        """Start a chronyd on this machine's loopback; return its address and port."""
        address, port = _own_place()
        config = self._file(
            f"{name}.conf",
            f"{lines}\nallow\nport {port}\nbindaddress {address}\ncmdport 0\nbindcmdaddress /\n"
            f"pidfile {self.directory}/{name}.pid\nuser root\n",
        )
        self._start(name, ahead_ns, "chrony", "chronyd", "-4", "-x", "-d", "-f", config, inside=0)
        return address, port

    def ntpsec(self, name: str, *, ahead_ns: int = 0) -> str:
        """Start an NTPsec that follows a server with the right time; return its address."""
        upstream = self.upstream(f"{name}-upstream")
        pid, address = self._room()
        config = self._file(
            f"{name}.conf",
            f"server {upstream} iburst minpoll 3 maxpoll 3\nrestrict default\ntinker step 0\n"
            "limit average 10000 burst 10000\n"  # a client a second is the default
            f"driftfile {self.directory}/{name}.drift\n",
        )
        pid_file = str(self.directory / f"{name}.pid")
        command = ("ntpd", "-n", "-g", "-c", config, "-p", pid_file)
        self._start(name, ahead_ns, "ntpsec", *command, inside=pid)
        return address

    def ntpd(self, name: str, *, ahead_ns: int = 0) -> str:
        """Start ntp.org's 4.2.8p15 that follows a server with the right time; return its address."""
        upstream, temporary = self.upstream(f"{name}-upstream"), tempfile.gettempdir()
        shared = f"mkdir -p {NEW_ROOT}{temporary}; mount --bind {temporary} {NEW_ROOT}{temporary}"
        pid, address = self._room("--mount", setup=f"{proc_of(BULLSEYE)}; {shared}")
        config = self._file(
            f"{name}.conf",
            f"server {upstream} iburst minpoll 3 maxpoll 3\nrestrict default\ntinker step 0\n"
            f"driftfile {self.directory}/{name}.drift\n",
        )
        command = ("chroot", str(NEW_ROOT), "ntpd", "-n", "-4", "-g", "-c", config)
        self._start(name, ahead_ns, "ntpd", *command, inside=pid)
        return address

    def openntpd(self, name: str, *, ahead_ns: int = 0) -> str:
        """Start an OpenNTPD that follows a server with the right time; return its address."""
        upstreams = [self.upstream(f"{name}-upstream-{number}") for number in range(3)]
        made = "mkdir -p -m 755 /var/lib/openntpd/run /var/lib/openntpd/db /run/openntpd"
        pid, address = self._room("--mount", setup=f"{MOUNTS}; {made}")
        servers = "".join(f"server {upstream}\n" for upstream in upstreams)
        config = self._file(f"{name}.conf", f"listen on {address}\n{servers}")
        self._start(name, ahead_ns, "openntpd", "ntpd", "-d", "-v", "-f", config, inside=pid)
        return address

    def upstream(self, name: str) -> str:
        """Start a stratum 1 server of Python with the right time; return its address."""
        address = self._address()
        self._start(name, 0, "chrony", sys.executable, str(UPSTREAM), f"{address}:0:1")
        return address

    def relayed(self, *addresses: str, delay_max_s: float = 0.0) -> list[tuple[str, int]]:
        """Return places on this machine's loopback from which a relay leads to these servers."""
        places, words = [], []
        for address in addresses:
            listening = self._stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            self._relayed += 1
            listening.bind((f"127.0.5.{self._relayed}", 0))
            listening.set_inheritable(True)
            places.append(listening.getsockname())
            words.append(f"{listening.fileno()}={address}:{NTP_PORT}")
        descriptors = [int(word.partition("=")[0]) for word in words]
        relay = subprocess.Popen(
            [*self._inside(), sys.executable, str(RELAY), str(delay_max_s), *words],
            stdout=subprocess.PIPE,
            pass_fds=descriptors,
        )
        self._end_with(relay)
        assert relay.stdout is not None
        assert relay.stdout.readline() == b"ready\n"
        return places

    def log(self, name: str) -> str:
        """Return the log of a server."""
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def _address(self) -> str:
        """Return a new address of the servers' common network."""
        address = f"10.79.0.{len(self.clocks) + 1}"
        self._ip(self._outside, f"addr add {address}/32 dev lo")
        return address

    def _room(self, *flags: str, setup: str = ":") -> tuple[int, str]:
        """Open a network for a server that wants port 123 of all addresses; return a process and one."""
        number = len(self.clocks) + 1
        pid = self._stack.enter_context(namespaces("--net", *flags, setup=setup))
        near, far = f"10.79.{number}.1", f"10.79.{number}.254"
        self._ip(pid, f"link add near type veth peer name far{number} netns {self._outside}")
        self._ip(pid, f"addr add {near}/24 dev near")
        self._ip(pid, "link set near up")
        self._ip(self._outside, f"addr add {far}/24 dev far{number}")
        self._ip(self._outside, f"link set far{number} up")
        self._ip(pid, f"route add 10.79.0.0/24 via {far}")
        return pid, near

    @staticmethod
    def _ip(pid: int, words: str) -> None:
        subprocess.run(["nsenter", "-t", str(pid), "-n", "ip", *words.split()], check=True)

    def _file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def _inside(self, pid: int | None = None) -> list[str]:
        if pid == 0:
            return []
        return ["nsenter", "-t", str(self._outside if pid is None else pid), "-n", *(["-m"] if pid else [])]

    def _start(
        self, name: str, ahead_ns: int, package: str, *command: str, inside: int | None = None
    ) -> None:
        """Start a server that sees its own clock, and may not touch the machine's."""
        path = self.directory / f"{name}.clock"
        clock = self._stack.enter_context(KnownClock(path, self.true, offset_ns=ahead_ns))
        self.clocks[name] = clock
        own = clock.environment()
        if package == "chrony":
            own["LD_PRELOAD"] += f":{build('unstamped', 'unstamped.c')}"
        else:  # NTPsec and OpenNTPD end without kernel stamps, which the shim shifts for their recvmsg
            clock.shift_kernel_stamps(on=True)
        if package == "openntpd":
            own["LD_PRELOAD"] += f":{build('unsteered', 'unsteered.c')}"
        with (self.directory / f"{name}.log").open("wb") as log:
            server = subprocess.Popen(
                [*self._inside(inside), *POWERLESS, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**package_environment(package), **own},
            )
        self._end_with(server)

    def _end_with(self, process: "subprocess.Popen[bytes]") -> None:
        def end() -> None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

        self._stack.callback(end)


@contextlib.contextmanager
def time_servers(directory: Path) -> Iterator[TimeServers]:
    """Open a network of time servers; they end with the block."""
    with ExitStack() as stack:
        outside = stack.enter_context(namespaces("--net", setup=":"))
        yield TimeServers(directory, outside, stack)

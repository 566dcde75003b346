"""The truth of a known clock is exact, for every program that a login shell may use."""

import subprocess
import sys
import threading
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.fleet.clocks import CLOCK_NAMES, KnownClock, Segment, base_ns, in_e12, kernel_now

NS_PER_S = 1_000_000_000

BOOT_ID = "/proc/sys/kernel/random/boot_id"

#: time() returns the clock at the last tick; the slowest kernel has 100 ticks a second.
TICK_NS = 10_000_000

#: How each program prints REALTIME, and how coarsely.
READERS = [
    pytest.param(["python3", "-c", "import time; print(time.time_ns())"], 1, id="python3"),
    pytest.param(
        ["perl", "-MTime::HiRes=clock_gettime", "-e", "printf '%.6f', clock_gettime(0)"], 1000, id="perl"
    ),
    pytest.param(
        ["perl", "-e", 'syscall 228, 0, $t = pack "qq"; printf "%d.%09d", unpack "qq", $t'],
        1,
        id="perl-syscall",
    ),
    pytest.param(["bash", "-c", "echo $EPOCHREALTIME"], 1000, id="bash"),
    pytest.param(["date", "+%s.%N"], 1, id="date"),
    pytest.param(["dash", "-c", "date +%s.%N"], 1, id="dash"),
    pytest.param(["zsh", "-c", "zmodload zsh/datetime; printf '%d.%09d' $epochtime"], 1, id="zsh"),
    pytest.param(["fish", "-c", "date +%s.%N"], 1, id="fish"),
    pytest.param(["tcsh", "-f", "-c", "date +%s.%N"], 1, id="tcsh"),
    pytest.param(["busybox", "date", "+%s"], NS_PER_S, id="busybox"),
]

#: One line of readings in the order of CLOCK_NAMES, for every line that comes in.
FOUR_CLOCKS = """
import sys, time
from time import clock_gettime_ns as read
while sys.stdin.readline():
    print(read(time.CLOCK_REALTIME), read(time.CLOCK_MONOTONIC),
          read(time.CLOCK_MONOTONIC_RAW), read(time.CLOCK_BOOTTIME), flush=True)
"""


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[KnownClock]:
    """Return a clock 70 s ahead of this machine's, on a node that has been up eleven days longer."""
    with KnownClock(tmp_path / "clock", offset_ns=70 * NS_PER_S, uptime_ns=10**6 * NS_PER_S) as one:
        yield one


class Reader:
    """A process that lives by the clock and reads it on request."""

    def __init__(self, clock: KnownClock) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-ISuc", FOUR_CLOCKS],
            env=clock.environment(),
            stdin=PIPE,
            stdout=PIPE,
            bufsize=0,
        )
        self.read()  # it is up now

    def read(self) -> tuple[int, list[int], int]:
        """Return the base before, the four clocks, and the base after."""
        assert self._process.stdin
        assert self._process.stdout
        before = base_ns()
        self._process.stdin.write(b"\n")
        line = self._process.stdout.readline()
        return before, [int(word) for word in line.split()], base_ns()

    def close(self) -> None:
        self._process.communicate(timeout=10)


@pytest.fixture
def reader(clock: KnownClock) -> Iterator[Reader]:
    """Return a process that reads the clock on request."""
    one = Reader(clock)
    yield one
    one.close()


def in_ns(text: str) -> int:
    """Turn seconds with any number of decimals, or nanoseconds, into nanoseconds."""
    whole, _, decimals = text.strip().partition(".")
    return int(whole) if len(whole) > 15 else int(whole) * NS_PER_S + int(decimals.ljust(9, "0") or 0)


@pytest.mark.parametrize(("command", "quantum_ns"), READERS)
def test_a_program_reads_the_known_clock(clock: KnownClock, command: list[str], quantum_ns: int) -> None:
    """The output of a program lies between the truth before and the truth after."""
    environment = {"PATH": "/usr/bin:/bin", **clock.environment()}
    before = base_ns()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=20)
    after = base_ns()
    slack_ns = quantum_ns if quantum_ns < NS_PER_S else NS_PER_S + TICK_NS
    assert clock.truth(before) - slack_ns <= in_ns(done.stdout) <= clock.truth(after), done.stderr


def test_sleeping_takes_as_long_as_it_should(clock: KnownClock) -> None:
    """Python's sleep has an absolute deadline on a clock that the shim shifts by days."""
    sleeper = "import time; t = time.monotonic_ns(); time.sleep(0.05); print(time.monotonic_ns() - t)"
    done = subprocess.run(
        [sys.executable, "-ISc", sleeper],
        env=clock.environment(),
        capture_output=True,
        check=True,
        timeout=20,
    )
    assert 50_000_000 <= int(done.stdout) < 5 * NS_PER_S


def assert_read(clock: KnownClock, reader: Reader) -> None:
    """Check all four clocks of one reading against the truth."""
    before, readings, after = reader.read()
    for name, reading in zip(CLOCK_NAMES, readings, strict=True):
        assert clock.reading(name, before) <= reading <= clock.reading(name, after), name


def test_a_step_moves_the_wall_clock_alone_and_at_once(clock: KnownClock, reader: Reader) -> None:
    """The very next reading after a step has it whole; the other clocks have nothing of it."""
    origin = base_ns()
    unstepped = [clock.reading(name, origin) for name in CLOCK_NAMES]
    clock.step(-123_456_789_123)
    assert_read(clock, reader)
    later = origin + NS_PER_S
    moved = [
        clock.reading(name, later) - was - NS_PER_S for name, was in zip(CLOCK_NAMES, unstepped, strict=True)
    ]
    assert moved == [-123_456_789_123, 0, 0, 0]


@pytest.mark.parametrize(
    ("happening", "gained_ns"),
    [
        pytest.param(lambda clock: clock.drift("50.5"), [505_000] * 4, id="drift moves all"),
        pytest.param(
            lambda clock: clock.slew(-500), [-5_000_000] * 2 + [0, -5_000_000], id="slew moves all but RAW"
        ),
        pytest.param(lambda clock: clock.suspend(3), [3 * NS_PER_S, 0, 0, 3 * NS_PER_S], id="suspend"),
        pytest.param(lambda clock: clock.pause(3), [-3 * NS_PER_S] * 4, id="pause"),
    ],
)
def test_each_happening_moves_the_clocks_it_should(
    clock: KnownClock, reader: Reader, happening: object, gained_ns: list[int]
) -> None:
    """Ten seconds later every clock has gained exactly what the happening gives it, and processes read it."""
    assert callable(happening)
    kept = clock._segments[-1]
    happening(clock)
    assert_read(clock, reader)
    begun = clock._segments[-1].origin_ns
    later = begun + 10 * NS_PER_S
    gained = [now - before for now, before in zip(clock._segments[-1].at(later), kept.at(later), strict=True)]
    assert gained == gained_ns


def test_a_reboot_restarts_what_counts_from_boot(clock: KnownClock, reader: Reader) -> None:
    """After a reboot uptime is near zero and the wall clock goes on."""
    clock.reboot()
    assert_read(clock, reader)
    _, (_, mono, raw, boot), _ = reader.read()
    assert 0 <= min(mono, raw, boot) <= max(mono, raw, boot) < 60 * NS_PER_S


@pytest.mark.parametrize(
    "command",
    [
        ["cat", BOOT_ID],
        ["dash", "-c", f"read id <{BOOT_ID}; echo $id"],
        ["bash", "-c", f"read id <{BOOT_ID}; echo $id"],
        ["perl", "-e", f'open F, "<", "{BOOT_ID}"; print <F>'],
        ["python3", "-c", f"print(open('{BOOT_ID}').read())"],
        ["python3", "-c", f"import os; print(os.read(os.open('{BOOT_ID}', 0), 99).decode())"],
        ["busybox", "cat", BOOT_ID],
    ],
    ids=lambda command: command[0],
)
def test_every_boot_has_an_id_of_its_own(clock: KnownClock, command: list[str]) -> None:
    """Programs read the node's boot_id, another one after a reboot, and never the machine's."""
    environment = {"PATH": "/usr/bin:/bin", **clock.environment()}
    first = subprocess.run(command, env=environment, stdout=PIPE, check=True).stdout.strip()
    clock.reboot()
    second = subprocess.run(command, env=environment, stdout=PIPE, check=True).stdout.strip()
    assert len({first, second, Path(BOOT_ID).read_bytes().strip()}) == 3
    assert len(first) == len(second) == 36


def test_rates_compound_and_round_down_alike() -> None:
    """Drift and slew multiply, and a negative rate rounds down as the shim does."""
    segment = replace(kernel_now(), drift_e12=in_e12(100), slew_e12=in_e12(-500))
    assert segment.rates_e12[0] == -400_050_000
    assert Segment(0, (0, 0, 0, 0), drift_e12=-1).at(1) == (0, 0, 0, 0)
    assert Segment(0, (0, 0, 0, 0), drift_e12=in_e12("-0.000001")).at(10**12 + 1)[2] == 10**12 + 1 - 2


def test_no_reading_mixes_two_records(clock: KnownClock, reader: Reader) -> None:
    """While another thread changes the clock without a pause, every reading is one that a record gives."""
    done = threading.Event()

    def restless() -> None:
        while not done.is_set():
            clock.step(10 * NS_PER_S)
            clock.step(-10 * NS_PER_S)
            clock.suspend(1)
            clock.drift(200)
            clock.drift(0)

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        readings = [reader.read() for _ in range(100)]
    finally:
        done.set()
        thread.join()
    assert clock.changes > 100
    for before, four, after in readings:
        for index, name in enumerate(CLOCK_NAMES):
            assert possible(clock, index, before, four[index], after), name


def possible(clock: KnownClock, index: int, before: int, reading: int, after: int) -> bool:
    """Say whether some instant between before and after has this reading."""
    segments = clock._segments
    first = max(bisect_right(segments, before, key=lambda one: one.origin_ns) - 1, 0)
    for segment, following in pairwise([*segments[first:], None]):
        assert segment
        if segment.origin_ns > after:
            return False
        ends = following.origin_ns if following else after
        earliest, latest = max(before, segment.origin_ns), min(after, ends)
        if segment.at(earliest)[index] <= reading <= segment.at(latest)[index]:
            return True
    return False


#: Receives a datagram and prints how far the kernel's stamp lies before REALTIME as this process reads it.
STAMP_AGE = """
import socket, struct, time
box = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
box.bind(("127.0.0.1", 0))
box.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
box.sendto(b"x", box.getsockname())
_, parts, _, _ = box.recvmsg(16, 128)
seconds, ns = struct.unpack("qq", parts[0][2])
print(time.time_ns() - seconds * 10**9 - ns)
"""


@pytest.mark.parametrize("shifted", [True, False])
def test_kernel_stamps_are_shifted_only_on_request(clock: KnownClock, *, shifted: bool) -> None:
    """A receive stamp is the kernel's own, 70 s off, unless the whole machine is to have the clock."""
    clock.shift_kernel_stamps(on=shifted)
    done = subprocess.run(
        [sys.executable, "-c", STAMP_AGE],
        env=clock.environment(),
        capture_output=True,
        check=True,
        timeout=20,
    )
    age_ns = int(done.stdout) - (0 if shifted else 70 * NS_PER_S)
    assert 0 <= age_ns < NS_PER_S


def test_a_process_without_the_clock_reads_the_machine_s(clock: KnownClock) -> None:
    """The library alone changes nothing, nor does a control file that is not there."""
    environment = {**clock.environment(), "FLEET_CLOCK": "/nonexistent"}
    before = kernel_now()
    done = subprocess.run(["date", "+%s.%N"], env=environment, capture_output=True, text=True, check=True)
    assert before.readings_ns[0] <= in_ns(done.stdout) <= kernel_now().readings_ns[0]

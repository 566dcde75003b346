"""Kernel stamps on the base: never earlier than the truth, for any movement of the admin box's clock."""

import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from skewmon.model import NS_PER_S
from skewmon.probe import clocks, stamped_socket
from skewmon.probe.clocks import ArrivalClock, admin_wall, base_ns
from skewmon.probe.stamped_socket import StampedSocket

US = 1_000
MS = 1_000_000


@dataclass
class AdminBox:
    """The admin box's clocks, moved by the test; every reading takes time, sometimes a lot."""

    now_ns: int = 10**15
    wall_ns: int = 1_790_000_000 * NS_PER_S
    rate_ppm: int = 0
    pauses_ns: list[int] = field(default_factory=list)  # before each reading to come

    def pass_time(self, ns: int) -> None:
        self.now_ns += ns
        self.wall_ns += ns + ns * self.rate_ppm // 1_000_000

    def read_base(self) -> int:
        self.pass_time(self.pauses_ns.pop(0) if self.pauses_ns else 50)
        return self.now_ns

    def read_wall(self) -> int:
        self.pass_time(self.pauses_ns.pop(0) if self.pauses_ns else 50)
        return self.wall_ns


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> AdminBox:
    """Put an admin box's clocks in the place of this machine's."""
    made = AdminBox()
    monkeypatch.setattr(clocks, "base_ns", made.read_base)
    monkeypatch.setattr(clocks.time, "time_ns", made.read_wall)
    return made


@pytest.fixture
def arrivals(box: AdminBox, monkeypatch: pytest.MonkeyPatch) -> ArrivalClock:
    """Return an arrival clock that found the kernel's clock to be its own."""
    made = ArrivalClock()
    monkeypatch.setattr(ArrivalClock, "_stamps_agree", staticmethod(lambda: True))
    made.calibrate()
    return made


def test_a_quiet_box_converts_a_stamp_exactly(box: AdminBox, arrivals: ArrivalClock) -> None:
    """Late by the reading of the clocks and no more."""
    arrivals.departure_ns()
    box.pass_time(100 * US)
    arrived, stamp = box.now_ns, box.wall_ns
    box.pass_time(40 * US)
    found = arrivals.arrival_ns(stamp)
    assert found is not None
    assert 0 <= found - arrived <= 200


@pytest.mark.parametrize("reading", [0, 1], ids=["before the wall is read", "between the two readings"])
def test_an_interruption_makes_an_arrival_later_and_never_earlier(
    box: AdminBox, arrivals: ArrivalClock, reading: int
) -> None:
    """REALTIME first, then the base: the other order would put the arrival before the truth."""
    arrivals.departure_ns()
    box.pass_time(100 * US)
    arrived, stamp = box.now_ns, box.wall_ns
    box.pauses_ns = [50, 50]
    box.pauses_ns[reading] = 3 * MS
    found = arrivals.arrival_ns(stamp)
    assert found is not None
    assert found >= arrived


def test_an_interruption_of_the_departure_is_safe_as_well(box: AdminBox, arrivals: ArrivalClock) -> None:
    """The difference noted before a send may be too small, never too large."""
    box.pauses_ns = [50, 3 * MS]
    arrivals.departure_ns()
    box.pass_time(100 * US)
    arrived, stamp = box.now_ns, box.wall_ns
    found = arrivals.arrival_ns(stamp)
    assert found is not None
    assert found >= arrived


@pytest.mark.parametrize("rate_ppm", [-100_500, -83_333, -500, 500, 83_333, 100_500])
@pytest.mark.parametrize("waited_ns", [10 * US, 3 * MS, 80 * MS])
def test_a_slew_of_the_admin_box_cannot_move_an_arrival_before_the_truth(
    box: AdminBox, arrivals: ArrivalClock, rate_ppm: int, waited_ns: int
) -> None:
    """Chrony steers by up to 8 %; a reply that waited in the socket for milliseconds is aged by its clock."""
    box.rate_ppm = rate_ppm
    box.pass_time(NS_PER_S)
    arrivals.departure_ns()
    box.pass_time(200 * US)
    arrived, stamp = box.now_ns, box.wall_ns
    box.pass_time(waited_ns)
    found = arrivals.arrival_ns(stamp)
    assert found is None or found >= arrived


@pytest.mark.parametrize("step_ns", [-NS_PER_S, -MS, -3 * US, -100, 100, 3 * US, MS, 100 * MS, NS_PER_S])
@pytest.mark.parametrize("when", ["before the arrival", "after the arrival"])
@pytest.mark.parametrize("calibrated", [False, True], ids=["", "and then calibrated"])
def test_a_step_of_the_admin_box_cannot_move_an_arrival_before_the_truth(
    box: AdminBox, arrivals: ArrivalClock, step_ns: int, when: str, calibrated: bool
) -> None:
    """Any size, on either side of the arrival, even if the clock was checked once more since."""
    arrivals.departure_ns()
    box.pass_time(100 * US)
    if when == "before the arrival":
        box.wall_ns += step_ns
        box.pass_time(10 * US)
    arrived, stamp = box.now_ns, box.wall_ns
    box.pass_time(10 * US)
    if when == "after the arrival":
        box.wall_ns += step_ns
    if calibrated:
        arrivals._calibrated_ns = 0
        arrivals.calibrate()
    box.pass_time(30 * US)
    found = arrivals.arrival_ns(stamp)
    assert found is None or found >= arrived


def test_random_histories_never_move_an_arrival_before_the_truth(
    box: AdminBox, arrivals: ArrivalClock
) -> None:
    """Many requests in flight, one step or slew while each reply is under way, interruptions anywhere."""
    rng = Random(3)
    converted = 0
    for _ in range(5_000):
        for _ in range(rng.randint(1, 4)):
            arrivals.departure_ns()
            box.pass_time(rng.randrange(50 * US))
        disturbance = rng.randrange(6)
        at = rng.randrange(3)
        for moment in range(3):
            if moment == at and disturbance == 0:
                box.wall_ns += rng.choice((-1, 1)) * 10 ** rng.randrange(10)
            if moment == at and disturbance == 1:
                box.rate_ppm = rng.randint(-100_500, 100_500)
            box.pass_time(rng.randrange(10 ** rng.randint(1, 7)))
            if moment == 1:
                arrived, stamp = box.now_ns, box.wall_ns
        if rng.random() < 0.3:
            arrivals.departure_ns()  # another node's request, sent before this reply is read
        box.pauses_ns = [rng.choice((50, 50, MS)) for _ in range(2)]
        found = arrivals.arrival_ns(stamp)
        assert found is None or found >= arrived
        converted += found is not None
        box.rate_ppm, box.pauses_ns = 0, []
    assert converted > 4_000


def test_a_stamp_from_the_future_or_the_past_is_dropped(box: AdminBox, arrivals: ArrivalClock) -> None:
    """Then the two clocks are not the same."""
    arrivals.departure_ns()
    assert arrivals.arrival_ns(box.wall_ns + 10 * US) is None
    assert arrivals.arrival_ns(box.wall_ns - 2 * NS_PER_S) is None


def test_a_stamp_that_no_reading_reaches_back_to_is_dropped(box: AdminBox, arrivals: ArrivalClock) -> None:
    """Nothing is known of the admin box's clock before the arrival."""
    stamp = box.wall_ns
    box.pass_time(MS)
    arrivals.departure_ns()
    assert arrivals.arrival_ns(stamp) is None


def test_no_stamp_is_converted_before_the_clocks_were_compared(box: AdminBox) -> None:
    """A kernel that stamps with another clock than this process reads, as in some test benches."""
    fresh = ArrivalClock()
    fresh.departure_ns()
    box.pass_time(MS)
    assert fresh.arrival_ns(box.wall_ns) is None


# --- this machine's own clocks and sockets ------------------------------------------------------------------


def test_this_kernel_stamps_with_the_clock_that_is_read() -> None:
    """A message to oneself carries a stamp between sending and receiving."""
    arrivals = ArrivalClock()
    arrivals.calibrate()
    arrivals.departure_ns()
    time.sleep(0.001)  # the stamp must be younger than the reading
    assert arrivals.arrival_ns(time.time_ns()) is not None


def test_a_process_whose_clock_is_another_one_does_without_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of difference cannot be overlooked."""
    real = time.time_ns
    monkeypatch.setattr(clocks.time, "time_ns", lambda: real() + 3_600 * NS_PER_S)
    arrivals = ArrivalClock()
    arrivals.calibrate()
    arrivals.departure_ns()
    time.sleep(0.001)
    assert arrivals.arrival_ns(real() + 3_600 * NS_PER_S) is None


def test_stamps_can_be_switched_off() -> None:
    """For comparison, and for kernels without them."""
    arrivals = ArrivalClock(enabled=False)
    arrivals.calibrate()
    arrivals.departure_ns()
    assert arrivals.arrival_ns(time.time_ns()) is None


def test_the_admin_boxs_wall_clock_is_read_to_a_microsecond_or_so() -> None:
    """An interval between two readings of the base."""
    widths = []
    for _ in range(20):
        before = time.time_ns() - base_ns()
        found = admin_wall()
        after = time.time_ns() - base_ns()
        widths.append(found.width_ns)
        assert found.lower_ns - MS < min(before, after) <= max(before, after) < found.upper_ns + MS
    assert min(widths) < 20 * US


@pytest.fixture
def pair():
    """Return a stamped socket that is connected to a plain one."""
    arrivals = ArrivalClock()
    arrivals.calibrate()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stamped = StampedSocket(socket.AF_INET, arrivals)
        stamped.setblocking(True)
        stamped.connect(listener.getsockname())
        plain, _ = listener.accept()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with stamped, plain:
            _await_stamps_of_arrivals(stamped, plain)
            yield stamped, plain


def _await_stamps_of_arrivals(stamped: StampedSocket, plain: socket.socket) -> None:
    """Wait until the kernel stamps arrivals.

    It begins a moment after the machine's first socket with stamps is made; until then reads are stamped.
    """
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        stamped.send(b"ping")
        plain.recv(10)
        plain.send(b"pong")
        time.sleep(0.002)
        stamped.recv(10)
        if stamped.received_ns < stamped.returned_ns - MS:
            return
    raise TimeoutError("the kernel stamps no arrivals")


@pytest.mark.parametrize("enabled", [True, False], ids=["kernel", "process"])
def test_stamps_enclose_sending_and_arrival(pair: tuple[StampedSocket, socket.socket], enabled: bool) -> None:
    """Sent is not after the call, received not before the other side's sending."""
    stamped, plain = pair
    if not enabled:
        stamped._arrivals = ArrivalClock(enabled=False)
    for _ in range(200):
        before = base_ns()
        stamped.send(b"ping")
        assert before <= stamped.sent_ns <= base_ns()
        plain.recv(10)
        sending = base_ns()
        plain.send(b"pong")
        assert stamped.recv(10) == b"pong"
        assert sending <= stamped.received_ns <= base_ns()


def test_a_kernel_stamp_does_not_wait_for_the_process(pair: tuple[StampedSocket, socket.socket]) -> None:
    """Data that arrived while the process was busy is stamped with its arrival."""
    stamped, plain = pair
    stamped.send(b"ping")
    plain.recv(10)
    plain.send(b"pong")
    sent = base_ns()
    time.sleep(0.02)
    stamped.recv(10)
    assert stamped.received_ns - sent < 5 * MS


def test_without_a_kernel_stamp_the_time_after_the_call_counts(
    pair: tuple[StampedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More bytes may arrive while the call is made: a stamp from before it could be too early."""
    stamped, plain = pair
    stamped._arrivals = ArrivalClock(enabled=False)
    calls: list[str] = []
    real = base_ns
    monkeypatch.setattr(stamped_socket, "base_ns", lambda: (calls.append("stamp"), real())[1])
    receive = socket.socket.recvmsg

    def recvmsg(self: socket.socket, *arguments: int) -> object:
        calls.append("receive")
        return receive(self, *arguments)

    monkeypatch.setattr(socket.socket, "recvmsg", recvmsg, raising=False)
    plain.send(b"pong")
    stamped.recv(10)
    assert calls == ["receive", "stamp"]


@pytest.mark.parametrize("call", ["send", "sendmsg"])
def test_the_stamp_of_a_request_is_taken_before_it_leaves(
    pair: tuple[StampedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Afterwards the packet may have been on its way for long."""
    stamped, _ = pair
    calls: list[str] = []
    real = base_ns
    monkeypatch.setattr(clocks, "base_ns", lambda: (calls.append("stamp"), real())[1])
    send = getattr(socket.socket, call)

    def sending(self: socket.socket, *arguments: object) -> object:
        calls.append("send")
        return send(self, *arguments)

    monkeypatch.setattr(socket.socket, call, sending, raising=False)
    getattr(stamped, call)(b"ping" if call == "send" else [b"ping"])
    assert calls == ["stamp", "send"]


def test_several_buffers_are_stamped_like_one(pair: tuple[StampedSocket, socket.socket]) -> None:
    """Sendmsg is the other way in which an event loop may write."""
    stamped, plain = pair
    before = base_ns()
    stamped.sendmsg([b"pi", b"ng"])
    assert before <= stamped.sent_ns <= base_ns()
    assert plain.recv(10) == b"ping"


def test_the_clock_source_of_the_base_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may give a clock source up; if it names none, nothing is assumed."""
    name = tmp_path / "current_clocksource"
    monkeypatch.setattr(clocks, "OWN_CLOCKSOURCE", name)
    assert clocks.own_clocksource() == ""
    for clocksource in ("tsc", "hpet"):
        name.write_text(f"{clocksource}\n", encoding="ascii")
        assert clocks.own_clocksource() == clocksource


def test_how_long_the_admin_box_slept_is_not_taken_from_an_interrupted_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BOOTTIME minus MONOTONIC, and the least of a few."""
    readings = iter([100, 7_000_100, 200, 5_203, 300, 5_301, 400, 5_409, 500, 9_000])
    monkeypatch.setattr(clocks.time, "clock_gettime_ns", lambda _: next(readings))
    assert clocks.own_sleep_ns() == 5_001


def test_a_calibration_that_fails_is_a_doubt_about_the_stamps_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A round may be longer than a calibration serves."""
    arrivals, agree = ArrivalClock(), [True]
    monkeypatch.setattr(ArrivalClock, "_stamps_agree", staticmethod(lambda: agree[0]))
    monkeypatch.setattr(clocks, "CALIBRATION_AGE_NS", 0)
    arrivals.calibrate()
    assert arrivals.doubts == 0
    agree[0] = False
    arrivals.calibrate()
    arrivals.calibrate()
    assert arrivals.doubts == 1


def test_a_message_that_an_earlier_check_left_does_not_make_the_next_ones_fail() -> None:
    """Each would read the stamp of the one before it."""
    near, _ = clocks._own_sockets()
    near.send(b"left")
    assert ArrivalClock._stamps_agree()
    assert ArrivalClock._stamps_agree()

"""UTC from six real time servers: three chronyds, NTPsec, ntp.org's ntpd, and a chronyd that is 300 ms ahead.

The machine's base runs 80 ppm away from UTC. Between skewmon and each server lies a relay that delays one
side of each exchange, and only one, by up to 200 ms.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from skewmon.clock.interval import WALL, intersection
from skewmon.clock.ntp_schedule import NtpSchedule
from skewmon.model import Interval, Program, Quantum, TimeServer, UtcReason, UtcState
from skewmon.monitor.reference_state import References, ReferenceState
from skewmon.probe.clocks import ArrivalClock, base_ns
from skewmon.probe.ntp_socket import NtpError, NtpSocket
from tests.fleet.sshd import Fleet
from tests.integration.container import prepare
from tests.integration.time_servers import TimeServers, time_servers

LIAR_NS = 300_000_000
DELAY_MAX_S = 0.2

#: The claims of a server that has just been started shrink within half a minute.
SETTLED_S = 60.0

#: OpenNTPD serves the time only when it has been corrected some times.
STEERED_S = 600.0

NAMES = ("chronyd-1", "chronyd-2", "chronyd-3", "ntpsec", "ntpd", "liar")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TimeServers, list[str]]]:
    """Yield the six servers and their addresses."""
    prepare()
    with time_servers(tmp_path_factory.mktemp("servers")) as opened:
        following = f"server {opened.upstream('source')} iburst minpoll 0 maxpoll 0"
        addresses = [
            opened.chronyd("chronyd-1"),
            opened.chronyd("chronyd-2"),
            opened.chronyd("chronyd-3", lines=following),
            opened.ntpsec("ntpsec"),
            opened.ntpd("ntpd"),
            opened.chronyd("liar", ahead_ns=LIAR_NS),
        ]
        asyncio.run(settle(opened.relayed(*addresses)))
        yield opened, addresses


async def settle(
    places: list[tuple[str, int]], names: Sequence[str] = NAMES, patience_s: float = SETTLED_S
) -> None:
    """Wait until each server knows its time to 100 ms by its own claim."""
    with Sources(places, names) as sources:
        async with asyncio.timeout(patience_s):
            while not all(
                one.reply is not None and one.reply.root_distance_ns < 100_000_000
                for one in sources.references.states
            ):
                with suppress(NtpError):  # it may not listen yet
                    await sources.ask()
                await asyncio.sleep(0.5)


class Sources:
    """The references as a daemon has them, queried without a schedule; closes their sockets at its end."""

    def __init__(self, places: list[tuple[str, int]], names: Sequence[str] = NAMES) -> None:
        self.references = References()
        self.references.states = [
            ReferenceState(TimeServer(name, *place), NtpSchedule(64.0), address=place[0])
            for name, place in zip(names, places, strict=False)
        ]
        self._arrivals = ArrivalClock()
        self._sockets = [NtpSocket((2, place), self._arrivals, pytest.fail) for place in places]
        self.intervals: dict[str, list[tuple[int, Interval]]] = {name: [] for name in names}

    async def ask(self) -> None:
        """Query all references at once and take in their replies."""
        await asyncio.gather(*map(self._ask, self.references.states, self._sockets))

    async def confirmed(self) -> tuple[int, Interval, list[str]]:
        """Query all; return an instant, UTC minus the base then, which is confirmed, and the falsetickers."""
        await self.ask()
        at_ns = base_ns()
        utc = self.references.utc_at(at_ns)
        assert utc.state is UtcState.CONFIRMED, utc
        assert utc.offset is not None
        return at_ns, utc.offset, [one.name for one in utc.references if one.falseticker]

    async def _ask(self, state: ReferenceState, through: NtpSocket) -> None:
        exchange, reply = await through.exchange(2.0)
        state.answered(exchange, reply, base_ns(), steady=True)
        quantum = Quantum(reply.quantum_ns, reply.quantum_ns)
        at_ns = exchange.received_ns
        clock = intersection((exchange,), Program("ntp", real=quantum), at_ns, WALL)
        assert clock is not None, exchange
        self.intervals[state.server.name].append((at_ns, clock))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()


def wrong_intervals(servers: TimeServers, sources: Sources) -> list[tuple[str, int, Interval]]:
    """Return the intervals that miss the clock of their server, which the test knows to the nanosecond.

    chronyd-3 shows its estimate of its upstream's time, and not the clock of its machine.
    """
    return [
        (name, at_ns, interval)
        for name, intervals in sources.intervals.items()
        for at_ns, interval in intervals
        if name != "chronyd-3" and servers.clocks[name].truth_offset_at(at_ns) not in interval
    ]


@pytest.mark.parametrize(
    "rounds", [40, pytest.param(2_000, marks=[pytest.mark.prove, pytest.mark.timeout(1_800)])]
)
async def test_utc_contains_the_truth_over_one_sided_paths(
    servers: tuple[TimeServers, list[str]], rounds: int
) -> None:
    """No interval misses, UTC is confirmed, and the liar alone is named; a fresh start after four rounds."""
    opened, addresses = servers
    places = opened.relayed(*addresses, delay_max_s=DELAY_MAX_S)
    misses, named, exchanges = 0, 0, 0
    for _ in range(rounds // 4):
        with Sources(places) as sources:
            for _ in range(4):
                at_ns, offset, falsetickers = await sources.confirmed()
                misses += opened.utc_ns(at_ns) - at_ns not in offset
                assert falsetickers in ([], ["liar"])
                named += bool(falsetickers)
            assert wrong_intervals(opened, sources) == []
            exchanges += sum(map(len, sources.intervals.values()))
    print(f"{exchanges} exchanges, {misses} misses of UTC, the liar named in {named} of {rounds} rounds")
    assert (exchanges, misses) == (rounds * len(NAMES), 0)
    assert named > rounds // 2


async def test_two_references_confirm_nothing(servers: tuple[TimeServers, list[str]]) -> None:
    """The truth and the liar: both are shown, and none is named."""
    opened, addresses = servers
    with Sources(opened.relayed(addresses[0], addresses[-1])) as sources:
        await sources.ask()
        utc = sources.references.utc_at(base_ns())
    assert (utc.state, utc.reason) == (UtcState.UNCONFIRMED, UtcReason.FEW_REFERENCES)
    assert [one.falseticker for one in utc.references] == [False, False]


def test_check_names_the_liar(servers: tuple[TimeServers, list[str]], tmp_path: Path) -> None:
    """The command as a user types it, over two nodes of which one is 5 s behind."""
    opened, addresses = servers
    places = opened.relayed(*addresses)
    options = [word for host, port in places for word in ("--reference", f"{host}:{port}")]
    with Fleet(2) as fleet:
        fleet.nodes[1].clock.step(-5_000_000_000)
        config = str(fleet.write_config(tmp_path / "skewmon.yml"))
        command = [sys.executable, "-m", "skewmon", "check", "--config.file", config, *options, "-o"]
        run = lambda output: subprocess.run([*command, output], capture_output=True, text=True)  # noqa: E731, PLW1510
        document, table = json.loads(run("json").stdout), run("table").stdout
        (cluster,) = document["clusters"]
        truth = [one.clock.truth(base_ns()) - opened.utc_ns(base_ns()) for one in fleet.nodes]
    assert cluster["utc"] == {"state": "confirmed", "reason": None}
    assert [one["falseticker"] for one in document["references"]] == [False] * 5 + [True]
    for node, ahead_ns in zip(cluster["nodes"], truth, strict=True):
        # The test reads the truth some seconds later, and the base runs 80 ppm off.
        assert node["utc_offset"]["seconds"] == pytest.approx(ahead_ns / 1e9, abs=0.01)
    assert "UTC is confirmed by 5 of 6 references. Provably wrong, if most are right: " in table


@pytest.mark.prove
@pytest.mark.timeout(900)
async def test_openntpd_is_a_reference(tmp_path: Path) -> None:
    """It follows three servers, and outvotes the liar together with a chronyd."""
    prepare()
    names = ("chronyd-1", "openntpd", "liar")
    with time_servers(tmp_path) as opened:
        places = opened.relayed(
            opened.chronyd("chronyd-1"), opened.openntpd("openntpd"), opened.chronyd("liar", ahead_ns=LIAR_NS)
        )
        await settle(places, names, STEERED_S)
        with Sources(places, names) as sources:
            for _ in range(40):
                at_ns, offset, falsetickers = await sources.confirmed()
                assert opened.utc_ns(at_ns) - at_ns in offset
                assert falsetickers == ["liar"]
            assert wrong_intervals(opened, sources) == []

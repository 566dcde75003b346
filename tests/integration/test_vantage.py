"""Nodes behind a long path, measured by the stamps of a relay beside them; real sshd everywhere."""

import asyncio
import re
import sys
from pathlib import Path

from skewmon.clock.vantage import to_base, vantage_exchanges, vantage_program
from skewmon.model import VantageReading
from skewmon.monitor.check import opened
from skewmon.probe.clocks import base_ns
from skewmon.probe.connection import Connection
from skewmon.probe.sweep import Sweeper
from tests.integration.measuring import TIMEOUT_S, in_order, measured, measured_once
from tests.integration.sites import PATH_S, Site, assert_near, site

#: The bound of a node that is measured over the path itself.
FAR_NS = PATH_S * 1e9


async def test_nodes_behind_a_bastion_are_known_as_well_as_from_the_bastion() -> None:
    """Every exchange has the vantage's stamps; the ordinary bound is half the round trip."""
    async with site(3) as far:
        async with opened(far.nodes(), TIMEOUT_S) as links:
            sweep = await Sweeper().sweep(links, 8)
        for name, outcome in zip(("n2", "n3", "n4"), in_order(sweep), strict=True):
            assert measured(outcome).estimate.wall.bound_ns >= FAR_NS
            assert len(measured(outcome).burst.opening) == 8
            assert all(one.vantage for one in measured(outcome).burst.opening)
            assert assert_near(far, name, outcome) < FAR_NS / 20
    assert set(sweep.vantage_of.values()) == {far.label}
    reading = sweep.vantages[far.label]
    assert isinstance(reading, VantageReading)
    assert reading.streams == 3
    assert len(reading.burst.opening) == 8
    assert reading.slept_ns is not None


async def test_a_key_exchange_moves_no_axis() -> None:
    """A request that waits for its end is in no frame: the stamp of the one before it is too old for it."""
    async with site(1) as far, opened(far.nodes(), TIMEOUT_S) as links:
        (link,) = links.values()
        assert link.connection
        assert link.vantage
        assert link.vantage.relay
        assert link.vantage.relay.program
        program = vantage_program(link.vantage.relay.program)
        for waited_s in (PATH_S * 1.25, PATH_S * 1.75):
            begin_key_exchange(link.connection)
            await asyncio.sleep(waited_s)
            during, after = await link.burst(2), await link.burst(2)
            assert all(one.vantage for one in after.opening)
            for burst in (during, after):
                now_ns = base_ns()
                claim = to_base(vantage_exchanges(burst), program, now_ns)
                assert claim
                assert far.bastion.clock.reading("raw", now_ns) - now_ns in claim


def begin_key_exchange(connection: Connection) -> None:
    """Begin one as asyncssh does by itself once an hour."""
    connection.ssh._send_kexinit()
    connection.ssh._kexinit_sent = True


async def test_the_relay_ends_with_its_channel() -> None:
    """Whether skewmon ends it, or the connection is lost."""
    async with site(1, delay_s=0.0) as far:
        async with opened(far.nodes(), TIMEOUT_S):
            assert far.bastion.session_ids()
        await ended(far)
        async with opened(far.nodes(), TIMEOUT_S):
            assert far.bastion.session_ids()
            far.path.cut()
            await ended(far)


async def ended(far: Site) -> None:
    """Wait until no process of a login is left on the bastion."""
    async with asyncio.timeout(TIMEOUT_S):
        while far.bastion.session_ids():
            await asyncio.sleep(0.05)


async def test_without_a_vantage_a_bastion_forwards_as_ever() -> None:
    """``vantage: none`` starts nothing on the bastion."""
    async with site(1, delay_s=0.0) as far:
        sweep = await measured_once(far.nodes(vantage="none"))
        assert in_order(sweep)[0].burst.opening[0].vantage is None  # type: ignore[union-attr]
        assert "exec /bin/sh" not in far.bastion.log
    assert sweep.vantages == {}
    assert sweep.vantage_of == {}


async def test_probe_prints_both_bounds(tmp_path: Path) -> None:
    """From the vantage, and of the vantage itself."""
    async with site(1) as far:
        text = await probed(far, tmp_path, "n2")
    assert f"jump        {far.jump[0]}" in text
    number = r"± ([\d.]+) (us|ms)"
    found = re.search(rf"vantage +measured from (\S+) \({number}\), (\S+) itself {number}", text)
    assert found, text
    assert found[1] == found[4] == far.label
    near_ms, itself_ms = (float(found[at]) / {"us": 1000, "ms": 1}[found[at + 1]] for at in (2, 5))
    assert near_ms < PATH_S * 1e3 / 10
    assert itself_ms >= PATH_S * 1e3


async def probed(far: Site, directory: Path, name: str, **ssh: str) -> str:
    """Return the output of ``skewmon probe -v`` for a node of the site."""
    config = far.write_config(directory / "skewmon.yml", **ssh)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "skewmon", "probe", "-v", "--config.file", str(config), name),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return output.decode()

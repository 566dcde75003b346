"""Ways to a vantage and its policies: which machine stamps, what it may not do, what follows without it."""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from skewmon.errors import Reason
from skewmon.model import Failed, Measured, VantageReading
from skewmon.monitor.check import opened
from skewmon.probe import relay
from skewmon.probe.sweep import Sweep, Sweeper
from tests.fleet.node import Login
from tests.fleet.sshd import Fleet
from tests.integration.measuring import TIMEOUT_S, failed, in_order, measured, measured_once, node_of
from tests.integration.sites import site
from tests.integration.test_ladder import NO_PYTHON
from tests.integration.test_measure_keys import agent, authorize

#: Programs that PATH lacks on a machine on which no relay can run.
NO_RELAY = (*NO_PYTHON, "perl")

FORBIDDEN = {
    "AllowTcpForwarding no": Login(sshd_lines=("AllowTcpForwarding no",)),
    "PermitOpen": Login(sshd_lines=("PermitOpen 127.0.0.1:1",)),
}


def stamped(sweep: Sweep) -> list[bool]:
    """Return of each node whether a vantage stamped its exchanges."""
    return [all(one.vantage for one in measured(outcome).burst.opening) for outcome in in_order(sweep)]


def vantage_of(sweep: Sweep) -> VantageReading | Failed:
    """Return the reading of the only vantage."""
    (reading,) = sweep.vantages.values()
    return reading


@pytest.mark.parametrize("policy", FORBIDDEN)
async def test_auto_never_gets_around_a_policy(policy: str) -> None:
    """A node that the bastion does not forward to is refused with the reason, as through an ordinary jump."""
    async with site(1, delay_s=0.0, logins={"n1": FORBIDDEN[policy]}) as far:
        plain = failed(in_order(await measured_once(far.nodes(vantage="none")))[0], Reason.JUMP_FAILED)
        auto = failed(in_order(await measured_once(far.nodes()))[0], Reason.JUMP_FAILED)
        assert auto == plain
        assert "AllowTcpForwarding" in auto.advice
        named = await measured_once(far.nodes(vantage=far.jump[0]))
        assert stamped(named) == [True]


async def test_only_what_the_bastion_permits_goes_through_its_relay() -> None:
    """PermitOpen for one node of two."""
    async with Fleet(3) as fleet:
        n1, n2, n3 = fleet.nodes
        n1.stop()
        n1.login = Login(sshd_lines=(f"PermitOpen {n2.address}:{n2.port}",))
        n1.start()
        jump = (f"{n1.user}@{n1.address}:{n1.port}",)
        open_to, closed_to = in_order(
            await measured_once([node_of(fleet, node, jump=jump) for node in (n2, n3)])
        )
        assert measured(open_to).burst.opening[0].vantage
        failed(closed_to, Reason.JUMP_FAILED)


async def test_a_bastion_asks_its_policy_once_for_a_node() -> None:
    """The node's sshd sees one connection without a login, and then the relay's."""
    async with site(1, delay_s=0.0) as far:
        await measured_once(far.nodes())
        log = far.fleet["n2"].log
        assert log.count("Connection from") == 2
        assert log.count("Accepted publickey") == 1


NO_COMMANDS = {
    "no python3 and no perl": (Login(without=NO_RELAY), Reason.NO_PROGRAM),
    "nologin": (Login(shell="/usr/sbin/nologin"), Reason.NO_PROGRAM),
    "no sessions": (Login(sshd_lines=("MaxSessions 0",)), Reason.SESSION_REFUSED),
    "another forced command": (Login(forced_command="echo only for jumps"), Reason.NO_PROGRAM),
    "a command that says nothing": (Login(forced_command="sleep 60"), Reason.NO_REPLY),
}


@pytest.mark.parametrize("kind", NO_COMMANDS)
async def test_without_a_relay_the_bastion_forwards_as_ever(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its nodes are measured, and the vantage has the reason."""
    monkeypatch.setattr(relay, "HELLO_S", 5.0 if kind == "no python3 and no perl" else 2.0)
    login, reason = NO_COMMANDS[kind]
    async with site(2, delay_s=0.0, logins={"n1": login}) as far:
        sweep = await measured_once(far.nodes())
    assert stamped(sweep) == [False, False]
    assert set(sweep.vantage_of.values()) == {far.label}
    failed(vantage_of(sweep), reason)  # type: ignore[arg-type]  # never a measured node


#: Programs that PATH lacks, by the rung that relays then.
RUNGS: dict[str, tuple[str, ...]] = {"python3": (), "perl": NO_PYTHON}


def shown(kinds: Iterable[str], *names: str) -> list[Any]:
    """Return kinds as parameters: these names in every run, the others with the full counts."""
    return [one if one in names else pytest.param(one, marks=pytest.mark.prove) for one in kinds]


def script(directory: Path, text: str) -> str:
    """Write a program that takes the place of another."""
    place = directory / "program"
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return str(place)


BASHRC = {
    "an rc file that talks": "echo Welcome; cat /etc/os-release; echo >&2 Bye",
    "a full disk": "ulimit -f 0",
    "an rc file that fails": "cd /nowhere; false; unknown-command",
}

PYTHONS = {
    "a broken python3": ("echo Traceback: no module >&2; exit 1", "perl"),
    "a python3 that crashes": ("kill -SEGV $$", None),
    "a python3 that talks": ('echo "Python of ACME"; exec /usr/bin/python3 "$@"', "python3"),
    "a python3 that may not be run": (None, "perl"),
}


@pytest.mark.parametrize("kind", shown(BASHRC, "an rc file that talks", "a full disk"))
async def test_a_relay_starts_in_spite_of_the_login(kind: str) -> None:
    """Text before its hello is skipped, and it writes no file."""
    login = Login(shell="/bin/bash", rc_files={".bashrc": BASHRC[kind]})
    async with site(1, delay_s=0.0, logins={"n1": login}) as far:
        assert stamped(await measured_once(far.nodes())) == [True]


@pytest.mark.parametrize("kind", shown(PYTHONS, "a broken python3"))
async def test_a_relay_starts_in_spite_of_its_python(kind: str, tmp_path: Path) -> None:
    """In perl, if python3 says that it failed."""
    text, probe = PYTHONS[kind]
    place = "/etc/hostname" if text is None else script(tmp_path, text)
    login = Login(commands={"python3": place}, without=NO_PYTHON)
    async with site(1, delay_s=0.0, logins={"n1": login}) as far:
        sweep = await measured_once(far.nodes())
    reading = vantage_of(sweep)
    assert stamped(sweep) == [probe is not None]
    assert (reading.burst.program.probe if isinstance(reading, VantageReading) else None) == probe


async def test_the_relay_runs_in_perl_where_there_is_no_python() -> None:
    """Stamps of it are as good."""
    async with site(2, delay_s=0.0, logins={"n1": Login(without=NO_PYTHON)}) as far:
        sweep = await measured_once(far.nodes())
    assert stamped(sweep) == [True, True]
    reading = vantage_of(sweep)
    assert isinstance(reading, VantageReading)
    assert reading.burst.program.probe == "perl"


async def test_a_vantage_may_have_another_server() -> None:
    """Dropbear, as on an appliance."""
    async with site(1, delay_s=0.0, logins={"n1": Login(server="dropbear")}) as far:
        assert stamped(await measured_once(far.nodes())) == [True]


async def test_behind_a_chain_of_bastions_the_last_one_stamps() -> None:
    """One login at each; no relay on the first."""
    async with Fleet(4) as fleet:
        jump = tuple(f"{node.user}@{node.address}:{node.port}" for node in fleet.nodes[:2])
        sweep = await measured_once([node_of(fleet, node, jump=jump) for node in fleet.nodes[2:]])
        assert stamped(sweep) == [True, True]
        assert set(sweep.vantages) == {f"{fleet['n2'].address}:{fleet['n2'].port}"}
        for bastion in fleet.nodes[:2]:
            assert bastion.log.count("Accepted publickey") == 1
        assert "Starting session: command" not in fleet["n1"].log


async def test_one_of_the_nodes_may_be_the_vantage() -> None:
    """Reached through the bastion like the others; it stamps for itself as well."""
    async with Fleet(3) as fleet:
        n1, n2, n3 = fleet.nodes
        jump = (f"{n1.user}@{n1.address}:{n1.port}",)
        vantage = f"{n2.address}:{n2.port}"
        nodes = [node_of(fleet, node, jump=jump, vantage=vantage) for node in (n2, n3)]
        sweep = await measured_once(nodes)
        assert stamped(sweep) == [True, True]
        assert set(sweep.vantages) == {vantage}
        assert "Starting session: command" not in n1.log


async def test_another_user_of_the_bastion_stamps_on_the_bastion() -> None:
    """Logged in to directly: the bastion, which forwards to nodes alone, is not the way to itself."""
    async with Fleet(3, logins={"n1": Login(alias="stamper")}) as fleet:
        n1, n2, n3 = fleet.nodes
        n1.stop()
        n1.login = replace(
            n1.login, sshd_lines=(f"PermitOpen {n2.address}:{n2.port} {n3.address}:{n3.port}",)
        )
        n1.start()
        jump = (f"{n1.user}@{n1.address}:{n1.port}",)
        nodes = [
            node_of(fleet, one, jump=jump, vantage=f"stamper@{n1.address}:{n1.port}") for one in (n2, n3)
        ]
        sweep = await measured_once(nodes)
        assert stamped(sweep) == [True, True]
        assert n1.log.count("Accepted publickey for stamper") == 1
        assert set(sweep.vantages) == {f"{n1.address}:{n1.port}"}


async def test_a_vantage_needs_no_jump() -> None:
    """Then its relay is the only way to the node; if it cannot run, skewmon connects directly."""
    async with Fleet(3, logins={"n3": Login(without=NO_RELAY)}) as fleet:
        n1, n2, n3 = fleet.nodes
        good = node_of(fleet, n1, vantage=f"{n2.user}@{n2.address}:{n2.port}")
        poor = node_of(fleet, n2, vantage=f"{n3.user}@{n3.address}:{n3.port}")
        assert stamped(await measured_once([good])) == [True]
        sweep = await measured_once([poor])
        assert stamped(sweep) == [False]
        failed(vantage_of(sweep), Reason.NO_PROGRAM)  # type: ignore[arg-type]


async def test_a_vantage_that_cannot_be_reached_costs_no_node() -> None:
    """The reason is the vantage's."""
    async with Fleet(2) as fleet:
        n1, n2 = fleet.nodes
        n2.stop()
        sweep = await measured_once([node_of(fleet, n1, vantage=f"{n2.address}:{n2.port}")])
        assert stamped(sweep) == [False]
        failed(vantage_of(sweep), Reason.CONNECTION_REFUSED)  # type: ignore[arg-type]


async def test_host_keys_are_verified_through_the_relay() -> None:
    """A machine in the middle, at the vantage, shows another key and is refused."""
    async with site(2, delay_s=0.0) as far:
        n2, n3 = far.fleet["n2"], far.fleet["n3"]
        diverted = replace(far.node("n2", port=n3.port, host_key_alias=None), address=n3.address)
        lines = far.fleet.known_hosts.read_text().replace(n3.host_line, "")
        far.fleet.known_hosts.write_text(
            lines + n2.host_line.replace(n2.address, n3.address).replace(str(n2.port), str(n3.port))
        )
        sweep = await measured_once([diverted])
        failed(in_order(sweep)[0], Reason.HOST_KEY_CHANGED)
        assert "Accepted publickey" not in n3.log


async def test_no_agent_goes_to_the_vantage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The admin box's agent is used for the logins, and no process on the vantage knows of it."""
    async with site(1, delay_s=0.0) as far:
        with agent() as path, monkeypatch.context() as patched:
            patched.setenv("SSH_AUTH_SOCK", path)
            run(["ssh-add", "-q", str(far.fleet.identity)], check=True)
            async with opened(far.nodes(identities=(), agent=True), TIMEOUT_S) as links:
                sweep = await Sweeper().sweep(links, 1)
                sessions = far.bastion.session_ids()
                environments = [Path(f"/proc/{pid}/environ").read_bytes() for pid in sessions]
    assert stamped(sweep) == [True]
    assert any(b"SSH_CONNECTION=" in one for one in environments)
    assert not any(b"SSH_AUTH_SOCK=" in one for one in environments)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a list that belongs to root")
async def test_a_restricted_key_is_enough_for_a_vantage(tmp_path: Path) -> None:
    """It forwards nothing and runs the installed relay alone, which connects to the node in its list."""
    place = tmp_path / "relay"
    login = Login(forced_command=str(place), key_options=("restrict",))
    async with site(2, delay_s=0.0, logins={"n1": login}) as far:
        place.write_text(authorize(far.fleet.identity, "--relay", "--program", "--path", str(place)))
        place.chmod(0o755)
        n2 = far.fleet["n2"]
        listed = await asyncio.to_thread(
            authorize, far.fleet.identity, "--relay", "--targets", f"{n2.address}:{n2.port}"
        )
        place.with_name("relay.targets").write_text(listed)
        sweep = await measured_once(far.nodes(vantage=far.jump[0]))
        good, missing = in_order(sweep)
        assert isinstance(good, Measured)
        assert all(one.vantage for one in good.burst.opening)
        refused = failed(missing, Reason.JUMP_FAILED)
        assert "not a target in" in refused.detail
        assert "--relay --targets" in refused.advice
        auto = failed(in_order(await measured_once(far.nodes()))[0], Reason.JUMP_FAILED)
        assert "AllowTcpForwarding" in auto.advice

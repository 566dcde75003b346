"""The daemon as it is run: reload, restart of nodes, nodes that hang, and its end."""

import asyncio
import signal
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from skewmon.config.loader import load
from skewmon.daemon.daemon import Options
from skewmon.daemon.reload import resolved
from tests.fleet.scripted import raw
from tests.fleet.sshd import Fleet
from tests.integration.running import Running

#: systemd waits for ninety seconds; users should not wait for more than three.
END_S = 3.0

FAST = {"interval": "1s", "samples": 2}


@dataclass
class Place:
    """The directory of a daemon's configuration and state."""

    directory: Path
    fleet: Fleet

    def write(self, *names: str, clusters: dict[str, Any] | None = None, jump: str | None = None) -> Path:
        """Write a configuration with these nodes of the fleet, or with whole clusters of names."""
        path = self.directory / "skewmon.yml"
        ssh: dict[str, Any] = {
            "user": self.fleet.user,
            "identity": str(self.fleet.identity),
            "known_hosts": str(self.fleet.known_hosts),
        }
        if jump:
            ssh["jump"] = jump
        whole = {
            "web": {"listen": "127.0.0.1:0"},
            "state_directory": str(self.directory / "state"),
            "ssh": ssh,
            "clusters": {
                name: {**FAST, **options, "nodes": [self._node(one) for one in options["nodes"]]}
                for name, options in (clusters or {"fleet": {"nodes": names}}).items()
            },
        }
        path.write_text(yaml.safe_dump(whole))
        return path

    def _node(self, name: str) -> dict[str, Any]:
        node = self.fleet[name]
        return {"name": name, "address": node.address, "port": node.port}


async def test_a_reload_adds_and_removes_nodes(tmp_path: Path) -> None:
    """SIGHUP: nodes that stay keep their connection; that of a removed node is closed."""
    async with Fleet(3) as fleet:
        place = Place(tmp_path, fleet)
        async with Running(place.write("n1", "n2")) as daemon:
            await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
            place.write("n2", "n3")
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: daemon.measured() == ["n2", "n3"])
            await daemon.until(lambda: not fleet["n1"].session_ids())
            assert fleet["n2"].log.count("Accepted publickey") == 1
            assert await daemon.end() < END_S


async def test_a_broken_file_keeps_the_old_configuration(tmp_path: Path) -> None:
    """The fault is logged with its place and exported; measuring goes on, and a mended file counts."""
    async with Fleet(2) as fleet:
        place = Place(tmp_path, fleet)
        path = place.write("n1", "n2")
        async with Running(path) as daemon:
            await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
            path.write_text("clusters: {fleet: {nodez: [n1]}}")
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: "reload failed" in daemon.log)
            assert "skewmon.yml:1:" in daemon.log
            assert daemon.metric("skewmon_config_last_reload_successful") == 0
            rounds = daemon.metric("skewmon_rounds_total")
            await daemon.until(lambda: daemon.metric("skewmon_rounds_total") > rounds + 1)
            assert daemon.measured() == ["n1", "n2"]
            place.write("n1")
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: daemon.metric("skewmon_config_last_reload_successful") == 1)
            await daemon.until(lambda: daemon.measured() == ["n1"])
        assert "Traceback" not in daemon.log


async def test_reloads_are_events_with_their_changes(tmp_path: Path) -> None:
    """Added and removed nodes; a refusal once, with its reason, and its end even without a change."""
    async with Fleet(3) as fleet:
        place = Place(tmp_path, fleet)
        path = place.write("n1", "n2")
        async with Running(path) as daemon:

            def told() -> list[str]:
                return [one["message"] for one in daemon.events() if one["kind"].startswith("reload")][::-1]

            await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
            place.write("n2", "n3")
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: len(told()) == 1)
            path.write_text("clusters: {fleet: {nodez: [n1]}}")
            for refusals in (1, 2):
                daemon.send(signal.SIGHUP)
                await daemon.until(lambda count=refusals: daemon.log.count("reload failed") == count)
            place.write("n2", "n3")
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: len(told()) == 3)
            changed, refused, mended = told()
    assert changed == "The configuration was read again: n3 joined fleet; n1 left fleet."
    assert refused.startswith("The configuration was not reloaded, and the old one holds: ")
    assert "skewmon.yml:1:" in refused
    assert mended == "The configuration was read again: the clusters and their nodes are the same."


async def test_a_node_of_two_clusters_with_other_intervals_is_shared(tmp_path: Path) -> None:
    """One login, two cadences, and neither disturbs the other."""
    async with Fleet(3) as fleet:
        clusters = {
            "often": {"nodes": ["n1", "n2"], "interval": "1s"},
            "seldom": {"nodes": ["n2", "n3"], "interval": "2s"},
        }
        async with Running(Place(tmp_path, fleet).write(clusters=clusters)) as daemon:
            await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= 8)
            assert daemon.measured("often") == ["n1", "n2"]
            assert daemon.measured("seldom") == ["n2", "n3"]
            assert fleet["n2"].log.count("Accepted publickey") == 1
            assert "bug" not in daemon.log


async def test_a_node_whose_server_restarts_is_measured_again(tmp_path: Path) -> None:
    """Absent at once, back within a few seconds, without anybody's help."""
    async with Fleet(2) as fleet, Running(Place(tmp_path, fleet).write("n1", "n2")) as daemon:
        await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
        fleet["n1"].stop()
        await daemon.until(lambda: daemon.measured() == ["n2"], 5.0)
        node = daemon.cluster()["nodes"][0]
        assert node["offset"] is None
        assert node["reason"] in {"disconnected", "program-ended", "connection-refused"}
        fleet["n1"].start()
        await daemon.until(lambda: daemon.measured() == ["n1", "n2"], 15.0)


async def test_a_storm_of_reloads_that_change_nothing_disturbs_no_round(tmp_path: Path) -> None:
    """Frequent reloads could otherwise keep every round from its end and fill the journal."""
    async with Fleet(2) as fleet, Running(Place(tmp_path, fleet).write("n1", "n2")) as daemon:
        await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
        before = daemon.metric("skewmon_rounds_total")
        for _ in range(100):
            daemon.send(signal.SIGHUP)
            await asyncio.sleep(0.02)
        await daemon.until(lambda: "event=reloaded" in daemon.log)
        await daemon.until(lambda: daemon.metric("skewmon_rounds_total") > before)
        assert daemon.metric("skewmon_rounds_total") - before < 20, "the grid of rounds began anew"
        assert daemon.measured() == ["n1", "n2"]
        kinds = [event["kind"] for event in daemon.events()]
        assert "reloaded" not in kinds
        assert await daemon.end() < END_S


@pytest.mark.parametrize("reloading", [False, True], ids=["", "while it reloads"])
async def test_sigterm_ends_in_time_although_nodes_hang(tmp_path: Path, reloading: bool) -> None:
    """A frozen node, a port that never greets, a name that waits for its server."""

    async def silent(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with Fleet(3) as fleet, raw(silent) as port:
        place = Place(tmp_path, fleet)
        path = place.write("n1", "n2", "n3")
        whole = yaml.safe_load(path.read_text())
        whole["clusters"]["fleet"]["nodes"].append({"name": "hangs", "address": "127.0.3.1", "port": port})
        whole["clusters"]["fleet"]["nodes"].append("no-such-host.invalid")
        path.write_text(yaml.safe_dump(whole))
        fleet["n3"].freeze()
        async with Running(path) as daemon:
            await daemon.until(lambda: daemon.measured() == ["n1", "n2"])
            fleet["n2"].freeze()
            if reloading:
                daemon.send(signal.SIGHUP)
            assert await daemon.end() < END_S
            assert "Traceback" not in daemon.log


async def test_bastions_are_let_go_of(tmp_path: Path) -> None:
    """A connection to a bastion is closed if no node needs it any more, and at the end of the daemon."""
    async with Fleet(3) as fleet:
        place, bastion = Place(tmp_path, fleet), fleet["n1"]
        jump = f"{fleet.user}@{bastion.address}:{bastion.port}"
        async with Running(place.write("n2", "n3", jump=jump)) as daemon:
            await daemon.until(lambda: daemon.measured() == ["n2", "n3"])
            assert connections(bastion.address, bastion.port) == 1
            place.write("n2")
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: daemon.measured() == ["n2"])
            await daemon.until(lambda: connections(bastion.address, bastion.port) == 0)
            place.write("n3", jump=jump)
            daemon.send(signal.SIGHUP)
            await daemon.until(lambda: daemon.measured() == ["n3"])
            assert connections(bastion.address, bastion.port) == 1
            assert await daemon.end() < END_S
        assert connections(bastion.address, bastion.port) == 0


def connections(address: str, port: int) -> int:
    """Return how many established TCP connections a server has at a place."""
    place = f"{int.from_bytes(socket.inet_aton(address), 'little'):08X}:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(words[1] == place and words[3] == "01" for words in map(str.split, lines))


async def test_an_unusable_start_is_one_sentence_and_code_78(tmp_path: Path) -> None:
    """Systemd does not restart on that code."""
    path = tmp_path / "skewmon.yml"
    path.write_text("clusters: {fleet: {nodez: [n1]}}")
    daemon = Running(path)
    with pytest.raises(AssertionError):
        await daemon.__aenter__()
    assert daemon.process.wait() == 78
    assert "nodez" in daemon.log
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("lack", ["a free port", "an address", "an inventory"])
async def test_a_start_that_may_succeed_later_ends_with_a_code_that_systemd_tries_again(
    tmp_path: Path, lack: str
) -> None:
    """After a reboot the network or the inventory may be late, with no administrator to start it again."""
    path = tmp_path / "skewmon.yml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}" if lack == "a free port" else "127.0.0.1:0"
        listen = "192.0.2.1:0" if lack == "an address" else listen
        nodes = "inventory: [{http_sd: 'http://127.0.0.1:1/'}]" if lack == "an inventory" else "nodes: [n1]"
        path.write_text(
            f"clusters: {{fleet: {{{nodes}}}}}\nweb: {{listen: '{listen}'}}\nstate_directory: {tmp_path}\n"
        )
        daemon = Running(path)
        with pytest.raises(AssertionError):
            await daemon.__aenter__()
        assert daemon.process.wait() == 1
    assert "skewmon: " in daemon.log
    assert "Traceback" not in daemon.log


async def test_an_inventory_that_is_not_there_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    """A file does not come by itself, so systemd must not try for ever."""
    path = tmp_path / "skewmon.yml"
    missing = f"inventory: [{{file_sd: '{tmp_path}/missing.yml'}}]"
    path.write_text(f"clusters: {{fleet: {{{missing}}}}}\nstate_directory: {tmp_path}\n")
    daemon = Running(path)
    with pytest.raises(AssertionError):
        await daemon.__aenter__()
    assert daemon.process.wait() == 78
    assert "missing.yml" in daemon.log


async def test_an_alert_advises_a_command_that_reads_the_daemon_s_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that was started with a relative path advises the whole one."""
    (tmp_path / "f.yml").write_text("clusters: {fleet: {nodes: [n1]}}")
    monkeypatch.chdir(tmp_path)
    (cluster,) = await resolved(load("f.yml"), Options("f.yml").absolute_file)
    assert cluster.config_file == str(tmp_path / "f.yml")

"""A live inventory of a running daemon: bad entries and failing sources are reported, and cost no more."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from tests.fleet.sshd import Fleet
from tests.integration.running import Running

BAD = "Rack 12 PDU"

#: The daemon with a shorter pause between refreshes.
QUICK = """\
from skewmon.daemon import reload
reload.INVENTORY_REFRESH_S = 0.5
from skewmon.cli.main import main
main()
"""


def configuration(directory: Path, fleet: Fleet) -> Path:
    """Write a configuration whose nodes are those of a target file."""
    path = directory / "skewmon.yml"
    whole = {
        "web": {"listen": "127.0.0.1:0"},
        "state_directory": str(directory / "state"),
        "ssh": {
            "user": fleet.user,
            "identity": str(fleet.identity),
            "known_hosts": str(fleet.known_hosts),
        },
        "clusters": {
            "fleet": {
                "interval": "1s",
                "samples": 2,
                "inventory": [{"file_sd": str(directory / "targets.json")}],
            }
        },
    }
    path.write_text(yaml.safe_dump(whole))
    return path


def write_targets(directory: Path, fleet: Fleet, *names: str, bad: tuple[str, ...] = ()) -> None:
    """Replace the target file as tools do, whole."""
    groups: list[dict[str, Any]] = [
        {"targets": [fleet[name].address], "labels": {"__ssh_port": str(fleet[name].port)}} for name in names
    ]
    new = directory / "targets.new"
    new.write_text(json.dumps([*groups, {"targets": bad}]))
    new.rename(directory / "targets.json")


def faults(daemon: Running) -> list[dict[str, Any]]:
    """Return the events about the inventory's faults, oldest first."""
    return [one for one in daemon.events() if one["kind"] in {"inventory-fault", "inventory-recovered"}][::-1]


def findings(daemon: Running) -> dict[str, str]:
    """Return the cluster's findings about its inventory: messages by kind."""
    found = daemon.cluster().get("findings", [])
    return {one["kind"]: one["message"] for one in found if one["kind"].startswith("inventory-")}


def page(daemon: Running) -> str:
    """Return the page as a browser without scripts gets it."""
    with urllib.request.urlopen(f"http://{daemon.address}/", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


async def test_a_bad_entry_costs_itself_alone_and_is_reported_at_the_next_refresh(tmp_path: Path) -> None:
    """New nodes beside it are measured; metric, event, log, JSON and page name it; so is its end reported."""
    async with Fleet(3) as fleet:
        write_targets(tmp_path, fleet, "n1", "n2")
        addresses = [node.address for node in fleet]
        async with Running(configuration(tmp_path, fleet), program=("-c", QUICK)) as daemon:
            await daemon.until(lambda: daemon.measured() == addresses[:2])
            assert daemon.metric("skewmon_inventory_rejected_entries") == 0
            assert daemon.metric("skewmon_inventory_last_read_successful") == 1
            write_targets(tmp_path, fleet, "n1", "n2", "n3", bad=(BAD,))
            await daemon.until(lambda: daemon.measured() == addresses)
            await daemon.until(lambda: list(findings(daemon)) == ["inventory-entry-rejected"])
            assert BAD in findings(daemon)["inventory-entry-rejected"]
            assert BAD in page(daemon)
            assert daemon.metric("skewmon_inventory_nodes") == 3
            assert daemon.metric("skewmon_inventory_rejected_entries") == 1
            assert f'entry="{BAD}"' in daemon.metrics()
            assert BAD in daemon.log
            (event,) = faults(daemon)
            assert (event["kind"], event["cluster"]) == ("inventory-fault", "fleet")
            assert BAD in event["message"]
            write_targets(tmp_path, fleet, "n1", "n2", "n3")
            await daemon.until(lambda: not findings(daemon))
            assert [one["kind"] for one in faults(daemon)] == ["inventory-fault", "inventory-recovered"]
            assert fleet["n1"].log.count("Accepted publickey") == 1


async def test_a_source_that_fails_keeps_its_last_answer_and_disturbs_no_round(tmp_path: Path) -> None:
    """The rounds keep their schedule; the failure is one event however many refreshes fail."""
    async with Fleet(2) as fleet:
        write_targets(tmp_path, fleet, "n1", "n2")
        addresses = [node.address for node in fleet]
        async with Running(configuration(tmp_path, fleet), program=("-c", QUICK)) as daemon:
            await daemon.until(lambda: daemon.measured() == addresses)
            (tmp_path / "targets.json").unlink()
            await daemon.until(lambda: list(findings(daemon)) == ["inventory-unreadable"])
            assert daemon.metric("skewmon_inventory_last_read_successful") == 0
            succeeded = daemon.metric("skewmon_inventory_last_success_timestamp_seconds")
            rounds = daemon.metric("skewmon_rounds_total")
            await daemon.until(lambda: daemon.metric("skewmon_rounds_total") >= rounds + 3)
            assert daemon.measured() == addresses
            assert daemon.metric("skewmon_inventory_last_success_timestamp_seconds") == succeeded
            assert [one["kind"] for one in faults(daemon)] == ["inventory-fault"]
            assert daemon.log.count("cannot be read") == 1
            write_targets(tmp_path, fleet, "n1", "n2")
            await daemon.until(lambda: daemon.metric("skewmon_inventory_last_read_successful") == 1)
            await daemon.until(
                lambda: daemon.metric("skewmon_inventory_last_success_timestamp_seconds") > succeeded
            )
            assert not findings(daemon)

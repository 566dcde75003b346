"""A bad entry of a live inventory costs itself alone; a source that cannot be read keeps its last answer."""

import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from skewmon.config.loader import loads
from skewmon.config.schema import Config
from skewmon.errors import InventoryAwayError, InventoryError
from skewmon.inventory.faults import inventory_events, inventory_findings
from skewmon.inventory.listing import MAX_NAMED
from skewmon.inventory.resolve import resolve
from skewmon.model import Cluster, Inventory

GOOD = [f"n{number}" for number in range(1, 50)]
BAD = "Rack 12 PDU"

#: Twenty good entries, the bad one, and the other good ones.
ENTRIES = [*GOOD[:20], BAD, *GOOD[20:]]

#: Writes a source of these entries and returns it as the configuration has it.
Write = Callable[[list[str]], str]


def target_groups(entries: list[str]) -> str:
    """Return a list of one target group."""
    return json.dumps([{"targets": entries}])


@pytest.fixture
async def targets_url(tmp_path: Path) -> AsyncIterator[str]:
    """Serve the file targets.json, or 503 if there is none; yield the URL, which has a secret parameter."""

    async def handler(_: web.Request) -> web.Response:
        path = tmp_path / "targets.json"
        return web.json_response(text=path.read_text()) if path.exists() else web.Response(status=503)

    application = web.Application()
    application.router.add_get("/nodes", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/nodes?token=hunter2"
    await runner.cleanup()


@pytest.fixture(params=["ansible", "file_sd", "http_sd", "ssh_config"])
def write(
    request: pytest.FixtureRequest, tmp_path: Path, targets_url: str, monkeypatch: pytest.MonkeyPatch
) -> Write:
    """Return a function that writes a source of each kind."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def source(entries: list[str]) -> str:
        (tmp_path / "targets.json").write_text(target_groups(entries))
        (tmp_path / "config").write_text(f"Host {' '.join(json.dumps(one) for one in entries)}\n User u\n")
        (tmp_path / "listing.json").write_text(json.dumps({"all": {"hosts": entries}}))
        program = tmp_path / "ansible-inventory"
        program.write_text(f"#!/bin/sh\nexec cat {tmp_path}/listing.json\n")
        program.chmod(0o755)
        return {
            "ansible": f"ansible: {program}",
            "file_sd": f"file_sd: {tmp_path}/targets.json",
            "http_sd": f"http_sd: '{targets_url}'",
            "ssh_config": f"ssh_config: {tmp_path}/config, hosts: '*'",
        }[request.param]

    return source


def configuration(source: str, ssh: str = "{}") -> Config:
    """Return a configuration of one cluster with one source."""
    return loads(f"clusters: {{c: {{ssh: {ssh}, inventory: [{{{source}}}]}}}}", "/etc/f.yml")


async def read(source: str, before: tuple[Cluster, ...] = ()) -> Cluster:
    """Return the only cluster of a source."""
    (cluster,) = await resolve(configuration(source), before)
    return cluster


async def test_one_bad_entry_among_fifty_costs_itself_alone(write: Write) -> None:
    """Of every kind of source: 49 nodes, and the bad entry by name and reason."""
    cluster = await read(write(ENTRIES))
    assert [node.name for node in cluster.nodes] == GOOD
    (inventory,) = cluster.inventories
    assert len(inventory.nodes) == 49
    assert [one.name for one in inventory.rejected] == [BAD]
    assert "'Rack 12 PDU' is not a host name or address" in inventory.rejected[0].reason
    assert inventory.error == ""
    assert "hunter2" not in repr(inventory.name) + repr(inventory.rejected)


async def test_a_bad_entry_is_a_finding_and_an_event_and_so_is_its_end(write: Write) -> None:
    """A change is one event; a refresh that changes nothing is none."""
    bad = replace(await read(write(ENTRIES)), config_file="/etc/skewmon.yml")
    (finding,) = inventory_findings(bad)
    assert (finding.kind, finding.severity) == ("inventory-entry-rejected", "warning")
    assert BAD in finding.message
    assert finding.next == "skewmon config check --resolve /etc/skewmon.yml"
    (event,) = inventory_events((), (bad,))
    assert (event.kind, event.cluster, event.detail["rejected"]) == ("inventory-fault", "c", [BAD])
    assert BAD in event.message
    again = await read(write(ENTRIES), (bad,))
    assert not list(inventory_events((bad,), (again,)))
    mended = await read(write(GOOD), (again,))
    assert not list(inventory_findings(mended))
    assert [one.kind for one in inventory_events((again,), (mended,))] == ["inventory-recovered"]


async def test_a_source_of_nothing_but_bad_entries_keeps_its_last_answer(write: Write) -> None:
    """Without a last answer it is an error; then its nodes are still measured, and the reason is reported."""
    with pytest.raises(InventoryError, match="each of its 2 entries; the first"):
        await read(write([BAD, "10.0.0.1/32"]))
    good = await read(write(GOOD))
    broken = await read(write([BAD, "10.0.0.1/32"]), (good,))
    assert broken.nodes == good.nodes
    (finding,) = inventory_findings(broken)
    assert finding.kind == "inventory-unreadable"
    assert BAD in finding.message
    mended = await read(write(GOOD[:5]), (broken,))
    assert len(mended.nodes) == 5
    assert not list(inventory_findings(mended))


async def test_a_last_answer_counts_for_the_same_source_and_settings_alone(
    tmp_path: Path, targets_url: str
) -> None:
    """A changed login or address must be read before it is used."""
    targets = tmp_path / "targets.json"
    targets.write_text(target_groups(GOOD))
    source = f"http_sd: '{targets_url}'"
    before = await resolve(configuration(source))
    targets.unlink()
    (kept,) = await resolve(configuration(source), before)
    assert kept.nodes == before[0].nodes
    assert "/nodes?token=*** answered 503 Service Unavailable" in kept.inventories[0].error
    for other in (configuration(source, "{user: u}"), configuration(source.replace("hunter2", "other"))):
        with pytest.raises(InventoryAwayError, match=r"cluster c, http_sd: .* answered 503"):
            await resolve(other, before)


async def test_one_source_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    """New nodes of the other sources, and of other clusters, are measured."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(target_groups([name]))
    config = loads(
        f"clusters: {{c: {{inventory: [{{file_sd: {tmp_path}/a.json}}, {{file_sd: {tmp_path}/b.json}}]}}, "
        f"d: {{inventory: [{{file_sd: {tmp_path}/b.json}}]}}}}",
        "/etc/f.yml",
    )
    before = await resolve(config)
    (tmp_path / "a.json").unlink()
    (tmp_path / "b.json").write_text(target_groups(["b", "new"]))
    after = await resolve(config, before)
    assert [[node.name for node in cluster.nodes] for cluster in after] == [["a", "b", "new"], ["b", "new"]]
    assert [one.error != "" for cluster in after for one in cluster.inventories] == [True, False, False]


async def test_bad_groups_and_labels_cost_their_own_targets(tmp_path: Path) -> None:
    """Each is named, with the file."""
    (tmp_path / "a.yml").write_text(
        "- {targets: [n1]}\n- 7\n- {targets: [n2, n3], labels: {__ssh_port: x}}\n- {targets: [n4, 'http://u:pw@h/']}\n"
    )
    cluster = await read(f"file_sd: {tmp_path}/*.yml")
    (inventory,) = cluster.inventories
    assert [node.name for node in inventory.nodes] == ["n1", "n4"]
    assert [one.name for one in inventory.rejected] == ["group 2", "n2", "n3", "http://***@h/"]
    assert all(f"{tmp_path}/a.yml: " in one.reason for one in inventory.rejected)
    assert not any("pw" in one.reason for one in inventory.rejected)


async def test_targets_below_a_second_key_of_the_same_name_are_not_lost_unseen(tmp_path: Path) -> None:
    """YAML keeps one of them."""
    path = tmp_path / "targets.yml"
    path.write_text("- targets: [n1]\n- targets: [n2]\n  targets: [n3]\n")
    cluster = await read(f"file_sd: {path}")
    assert [node.name for node in cluster.nodes] == ["n1", "n2"]
    ((rejected,),) = [source.rejected for source in cluster.inventories]
    assert rejected.name == "line 3"
    assert rejected.reason == f"{path}:3:3: duplicate key 'targets' (the first one is in line 2)"


async def test_an_empty_file_of_targets_is_not_taken_for_a_configuration(tmp_path: Path) -> None:
    """Its error has no advice about `skewmon config init`."""
    path = tmp_path / "targets.yml"
    path.write_text("")
    with pytest.raises(InventoryError, match=r"the file is empty$"):
        await resolve(configuration(f"file_sd: {path}"))


async def test_rejected_entries_beyond_a_limit_are_counted(tmp_path: Path) -> None:
    """A file of nonsense is neither kept in memory nor exported whole."""
    (tmp_path / "a.json").write_text(target_groups(["n1", *(f"bad {number}" for number in range(5_000))]))
    cluster = await read(f"file_sd: {tmp_path}/a.json")
    (inventory,) = cluster.inventories
    assert (inventory.rejected_count, len(inventory.rejected)) == (5_000, MAX_NAMED)
    (finding,) = inventory_findings(cluster)
    assert (
        "5000 entries that are not measured, bad 0, bad 1, bad 2, bad 3, bad 4 and 4995 more"
        in finding.message
    )


async def test_a_name_that_forges_log_lines_is_harmless(tmp_path: Path) -> None:
    """Control characters become visible; a long name is cut."""
    (tmp_path / "a.json").write_text(target_groups(["n1", "x\nlevel=error\x1b[2J", "y" * 5_000]))
    cluster = await read(f"file_sd: {tmp_path}/a.json")
    (inventory,) = cluster.inventories
    assert all(one.name.isprintable() and len(one.name) <= 60 for one in inventory.rejected)
    assert all(one.message.isprintable() for one in inventory_findings(cluster))


async def test_an_error_of_a_program_is_cut_and_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finding and an event repeat the end of its standard error; a terminal must not obey it."""
    program = tmp_path / "ansible-inventory"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    program.write_text('#!/bin/sh\necho \'{"all": {"hosts": ["n1"]}}\'\n')
    program.chmod(0o755)
    good = await read(f"ansible: {program}")
    program.write_text("#!/bin/sh\nprintf '\\033[2J%05000d' 1 >&2\nexit 1\n")
    kept = await read(f"ansible: {program}", (good,))
    (finding,) = inventory_findings(kept)
    assert "ansible-inventory failed: \\x1b[2J0000" in finding.message
    assert finding.message.isprintable()
    assert len(finding.message) < 1_000


async def test_a_file_that_ssh_refuses_keeps_its_last_answer(tmp_path: Path) -> None:
    """One bad keyword makes ssh refuse the whole file: that must not end the measuring of all its hosts."""
    path = tmp_path / "config"
    path.write_text("Host n1 n2\n User u\n")
    good = await read(f"ssh_config: {path}, hosts: '*'")
    path.write_text("Host n1 n2\n Usr u\n")
    kept = await read(f"ssh_config: {path}, hosts: '*'", (good,))
    assert kept.nodes == good.nodes
    assert "Bad configuration option: usr" in kept.inventories[0].error


async def test_without_a_last_answer_the_other_sources_can_be_listed(tmp_path: Path) -> None:
    """For a command that reports every fault at once."""
    (tmp_path / "a.json").write_text(target_groups(["n1"]))
    text = f"{{file_sd: {tmp_path}/a.json}}, {{file_sd: {tmp_path}/none.json}}"
    config = loads(f"clusters: {{c: {{inventory: [{text}]}}}}", "/etc/f.yml")
    (cluster,) = await resolve(config, keep_going=True)
    assert [node.name for node in cluster.nodes] == ["n1"]
    assert [type(one) for one in cluster.inventories] == [Inventory, Inventory]
    assert cluster.inventories[1].error.startswith("no file matches")

"""From a configuration to clusters of nodes: layers of settings, names, duplicates, limits."""

from pathlib import Path

import pytest

from skewmon.alert.thresholds import in_force
from skewmon.config.loader import load, loads
from skewmon.errors import ConfigError, InventoryError
from skewmon.inventory.resolve import INVENTORIES, resolve
from skewmon.model import Cluster, Node, SshSettings


async def resolved(text: str) -> Cluster:
    """Return the only cluster of a text."""
    (cluster,) = await resolve(loads(text, "/etc/skewmon/f.yml"))
    return cluster


async def test_ranges_become_nodes_in_order() -> None:
    """A name is the address by default."""
    cluster = await resolved("clusters: {etcd: {nodes: ['n[2-3].example.com', n1]}}")
    assert [node.name for node in cluster.nodes] == ["n2.example.com", "n3.example.com", "n1"]
    assert all(node.name == node.address for node in cluster.nodes)


async def test_the_defaults_of_a_login_are_those_of_the_set_up_guide() -> None:
    """Nothing of the user's own ssh configuration counts here."""
    cluster = await resolved("clusters: {etcd: {nodes: [n1]}}")
    assert cluster.nodes[0].ssh == SshSettings(
        user="skewmon",
        port=22,
        identities=("/etc/skewmon/ssh/id_ed25519",),
        known_hosts=("/etc/skewmon/ssh/known_hosts",),
    )


LAYERS = """
ssh: {user: a, port: 1, connect_timeout: 5s, jump: hop}
clusters:
  etcd:
    ssh: {user: b, known_hosts: kh}
    nodes:
      - n1
      - "c@n2:2"
      - {name: n3, ssh: {user: d, jump: []}}
      - {name: n4, address: "10.0.0.4", port: 4}
      - {name: n5, address: "10.0.0.5", ssh: {port: 5, agent: true, host_key_alias: five}}
"""


async def test_the_nearest_layer_counts() -> None:
    """Defaults, cluster, node, in this order; settings that a layer leaves open come from the one before."""
    cluster = await resolved(LAYERS)
    settings = {node.name: node.ssh for node in cluster.nodes}
    assert [(s.user, s.port) for s in settings.values()] == [("b", 1), ("c", 2), ("d", 1), ("b", 4), ("b", 5)]
    assert {s.known_hosts for s in settings.values()} == {("/etc/skewmon/kh",)}
    assert {s.connect_timeout_s for s in settings.values()} == {5.0}
    assert settings["n1"].jump == ("hop",)
    assert settings["n3"].jump == ()
    assert settings["n5"].host_key_alias == "five"
    assert (settings["n5"].agent, settings["n5"].identities) == (True, ())


WAYS = """
ssh: {jump: hop}
clusters:
  etcd:
    ssh: {proxy_command: "nc %h %p"}
    nodes:
      - n1
      - {name: n2, ssh: {jump: gate}}
      - {name: n3, ssh: {jump: []}}
      - {name: n4, ssh: {proxy_command: x}}
"""


async def test_the_nearest_way_to_a_node_replaces_the_others() -> None:
    """A bastion and a proxy command exclude each other."""
    cluster = await resolved(WAYS)
    assert [(node.ssh.jump, node.ssh.proxy_command) for node in cluster.nodes] == [
        ((), "nc %h %p"),
        (("gate",), None),
        ((), None),
        ((), "x"),
    ]


async def test_a_node_that_is_named_twice_is_one_node() -> None:
    """Overlapping ranges are common; the first entry counts."""
    cluster = await resolved("clusters: {etcd: {nodes: ['root@n1', 'n[1-2]']}}")
    assert [(node.name, node.ssh.user) for node in cluster.nodes] == [("n1", "root"), ("n2", "skewmon")]


async def test_ports_of_one_host_are_different_nodes() -> None:
    """They are named after address and port, and others keep their names."""
    cluster = await resolved("clusters: {etcd: {nodes: ['h:1', 'h:2', '[::1]:3', '[::1]:4', n1]}}")
    assert [node.name for node in cluster.nodes] == ["h:1", "h:2", "[::1]:3", "[::1]:4", "n1"]


async def test_schedule_and_lines_are_carried_over() -> None:
    """Durations become seconds."""
    cluster = await resolved(
        "clusters: {etcd: {nodes: [n1], interval: 1m30s, status_interval: 2m, samples: 3, profile: etcd}}"
    )
    assert (cluster.interval_s, cluster.status_interval_s, cluster.samples) == (90.0, 120.0, 3)
    assert cluster.thresholds == in_force("etcd", ())


async def test_a_credential_is_looked_up_in_the_directory_of_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name stays in the file, the path comes from the environment."""
    text = "ssh: {identity: 'credential:key'}\nclusters: {etcd: {nodes: [n1]}}"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/skewmon.service")
    cluster = await resolved(text)
    assert cluster.nodes[0].ssh.identities == ("/run/credentials/skewmon.service/key",)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ConfigError, match="LoadCredential=key:"):
        await resolved(text)


async def test_a_command_by_root_finds_the_credentials_of_the_running_service(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A command that an alert advises reads the service's configuration, and runs outside the service."""
    text = "ssh: {identity: 'credential:key'}\nclusters: {etcd: {nodes: [n1]}}"
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr("skewmon.config.paths.SERVICE_CREDENTIALS", str(tmp_path))
    with pytest.raises(ConfigError, match="a command needs root, and the service to run"):
        await resolved(text)
    (tmp_path / "key").write_text("")
    cluster = await resolved(text)
    assert cluster.nodes[0].ssh.identities == (f"{tmp_path}/key",)


async def test_every_source_that_the_schema_knows_is_registered() -> None:
    """One list, one dict."""
    with pytest.raises(ConfigError) as caught:
        loads("clusters: {etcd: {inventory: [{}]}}", "f.yml")
    assert ", ".join(INVENTORIES) in str(caught.value)


async def test_a_source_that_fails_is_named(tmp_path: Path) -> None:
    """Cluster, source and reason."""
    text = f"clusters: {{etcd: {{inventory: [{{file_sd: {tmp_path}/*.yml}}]}}}}"
    with pytest.raises(InventoryError, match=r"cluster etcd, file_sd: no file matches .*\*\.yml"):
        await resolved(text)


async def test_too_many_nodes_of_live_sources_are_refused(tmp_path: Path) -> None:
    """The limit holds for all sources together."""
    targets = ", ".join(f"n{number}" for number in range(6_000))
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(f"[{{targets: [{targets.replace('n', name)}]}}]")
    text = f"clusters: {{etcd: {{inventory: [{{file_sd: {tmp_path}/*.json}}]}}}}"
    with pytest.raises(InventoryError, match="has 12000 nodes; at most 10000"):
        await resolved(text)


async def test_the_minimal_example_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template of a first configuration has nodes, and its key is the service's credential."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/skewmon.service")
    (cluster,) = await resolve(load(f"{Path(__file__).parents[2]}/config/skewmon.minimal.yml"))
    assert cluster.nodes[0] == Node("etcd1.example.com", "etcd1.example.com", cluster.nodes[1].ssh)
    assert Path(cluster.nodes[0].ssh.identities[0]).is_absolute()

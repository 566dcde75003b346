"""``skewmon config check`` warns about valid configurations that do not do what their author intends."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from skewmon.cli.main import skewmon

#: A login whose files exist; the test makes them.
LOGIN = "ssh: {identity: key, known_hosts: kh}\n"

#: A profile with lines against UTC, and a line that warns before its critical one.
FINRA = "profile: finra, thresholds: [{severity: warning, skew: 20ms}]"

INVERTED = "[{severity: warning, skew: 2s}, {severity: critical, skew: 1s}]"


def warnings(tmp_path: Path, text: str) -> list[str]:
    """Return the warnings about a configuration that is accepted."""
    for name in ("key", "kh"):
        (tmp_path / name).touch()
    (tmp_path / "skewmon.yml").write_text(text)
    result = CliRunner().invoke(skewmon, ["config", "check", str(tmp_path / "skewmon.yml")])
    assert result.exit_code == 0, result.output
    assert "is in order" in result.stdout
    return [line.removeprefix("skewmon: warning: ") for line in result.stderr.splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clusters: {c: {nodes: [n1, n2]}}", []),
        ("clusters: {c: {nodes: ['n[1-2]:22', {name: x, ssh: {identity: key}}]}}", []),
        ("clusters: {c: {nodes: [n1, n2], ssh: {identity: [], agent: true}}}", []),
        ("clusters: {c: {nodes: [n1, n2], ssh: {identity: 'credential:key'}}}", []),
        ("clusters: {c: {nodes: [n1]}}", ["it has one node, and a skew needs two"]),
        ("shard: {index: 0, of: 3}\nclusters: {c: {nodes: ['n[1-30]']}}", []),
        ("shard: {index: 0, of: 1}\nclusters: {c: {nodes: ['a:22', 'a:23']}}", []),
        (
            "shard: {index: 0, of: 3}\nclusters: {c: {nodes: [a, b]}}",
            ["measures 1 of its 2 nodes", "whole clusters"],
        ),
        ("shard: {index: 2, of: 3}\nclusters: {c: {nodes: [a, b]}}", ["measures 0 of its 2 nodes"]),
        ("clusters: {c: {nodes: [n1, n2], ssh: {identity: none}}}", ["none does not exist"]),
        ("clusters: {c: {nodes: [n1, n2], ssh: {identity: []}}}", ["neither an identity nor an agent"]),
        ("clusters: {c: {nodes: [n1, {name: n2, ssh: {known_hosts: none}}]}}", ["known_hosts: ", "none"]),
        ("clusters: {c: {nodes: [n1, n2], ssh: {known_hosts: /dev/null}}}", ["/dev/null holds no key"]),
        (
            f"clusters: {{c: {{nodes: [n1, n2], thresholds: {INVERTED}}}}}",
            ["the warning on skew is above the critical"],
        ),
        (
            f"clusters: {{c: {{nodes: [n1, n2], {FINRA}}}}}",
            ["against UTC", "3 or more; none is configured"],
        ),
        (
            f"references: [a, b]\nclusters: {{c: {{nodes: [n1, n2], {FINRA}}}}}",
            ["3 or more; 2 are configured"],
        ),
        (f"references: [a, b, c]\nclusters: {{c: {{nodes: [n1, n2], {FINRA}}}}}", []),
        (
            "clusters: {c: {nodes: [n1, n2], profile: etcd}}",
            ["profile etcd", "{severity: warning, skew: 50ms}"],
        ),
        ("clusters: {c: {nodes: [n1, n2], profile: ceph}}", []),
        ("clusters: {c: {nodes: [n1, n2], profile: ydb}}", []),
        ("clusters: {c: {nodes: [n1], inventory: [{file_sd: '*.json'}]}}", ["file_sd", "no file matches"]),
        ("clusters: {c: {nodes: [n1], inventory: [{ansible: hosts}]}}", ["ansible", "does not exist"]),
        ("web: {listen: ':10061'}\nclusters: {c: {nodes: [n1, n2]}}", ["everyone who reaches :10061"]),
        ("web: {listen: '0.0.0.0:1'}\nclusters: {c: {nodes: [n1, n2]}}", ["set a password"]),
        ("web: {listen: '[::1]:1'}\nclusters: {c: {nodes: [n1, n2]}}", []),
        ("web: {listen: 'localhost:1'}\nclusters: {c: {nodes: [n1, n2]}}", []),
    ],
)
def test_a_doubtful_setting_is_one_warning(text: str, expected: list[str], tmp_path: Path) -> None:
    """Each names the cluster or the key; a configuration without doubt has none."""
    found = warnings(tmp_path, LOGIN + text)
    assert len(found) == bool(expected), found
    assert all(part in found[0] for part in expected)


def test_a_password_makes_every_address_right(tmp_path: Path) -> None:
    """Basic auth closes the page and the configuration."""
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{u: '$2b$12${'a' * 53}'}}\n")
    text = "web: {listen: '0.0.0.0:1', config_file: web.yml}\nclusters: {c: {nodes: [n1, n2]}}"
    assert warnings(tmp_path, LOGIN + text) == []

"""``skewmon config check --resolve``: nodes of all inventories, rejected entries, unreadable sources."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from skewmon.cli.main import skewmon


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write a configuration with one source that is right and one that can be broken."""
    (tmp_path / "a.json").write_text(
        '[{"targets": ["n3:9100", "Rack 12 PDU"], "labels": {"__ssh_user": "u"}}]'
    )
    (tmp_path / "b.json").write_text('[{"targets": ["2001:db8::1"]}]')
    file = tmp_path / "skewmon.yml"
    file.write_text(
        "clusters: {etcd: {nodes: ['n[1-2]:2222'], inventory: [{file_sd: a.json}, {file_sd: b.json}]}}"
    )
    return file


def test_the_nodes_of_inventories_and_rejected_entries_are_listed(path: Path) -> None:
    """Each node with its login; a rejected entry is no error."""
    result = CliRunner().invoke(skewmon, ["config", "check", "--resolve", str(path)])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:5] == [
        "etcd: 4 nodes",
        "  n1  skewmon@n1:2222",
        "  n2  skewmon@n2:2222",
        "  n3  u@n3:22",
        "  2001:db8::1  skewmon@[2001:db8::1]:22",
    ]
    assert f"  file_sd {path.parent}/a.json: 1 node, 1 rejected" in lines
    assert any(line.startswith("    rejected: Rack 12 PDU: ") for line in lines)
    assert "is in order" in lines[-1]


def test_a_source_that_cannot_be_read_is_an_error_beside_the_nodes_of_the_others(path: Path) -> None:
    """All sources are read; every failure is reported."""
    (path.parent / "b.json").unlink()
    result = CliRunner().invoke(skewmon, ["config", "check", "--resolve", str(path)], standalone_mode=False)
    assert "  n3  u@n3:22" in result.output.splitlines()
    assert f"  file_sd {path.parent}/b.json: cannot be read" in result.output.splitlines()
    assert "in order" not in result.output
    assert f"no file matches {path.parent}/b.json" in str(result.exception)


def test_without_resolve_no_source_is_read(path: Path) -> None:
    """A check of the file alone needs no network and no other file."""
    (path.parent / "b.json").unlink()
    result = CliRunner().invoke(skewmon, ["config", "check", str(path)])
    assert result.exit_code == 0, result.output

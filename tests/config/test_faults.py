"""Every rule of the configuration has a file that breaks it, and the fault has position and reason."""

import re
from pathlib import Path

import pytest

from skewmon.config.limits import MAX_FAULTS, MAX_FILE_BYTES
from skewmon.config.loader import load, loads
from skewmon.errors import ConfigError

TESTDATA = Path(__file__).parent / "testdata"
BROKEN = sorted(TESTDATA.glob("invalid-*.yml"))
VALID = "clusters: {etcd: {nodes: [n1]}}"


def expected(path: Path) -> list[tuple[str, str]]:
    """Return position and message fragment of each fault, from the comments at the top of the file."""
    lines = path.read_bytes().split(b"\n")
    marked = [line.decode() for line in lines if line.startswith(b"# expect ")]
    found = [re.fullmatch(r"# expect (?:(\d+:\d+) )?(.*)", line) for line in marked]
    return [(match[1] or "", match[2]) for match in found if match]


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem.removeprefix("invalid-"))
def test_a_broken_rule_is_told_with_its_place(path: Path) -> None:
    """The fault names file, line, column and the expectation; there is no other fault beside it."""
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    faults = [str(fault) for fault in caught.value.faults]
    wanted = expected(path)
    assert wanted
    assert len(faults) == len(wanted), faults
    for fault, (place, fragment) in zip(faults, wanted, strict=True):
        prefix = f"{path}:{place}: " if place else f"{path}:"
        assert fault.startswith(prefix), fault
        assert fragment in fault


def test_there_are_enough_broken_files() -> None:
    """A rule without a file would go untested."""
    assert len(BROKEN) >= 40


def test_every_fault_is_told_at_once() -> None:
    """A user repairs a file in one go."""
    with pytest.raises(ConfigError) as caught:
        loads("wbe: {}\nclusters: {etcd: {nodes: ['n[3-1]', no], samples: 0}}", "f.yml")
    assert [(fault.line, fault.column) for fault in caught.value.faults] == [
        (1, 1),
        (2, 27),
        (2, 37),
        (2, 51),
    ]


def test_a_flood_of_faults_is_cut() -> None:
    """Beyond a screenful the rest is counted."""
    keys = "\n".join(f"key{number}: 1" for number in range(MAX_FAULTS + 10))
    with pytest.raises(ConfigError) as caught:
        loads(f"{keys}\n{VALID}", "f.yml")
    assert len(caught.value.faults) == MAX_FAULTS + 1
    assert "10 more faults are left out" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such file (`skewmon config init` writes a first one)"),
        (lambda path: path.mkdir(), "this is a directory (name the file in it)"),
        (
            lambda path: path.write_bytes(b"#" * (MAX_FILE_BYTES + 1)),
            "the file is larger than 4 MiB (check that this is the file you mean)",
        ),
        (lambda path: path.symlink_to(path), "cannot read the file: too many levels of symbolic links"),
    ],
    ids=["missing", "directory", "huge", "link to itself"],
)
def test_a_file_that_cannot_be_had_is_told(tmp_path: Path, make, message: str) -> None:
    """The message has the operating system's reason and the name of the file."""
    path = tmp_path / "skewmon.yml"
    make(path)
    with pytest.raises(ConfigError) as caught:
        load(str(path))
    assert str(caught.value) == f"{path}: {message}"


def test_a_name_that_is_no_path_is_told() -> None:
    """A zero byte cannot be in a path."""
    with pytest.raises(ConfigError, match="cannot read the file: embedded null byte"):
        load("a\0b")


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """Editors of another system write one."""
    path = tmp_path / "skewmon.yml"
    path.write_text(VALID, encoding="utf-8-sig")
    assert list(load(str(path)).clusters) == ["etcd"]

"""The documents agree with the listing, and they can be read in a terminal."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Pages written by hand; docs/metrics.md and the tables of docs/accuracy.md are written by commands.
PROSE = [
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "systemd" / "README.md")
    if path.name not in {"metrics.md", "accuracy.md"}
]

LINE_MAX = 120

#: Longer files and functions have more than one subject. A package with more entries cannot be overlooked.
FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 60
ENTRIES_MAX = 20

#: Lists of data, which no split would make easier to read.
LONG_FILES = {"alert/profiles.py", "export/catalogue.py"}

#: The modules of the package, without the programs for the nodes, which support other versions of Python.
MODULES = [path for path in sorted((ROOT / "skewmon").rglob("*.py")) if path.parent.name != "programs"]


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in MODULES:
        name = path.relative_to(ROOT / "skewmon").as_posix()
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def test_the_listing_names_every_part_of_the_package() -> None:
    """Each module and package below skewmon/ once; none that is gone."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    listing = "\n".join(line for line in text.splitlines() if re.match(r"    \w+(\.py|/) ", line))
    named = re.findall(r"[\w*]+(?:\.py|/)(?=\s)", listing)
    parts = [part for name in named for part in (ROOT / "skewmon").glob(name)]
    there = {
        path
        for path in (ROOT / "skewmon").iterdir()
        if (path.suffix == ".py" and not path.name.startswith("__")) or (path / "__init__.py").exists()
    }
    assert sorted(parts) == sorted(there)


def test_every_document_is_reached_from_the_readme() -> None:
    """A page without a link is not found."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md")]
    assert len(pages) > 5
    assert [page for page in pages if f"({page})" not in readme] == []


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_the_lines_of_a_document_are_short(path: Path) -> None:
    """Except tables and output of programs."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) > LINE_MAX and not line.startswith(("|", "    "))] == []


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_the_links_of_a_document_lead_somewhere(path: Path) -> None:
    """To a file of the repository, or to the world."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8"))
    near = [link for link in links if not link.startswith("https://")]
    assert [link for link in near if not (path.parent / link).exists()] == []


def test_a_class_name_means_one_class() -> None:
    """A reader who meets a name in a signature finds one definition of it."""
    names = Counter(
        node.name for _, tree in _trees() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert len(names) > 100
    assert [name for name, times in names.items() if times > 1] == []


def test_the_package_has_few_entries() -> None:
    """A reader of the listing sees all rooms at once."""
    entries = [path.name for path in (ROOT / "skewmon").iterdir() if path.name != "__pycache__"]
    assert len(entries) <= ENTRIES_MAX


def test_files_are_short() -> None:
    """One subject each; exceptions are named."""
    lines = {path.relative_to(ROOT / "skewmon").as_posix(): _lines(path) for path in MODULES}
    assert len(lines) > 100
    assert {name for name, number in lines.items() if number > FILE_LINES_MAX} <= LONG_FILES


def test_functions_are_short() -> None:
    """They fit on a screen."""
    functions = [
        (name, node.name, (node.end_lineno or 0) - node.lineno + 1)
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert len(functions) > 1000
    assert [(file, name) for file, name, lines in functions if lines > FUNCTION_LINES_MAX] == []


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())

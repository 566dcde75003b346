"""Hostile configurations: each is refused with a reason, in bounded time and memory."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

#: The silent pipe takes the longest: ten seconds, after which its content is not awaited any more.
LIMIT_S = 11.0

#: Above a process that has loaded a small file. YAML makes some thirty times its bytes of a file.
GROWTH_BYTES_MAX = 73 * 1000 * 1000

#: The same for files that are refused before they are parsed.
UNPARSED_BYTES_MAX = 24 * 1024 * 1024

HEAD = "clusters: {c: {nodes: [n1]}}\n"


def text(content: str) -> Callable[[Path], Path]:
    """Return a maker of a file with this text."""
    return lambda path: _written(path, content.encode("utf-8", "surrogatepass"))


def data(content: bytes) -> Callable[[Path], Path]:
    """Return a maker of a file with these bytes."""
    return lambda path: _written(path, content)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def pipe(path: Path) -> Path:
    """Make a pipe without a writer."""
    os.mkfifo(path)
    return path


def sparse(path: Path) -> Path:
    """Make a file of 100 MB."""
    with path.open("wb") as file:
        file.truncate(100 * 1000 * 1000)
    return path


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)

#: The content of each file, and whether it gets as far as YAML.
HOSTILE: dict[str, tuple[Callable[[Path], Path], bool]] = {
    "alias-bomb": (text(HEAD + BOMB), True),
    "alias-into-itself": (text("clusters: &a {c: *a}\n"), True),
    "mapping-bomb": (
        text("".join(f"k{n}: &k{n} {{a: *k{n - 1}, b: *k{n - 1}}}\n" for n in range(1, 40))),
        True,
    ),
    "deep-lists": (text("[" * 100_000), True),
    "deep-mappings": (text("{a: " * 100_000), True),
    "deep-blocks": (text("".join(" " * n + "a:\n" for n in range(1_000))), True),
    "huge-integer": (text(HEAD + f"web: {{listen: {'9' * 1_000_000}}}\n"), True),
    "huge-exponent": (text(HEAD + "export: {pairs: 1e999999999}\n"), True),
    "huge-range": (text("clusters: {c: {nodes: ['n[1-999999999999]']}}\n"), True),
    "range-of-ranges": (text("clusters: {c: {nodes: ['n[1-9999]x[1-9999]x[1-9999]']}}\n"), True),
    "python-tag": (text("clusters: !!python/object/apply:os.system ['touch {canary}']\n"), True),
    "many-anchors": (text(HEAD + "".join(f"k{n}: &k{n} x\n" for n in range(20_000))), True),
    "many-documents": (text("---\n" * 50_000), True),
    "long-key": (text(HEAD + "? " + "k" * 1_000_000 + "\n: 1\n"), True),
    "long-line": (text(HEAD + "# " + "x" * 3_500_000 + "\nweb: 1\n"), True),
    "surrogates": (text(HEAD + "web: {listen: '\ud800'}\n"), False),
    "binary": (data(bytes(range(256)) * 4_000), False),
    "terminal-escapes": (text(HEAD + 'web: {"\\e]0;owned\\a\\n\\rforged": 1}\n'), True),
    "hundred-megabytes": (sparse, False),
    "endless-device": (lambda _: Path("/dev/zero"), False),
    "silent-pipe": (pipe, False),
    "directory": (lambda path: path.parent, False),
}

#: Loads one file in a process that has loaded one before, and prints its cost.
LOAD = textwrap.dedent("""
    import json, re, sys, time
    from pathlib import Path
    from skewmon.config.loader import load, loads
    from skewmon.errors import SkewmonError
    try:
        loads("clusters: {c: {nodes: [n1], x: 1}}", "f.yml")
    except SkewmonError:
        pass
    # ru_maxrss would be that of the parent, which a child inherits.
    peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
    held, began = peak(), time.monotonic()
    try:
        load(sys.argv[1])
        refusal = None
    except SkewmonError as error:
        refusal = str(error)
    print(json.dumps([refusal, time.monotonic() - began, peak() - held]))
""")


def load_alone(path: Path) -> tuple[str | None, float, int]:
    """Load a file in a process of its own; return the refusal, the seconds and the bytes."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    refusal, took_s, grown = json.loads(done.stdout)
    return refusal, took_s, grown


@pytest.mark.parametrize(
    "name",
    # tests/test_files.py has the silent pipe with a short limit.
    [pytest.param(name, marks=pytest.mark.prove) if name == "silent-pipe" else name for name in HOSTILE],
)
def test_a_hostile_configuration_is_refused_within_limits(name: str, tmp_path: Path) -> None:
    """With a fault of bounded length, and no code of the file is run."""
    make, parsed = HOSTILE[name]
    canary = tmp_path / "canary"
    path = make(tmp_path / "skewmon.yml")
    if name == "python-tag":
        path.write_text(path.read_text().replace("{canary}", str(canary)))
    refusal, took_s, grown = load_alone(path)
    assert refusal
    assert "Traceback" not in refusal
    assert len(refusal) < 20_000
    assert all(line.isprintable() for line in refusal.splitlines())
    assert not canary.exists()
    assert took_s < LIMIT_S + 3
    assert grown < (GROWTH_BYTES_MAX if parsed else UNPARSED_BYTES_MAX)

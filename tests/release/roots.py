"""Empty root directories for the artefacts: a Debian 12 with Python, no compiler and no network."""

import subprocess
import tempfile
import tomllib
from pathlib import Path

SOURCE = Path(__file__).parents[2]
DIST = SOURCE / "dist"
BIN = SOURCE / ".venv/bin"
ROOT = SOURCE / ".cache/release/root-1"

#: Two rounds of the demo: connect, measure, show, end.
TRIAL = "demo --rounds 2 --no-table --duration 2m"

#: The demo prints this at its end.
TRIED = "The demo is over."

TRIAL_LIMIT_S = 600.0

#: Enters a copy of a root directory whose changes end with the process, in a network of its own.
ENTER = """\
set -e
layers=$1 lower=$2 shared=$3
ip link set lo up
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/upper" "$layers/work" "$layers/root"
root=$layers/root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/artefacts"
mount --bind "$shared" "$root/artefacts"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root chroot "$root" sh -ec "$4"
"""


def only(pattern: str) -> Path:
    """Return the one artefact of this name."""
    found = list(DIST.glob(pattern))
    assert len(found) == 1, f"dist/ has {found} for {pattern}: run python -m tests.release"
    return found[0]


def in_empty_root(line: str, shared: Path, layers: Path) -> str:
    """Run a line of shell in an empty root that sees a directory as /artefacts; return its output."""
    layers.mkdir()
    command = ["unshare", "--mount", "--net", "sh", "-c", ENTER, "enter", layers, ROOT, shared, line]
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TRIAL_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def make_wheelhouse(directory: Path) -> None:
    """Download what the wheel, its extra and the build of the sdist need, for the Python of Debian 12."""
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text())
    wheel = only("*.whl")
    with tempfile.TemporaryDirectory() as empty:  # where pip finds no other constraints
        subprocess.run(
            [
                *(str(BIN / "pip"), "download", "--quiet", "--dest", str(directory)),
                *("--python-version", "3.11", "--only-binary", ":all:"),
                *(f"{wheel}[apprise]", *project["build-system"]["requires"]),
            ],
            check=True,
            cwd=empty,
            timeout=TRIAL_LIMIT_S,
        )

"""Build sdist, wheel and Debian package, list what they need, install each into an empty place and try it."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SOURCE = Path(__file__).parents[2]
DIST = SOURCE / "dist"
BIN = SOURCE / ".venv/bin"

#: Two rounds of the demo: connect, measure, show, end.
TRIAL = ("demo", "--rounds", "2", "--no-table", "--duration", "2m")

#: A root directory whose changes end with the process: a layer in memory over this machine's files.
FRESH_ROOT = """\
set -e
layers=$1
shift
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/upper" "$layers/work" "$layers/root"
root=$layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
exec chroot "$root" "$@"
"""


def run(*command: str | Path, **options: object) -> None:
    """Run a command, print it, and end the release if it fails."""
    print("+", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, cwd=SOURCE, **options)  # type: ignore[call-overload]


def only(pattern: str) -> Path:
    """Return the one artefact of this name."""
    (found,) = DIST.glob(pattern)
    return Path(found)


def build() -> None:
    """Build all artefacts and the list of components."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(BIN / "python", "-m", "build", "--outdir", DIST, ".")
    run("config/debian/build.sh")


def describe(environment: Path) -> None:
    """Write the bill of materials of an environment that has skewmon and what it needs, and nothing else."""
    run(BIN / "cyclonedx-py", "environment", environment / "bin/python", "-o", DIST / "skewmon.cdx.json")


def try_python_package(artefact: Path, directory: Path) -> None:
    """Install a wheel or an sdist into an empty environment and run the demo there."""
    run(sys.executable, "-m", "venv", directory)
    run(directory / "bin/pip", "install", "--quiet", artefact)
    run(directory / "bin/skewmon", *TRIAL)
    run(directory / "bin/skewmon", "assets", directory / "assets")
    assert (directory / "assets/systemd/skewmon.service").is_file()
    if artefact.suffix == ".whl":
        run(directory / "bin/pip", "uninstall", "--quiet", "--yes", "pip", "setuptools")
        describe(directory)


def try_debian_package(artefact: Path, directory: Path) -> None:
    """Install the package into a fresh root, run the demo there, purge it."""
    directory.mkdir()
    steps = (
        f"dpkg -i {artefact} && cd / && skewmon {' '.join(TRIAL)} && man -w skewmon-check"
        " && dpkg --purge skewmon"
        " && ! ls /opt/skewmon /etc/skewmon /usr/bin/skewmon 2>/dev/null"
    )
    run("unshare", "--mount", "sh", "-c", FRESH_ROOT, "fresh", directory, "sh", "-c", steps)


def main() -> None:
    """Build, try, report."""
    build()
    tries: tuple[tuple[str, Callable[[Path, Path], None]], ...] = (
        ("*.whl", try_python_package),
        ("*.tar.gz", try_python_package),
        ("*.deb", try_debian_package),
    )
    for pattern, attempt in tries:
        with tempfile.TemporaryDirectory() as place:
            attempt(only(pattern), Path(place) / "root")
    print("Built and tried:", *(path.name for path in sorted(DIST.iterdir())))


main()

"""Build sdist, wheel and Debian package, list what they need, and try them and the image in empty roots."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.release.roots import BIN, DIST, SOURCE, only


def run(*command: str | Path) -> None:
    """Run a command, print it, and end the release if it fails."""
    print("+", *command, flush=True)
    subprocess.run([str(word) for word in command], check=True, cwd=SOURCE)


def build() -> None:
    """Build all artefacts."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(BIN / "python", "-m", "build", "--outdir", DIST, ".")
    run("config/debian/build.sh")


def describe() -> None:
    """Write the bill of materials, from an environment with the wheel and what it needs."""
    with tempfile.TemporaryDirectory() as place:
        run(sys.executable, "-m", "venv", place)
        run(f"{place}/bin/pip", "install", "--quiet", only("*.whl"))
        run(f"{place}/bin/pip", "uninstall", "--quiet", "--yes", "pip", "setuptools")
        run(BIN / "cyclonedx-py", "environment", f"{place}/bin/python", "-o", DIST / "skewmon.cdx.json")


def main() -> None:
    """Build, describe, try, report."""
    run("tests/release/root.sh")
    run("tests/lab/guests.sh")
    build()
    describe()
    tests = ("tests/release", "tests/lab/test_package.py")
    run(BIN / "python", "-m", "pytest", *tests, "-m", "lab", "--timeout=3600")
    print("Built and tried:", *(path.name for path in sorted(DIST.iterdir())), "and the image")


main()

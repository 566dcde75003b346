"""Every artefact of a release, in an empty root without network: two rounds of the demo run there."""

import shutil
from pathlib import Path

import pytest

from tests.release.image import built_image, health_of, ran
from tests.release.roots import TRIAL, TRIED, in_empty_root, make_wheelhouse, only

pytestmark = pytest.mark.lab

PIP = "/opt/try/bin/pip --disable-pip-version-check install --quiet --no-index --find-links /artefacts/needs"


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the built artefacts, and below it what they need."""
    directory = tmp_path_factory.mktemp("artefacts")
    (directory / "needs").mkdir()
    make_wheelhouse(directory / "needs")
    (directory / "needs" / only("*.whl").name).unlink(missing_ok=True)
    for pattern in ("*.whl", "*.tar.gz", "*.deb"):
        shutil.copy(only(pattern), directory)
    return directory


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_a_python_package_shows_the_demo_and_brings_its_files(pattern: str, artefacts: Path, tmp_path: Path):
    """The sdist is built there first."""
    said = in_empty_root(
        f"python3 -m venv /opt/try; {PIP} /artefacts/{only(pattern).name}; cd /opt/try;"
        f"bin/skewmon --version; bin/skewmon {TRIAL}; bin/skewmon assets /opt/assets;"
        "ls /opt/assets/systemd/skewmon.service",
        artefacts,
        tmp_path / "layers",
    )
    assert TRIED in said


def test_the_debian_package_shows_the_demo_and_goes(artefacts: Path, tmp_path: Path):
    """Without systemd, ssh and a manual reader; after the purge no file of it is left.

    dpkg removes /opt with the last package in it.
    """
    files = "find / -xdev -path /proc -prune -o -path /var -prune -o -path /tmp -prune -o -print | sort"
    said = in_empty_root(
        f"{files} >/tmp/before; dpkg -i /artefacts/*.deb; cd /; skewmon {TRIAL};"
        "ls /usr/share/man/man1/skewmon-check.1.gz /usr/share/skewmon/config/prometheus/skewmon.rules.yml;"
        f"dpkg --purge skewmon; mkdir -p /opt; {files} >/tmp/after; diff /tmp/before /tmp/after",
        artefacts,
        tmp_path / "layers",
    )
    assert TRIED in said


def test_the_image_shows_the_demo_and_its_health(artefacts: Path, tmp_path: Path):
    """The Dockerfile as it is; its health check without TLS, with TLS, and of a daemon that is not there."""
    with built_image(artefacts / "needs", tmp_path) as image:
        assert TRIED in ran(image, TRIAL)
        assert health_of(image, tmp_path / "plain", tls=False) == (1, 0, 1)
        assert health_of(image, tmp_path / "tls", tls=True) == (1, 0, 1)

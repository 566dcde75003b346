"""The Debian package under a real systemd: install, first run, upgrade, purge, by the README's lines."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import Lab, lab
from tests.lab.guest import SOURCE, Guest, until

pytestmark = pytest.mark.lab

NODES = 5

#: Unpacking 74 MB takes a guest a minute; a cold start of Python some ten seconds.
SLOWLY_S = 600.0


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package, and one of the same content whose version is higher."""
    subprocess.run(["config/debian/build.sh"], cwd=SOURCE, check=True, timeout=600)
    directory = tmp_path_factory.mktemp("package")
    built = max((SOURCE / "dist").glob("skewmon_*.deb"), key=lambda path: path.stat().st_mtime)
    shutil.copy(built, directory / "skewmon.deb")
    root = directory / "root"
    subprocess.run(["dpkg-deb", "-R", str(built), str(root)], check=True)
    control = root / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: (.*)$", r"Version: \1+1", control.read_text()))
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", str(root), str(directory / "newer.deb")],
        check=True,
        capture_output=True,
    )
    return directory


@pytest.fixture(scope="module")
def guests(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Five nodes, and n6 with systemd: the admin box, from which root can log in to the nodes.

    They start after the package was built, because this thread then has their network and no other.
    """
    with lab(tmp_path_factory.mktemp("guests"), NODES + 1, inits={f"n{NODES + 1}": "init-systemd"}) as opened:
        box = admin_box(opened)
        box.shell("rm /usr/bin/skewmon /etc/systemd/system/skewmon.service; mkdir -p -m 700 /root/.ssh")
        box.write("/root/.ssh/id_ed25519", opened.keys.identity.read_text(), mode="600")
        box.write("/root/.ssh/known_hosts", opened.keys.known_hosts.read_text())
        box.shell("systemctl daemon-reload")
        yield opened


def admin_box(guests: Lab) -> Guest:
    return guests[f"n{NODES + 1}"]


def measured(box: Guest) -> int:
    """Return how many nodes the running service measures."""
    ask = (
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:10061/api/v1/status').read().decode())"
    )
    answer = box.shell(f'python3 -c "{ask}" 2>/dev/null; true')
    clusters: list[dict[str, Any]] = json.loads(answer)["clusters"] if answer else []
    return sum(one["round"]["measured"] for one in clusters)


def test_the_lines_of_the_readme_end_in_a_measuring_service(guests: Lab, package: Path) -> None:
    """Each command as printed; then an upgrade keeps the past, and a purge leaves nothing."""
    box = admin_box(guests)
    for name in ("skewmon.deb", "newer.deb"):
        box.share(package / name)
    box.shell("dpkg -i /lab/skewmon.deb", limit_s=SLOWLY_S)
    nodes = " ".join(guests[f"n{number}"].address for number in range(1, NODES + 1))
    steps = box.shell(f"skewmon init {nodes}", limit_s=SLOWLY_S)
    loop = re.search(r"for node in .*?done", steps, re.DOTALL)
    scan = re.search(r"skewmon keys scan .*", steps)
    assert loop
    assert scan
    said = box.shell(loop[0], limit_s=SLOWLY_S)
    assert said.count("changed: this node answers skewmon.") == NODES
    box.shell(scan[0], limit_s=SLOWLY_S)
    found = box.shell("skewmon doctor", limit_s=SLOWLY_S)
    assert f"{NODES} nodes of {NODES} measured" in found, found
    box.shell("systemctl enable --now skewmon", limit_s=SLOWLY_S)
    until(lambda: measured(box) == NODES, SLOWLY_S)
    exposure = box.shell("systemd-analyze security --no-pager skewmon.service | tail -n 1")
    level = re.search(r"skewmon.service: ([0-9.]+)", exposure)
    assert level
    assert float(level[1]) <= 1.3, exposure

    before = box.shell("skewmon events --since 1d -o json", limit_s=SLOWLY_S)
    box.shell("dpkg -i /lab/newer.deb", limit_s=SLOWLY_S)
    until(lambda: measured(box) == NODES, SLOWLY_S)
    after = box.shell("skewmon events --since 1d -o json", limit_s=SLOWLY_S)
    kept = json.loads(after)["events"]
    assert all(event in kept for event in json.loads(before)["events"])

    box.shell("dpkg --purge skewmon", limit_s=SLOWLY_S)
    left = box.shell("find / -xdev -name '*skewmon*' -not -path '/proc/*' -not -path '/var/log/*'")
    assert left.split() == [], left

"""The Debian package on a fresh Debian 12 with a real systemd, by the lines of README and operations page.

The nodes are guests with own clocks. The box has no internet; its root has a mask of 077 and no locale.
"""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.box import Box
from tests.lab.cluster import Lab, lab
from tests.lab.guest import SOURCE, until

pytestmark = pytest.mark.lab

NODES = 5

#: As the README names them.
NAMES = [f"etcd{number}.example.com" for number in range(1, NODES + 1)]

#: How far the clock of the third node jumps.
STEP_S = 5

#: A round, or an alert that waits for its time above the line, on a machine that is busy with six kernels.
SLOWLY_S = 300.0

#: Version of the package that is newer and otherwise the same.
NEWER = "99.0.0"


def lines(page: str, heading: str, *, ended_by: str) -> list[str]:
    """Return the commands of the first block of a page below a heading, up to the line that begins so."""
    section = (SOURCE / page).read_text().partition(heading)[2].partition(ended_by)[0]
    block = re.search(r"```sh\n([^`]*)```|((?:^    .*\n)+)", section, re.MULTILINE)
    assert block, heading
    return [line.strip() for line in (block[1] or block[2]).splitlines()]


@dataclass
class Here:
    """The lab, the box among the guests, and the packages as the box sees them."""

    lab: Lab
    box: Box

    def status(self) -> dict[str, Any]:
        """Return the document of the service; {} if it does not answer."""
        return self.document("status")

    def minutes(self) -> set[str]:
        """Return the minutes of the record."""
        return {step["time"] for step in self.document("history?cluster=main&step=60")["steps"]}

    def document(self, name: str) -> dict[str, Any]:
        """Return a document of the service's API; {} if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:10061/api/v1/{name}", timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
        except OSError:
            return {}
        return found

    def measures(self) -> bool:
        """Return whether all nodes are measured."""
        return [one["round"]["measured"] for one in self.status().get("clusters", []) if one["round"]] == [
            NODES
        ]

    def firing(self) -> set[str]:
        """Return the labels of the alerts that fire."""
        return set(re.findall(r"(?m)^skewmon_alert_firing{(.*)} 1.0$", self.metrics()))

    def shown(self, name: str) -> str:
        """Return a property of the unit."""
        return self.box.shell(f"systemctl show -P {name} skewmon").strip()

    def healthy(self) -> list[str]:
        """Return whether journal and record can be written."""
        return re.findall(r"(?m)^skewmon_(?:journal|record)_healthy (.*)$", self.metrics())

    def metrics(self) -> str:
        """Return what Prometheus would get."""
        with urllib.request.urlopen("http://127.0.0.1:10061/metrics", timeout=30) as answer:
            return str(answer.read().decode())


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package as the README says, and a newer one from the same tree."""
    make, _, _ = lines("README.md", "## Install", ended_by="## Run")[0].partition(" && ")
    subprocess.run(make.split(), cwd=SOURCE, check=True, timeout=900)
    directory = tmp_path_factory.mktemp("packages")
    built = max((SOURCE / "dist").glob("skewmon_*.deb"), key=lambda path: path.stat().st_mtime)
    (directory / "dist").mkdir()
    shutil.copy(built, directory / "dist")
    root = directory / "root"
    subprocess.run(["dpkg-deb", "-R", str(built), str(root)], check=True)
    control = root / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {NEWER}", control.read_text()))
    (module,) = root.glob("opt/skewmon/lib/python3.*/site-packages/skewmon/__init__.py")
    module.write_text(re.sub(r'"\d.*"', f'"{NEWER}"', module.read_text()))
    for compiled in module.parent.glob("__pycache__/__init__.*"):
        compiled.unlink()
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", str(root), str(directory / "newer.deb")],
        check=True,
        capture_output=True,
    )
    return directory


@pytest.fixture(scope="module")
def here(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """Five nodes, and the box, from which root can log in to them.

    They start after the packages were built, because this thread then has their network and no other.
    """
    directory = tmp_path_factory.mktemp("guests")
    with lab(directory, NODES) as opened:
        for guest in opened.guests:
            guest.console.set_right()
        box = Box(opened.pid, directory)
        try:
            furnish(box, opened, packages)
            yield Here(opened, box)
        finally:
            box.stop()


def furnish(box: Box, opened: Lab, packages: Path) -> None:
    """Give the box what its admin has: names, host keys and a login of the nodes, and the packages."""
    shutil.copytree(packages / "dist", box.share / "dist")
    shutil.copy(packages / "newer.deb", box.share / f"skewmon_{NEWER}_amd64.deb")
    shutil.copy(opened.keys.identity, box.share / "login")
    named = list(zip(NAMES, opened.guests, strict=True))
    hosts = "".join(f"{guest.address} {name}\n" for name, guest in named)
    known = "".join(f"{name} {guest.host_line.partition(' ')[2]}" for name, guest in named)
    (box.share / "hosts").write_text(hosts)
    (box.share / "known_hosts").write_text(known)
    box.shell(
        "install -m 644 /lab/hosts /etc/hosts; mkdir -p .ssh; install -m 600 /lab/login .ssh/id_ed25519;"
        "cp /lab/known_hosts .ssh/; systemctl disable --now ssh"
    )


def test_the_lines_of_the_readme_end_in_a_measuring_service(here: Here) -> None:
    """Install, upgrade, downgrade, removal, purge: each by the command as printed."""
    before = here.box.files()
    accounts = here.box.shell("getent passwd; getent group")
    install(here)
    assert_confined(here)
    upgrade_and_downgrade(here)
    meet_a_later_schema(here)
    remove_and_purge(here, before)
    assert here.box.shell("getent passwd; getent group") == accounts


def install(here: Here) -> None:
    """Type the README's lines, and those that ``init`` prints."""
    building, *first_run = lines("README.md", "## Install", ended_by="## Run")
    here.box.shell(f"cd /lab && {building.partition(' && ')[2]}")
    steps = here.box.shell(first_run[0])
    loop = re.search(r"for node in .*?done", steps, re.DOTALL)
    scan = re.search(r"skewmon keys scan .*", steps)
    assert loop
    assert scan
    said = here.box.shell(loop[0])
    assert said.count("changed: this node answers skewmon.") == NODES
    here.box.shell(scan[0])
    found = here.box.shell("skewmon doctor")
    assert f"{NODES} nodes of {NODES} measured" in found, found
    assert {line.split()[0] for line in found.splitlines()} == {"ok"}, found
    (start,) = first_run[1:]
    here.box.shell(start)
    until(here.measures, SLOWLY_S)
    assert (here.shown("ActiveState"), here.shown("UnitFileState")) == ("active", "enabled")


def assert_confined(here: Here) -> None:
    """Check the sandbox, and that the service's key can do nothing but be measured."""
    exposure = here.box.shell("systemd-analyze security --no-pager skewmon.service | tail -n 1")
    level = re.search(r"skewmon.service: ([0-9.]+)", exposure)
    assert level
    assert float(level[1]) <= 1.3, exposure
    key = "ssh -i /etc/skewmon/ssh/id_ed25519 -o IdentitiesOnly=yes"
    for name in NAMES:
        refused = here.box.run(f"{key} skewmon@{name} id")
        assert refused.returncode != 0
        assert refused.stdout == ""
        assert "This key answers skewmon and nobody else." in refused.stderr


def upgrade_and_downgrade(here: Here) -> None:
    """Install a rebuilt package, and then the old one again: both go on with the alerts and the past."""
    here.lab["n3"].console.step(STEP_S * 1_000_000_000)
    until(
        lambda: any('node="etcd3.example.com",severity="critical"' in one for one in here.firing()), SLOWLY_S
    )
    until(here.minutes, SLOWLY_S)
    firing, events, minutes = here.firing(), events_of(here), here.minutes()
    (upgrade, _) = lines("docs/operations.md", "## Upgrade", ended_by="## Downgrade")
    (downgrade,) = lines("docs/operations.md", "## Downgrade", ended_by="## Backup")
    old = here.status()["version"]
    for command, version in ((upgrade.replace("NEW", NEWER), NEWER), (downgrade.replace("OLD", old), old)):
        started = here.shown("ExecMainStartTimestampMonotonic")
        here.box.shell(f"cd /lab && ln -sf dist/skewmon_{old}_amd64.deb . && yes | {command}")
        assert here.shown("ExecMainStartTimestampMonotonic") != started
        until(here.measures, SLOWLY_S)
        assert here.status()["version"] == version
        assert here.firing() >= firing
        after = events_of(here)
        assert all(event in after for event in events)
        assert {one["kind"] for one in after if one not in events}.isdisjoint({"alert-resolved"})
        assert here.minutes() >= minutes


def events_of(here: Here) -> list[dict[str, Any]]:
    """Return what the journal has."""
    found: list[dict[str, Any]] = json.loads(here.box.shell("skewmon events --since 1d -o json"))["events"]
    assert found
    return found


def meet_a_later_schema(here: Here) -> None:
    """Give the service files of a later version: it leaves them alone, measures on, and says so."""
    bump = (
        "import sqlite3, sys; [sqlite3.connect(p).execute('PRAGMA user_version = 99') for p in sys.argv[1:]]"
    )
    files = "/var/lib/skewmon/journal.db /var/lib/skewmon/record.db"
    here.box.shell(f'systemctl stop skewmon && python3 -c "{bump}" {files} && systemctl start skewmon')
    until(here.measures, SLOWLY_S)
    assert here.healthy() == ["0.0", "0.0"]
    log = here.box.shell("journalctl -u skewmon --no-pager")
    assert "is of a later version of skewmon" in log
    assert "Traceback" not in log
    moved = "cd /var/lib/skewmon && rm journal.db* record.db*"
    here.box.shell(f"systemctl stop skewmon && {moved} && systemctl start skewmon")
    until(here.measures, SLOWLY_S)
    assert here.healthy() == ["1.0", "1.0"]


def remove_and_purge(here: Here, before: set[str]) -> None:
    """Remove the package, which keeps configuration, key and past; purge it, which leaves nothing."""
    kept = "/etc/skewmon/skewmon.yml /etc/skewmon/ssh/id_ed25519 /var/lib/private/skewmon/journal.db"
    here.box.shell(f"apt-get remove -y skewmon && ls {kept} && ! systemctl cat skewmon")
    here.box.shell("apt-get install -y /lab/dist/skewmon_*.deb && systemctl enable --now skewmon")
    until(here.measures, SLOWLY_S)
    # Drop-ins of the admin go with the unit that they are for.
    here.box.shell(
        "mkdir -p /etc/systemd/system/skewmon.service.d && : >/etc/systemd/system/skewmon.service.d/x.conf"
    )
    here.box.shell("apt-get purge -y skewmon")
    left = {
        path
        for path in here.box.files() - before
        if not path.startswith(("/var/lib/systemd", "/var/lib/apt"))
    }
    assert left == set()
    assert here.box.run("systemctl list-unit-files --no-legend 'skewmon*'").stdout == ""
    assert (here.shown("LoadState"), here.shown("ActiveState")) == ("not-found", "inactive")

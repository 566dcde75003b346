"""``skewmon doctor``: the installed unit with its drop-ins, and the files that its user can read."""

import grp
import os
import pwd
import re
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from skewmon.runtime.command import OutputLimitError, run

UNIT = "skewmon.service"

#: systemctl answers from memory.
SYSTEMCTL_S = 5.0
SYSTEMCTL_BYTES = 64 * 1024

PROPERTIES = (
    "LoadState,ActiveState,User,Group,DynamicUser,SupplementaryGroups,ProtectHome,PrivateTmp,NeedDaemonReload,"
    "DropInPaths,ExecStart,StateDirectory,ReadWritePaths,ProtectSystem"
)

#: What a property of the sandbox hides from the service.
HIDDEN = {"ProtectHome": ("/home", "/root", "/run/user"), "PrivateTmp": ("/tmp", "/var/tmp")}  # noqa: S108

_CREDENTIAL = re.compile(r"(?m)^(?:Load|Set)Credential(?:Encrypted)?=(?:([^:\s]+):?(.*))?$")


@dataclass(frozen=True, slots=True)
class Unit:
    """Properties of the unit as systemd has them in force."""

    properties: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)  # name and source

    def __getitem__(self, name: str) -> str:
        return self.properties.get(name, "")

    @property
    def is_root(self) -> bool:
        """Whether the service may read every file that the sandbox shows it."""
        return self["User"] in ("", "root") and self["DynamicUser"] != "yes"

    @property
    def program(self) -> str:
        """The program that it starts; empty if systemd does not print it."""
        found = re.search(r"path=([^ ;]+)", self["ExecStart"])
        return found[1] if found else ""

    @property
    def configuration(self) -> str:
        """The configuration that it reads; empty if its command line does not name one."""
        found = re.search(r"--config\.file[= ]([^ ;]+)", self["ExecStart"])
        return found[1] if found else ""

    def hidden_by(self, path: str) -> str:
        """Return the setting of the sandbox that hides a file from the service; empty if none does."""
        place = Path(path).resolve()
        for name, roots in HIDDEN.items():
            if self[name] not in ("", "no", "read-only") and any(map(place.is_relative_to, roots)):
                return f"{name}={self[name]}"
        return ""

    def may_read(self, path: str) -> bool:
        """Return whether the service's user can read a file, by its bits and those of the way to it."""
        place = Path(path).resolve()
        try:
            way = all(self._may(parent.stat(), stat.S_IXOTH) for parent in place.parents)
            return self.is_root or (way and self._may(place.stat(), stat.S_IROTH))
        except OSError:
            return False

    def may_write(self, directory: str) -> bool:
        """Return whether the sandbox lets the service write below a directory."""
        given = [f"/var/lib/{name.partition(':')[0]}" for name in self["StateDirectory"].split()]
        given += [path.lstrip("-+") for path in self["ReadWritePaths"].split()]
        return self["ProtectSystem"] != "strict" or any(map(Path(directory).is_relative_to, given))

    def _may(self, found: os.stat_result, of_others: int) -> bool:
        """Return whether the service has a right, by the bit that others have it by."""
        if found.st_uid == self._user():
            return bool(found.st_mode & of_others << 6)
        return bool(found.st_mode & (of_others << 3 if found.st_gid in self._groups() else of_others))

    def _user(self) -> int | None:
        with suppress(KeyError):
            return pwd.getpwnam(self["User"]).pw_uid
        return None  # of a user that exists only while the service runs

    def _groups(self) -> set[int]:
        found = set()
        for name in (self["Group"], *self["SupplementaryGroups"].split()):
            with suppress(KeyError):
                found.add(int(name) if name.isdigit() else grp.getgrnam(name).gr_gid)
        with suppress(KeyError):
            found.add(pwd.getpwnam(self["User"]).pw_gid)
        return found


async def installed_unit() -> Unit:
    """Return the unit; without properties if systemd does not run here."""
    properties = await _systemctl("show", UNIT, f"--property={PROPERTIES}")
    found = Unit(dict(line.partition("=")[::2] for line in properties.splitlines()))
    if found["LoadState"] == "loaded":  # systemctl show prints no credential
        found.credentials.update(credentials(await _systemctl("cat", UNIT)))
    return found


def credentials(text: str) -> dict[str, str]:
    """Return names and sources of the credentials of a unit's files, in the order of ``systemctl cat``."""
    found = dict[str, str]()
    for one in _CREDENTIAL.finditer(text):
        if one[1]:
            found[one[1]] = one[2] if one[0].startswith("LoadCredential=") else ""
        else:  # an empty setting takes back those before
            found.clear()
    return found


async def _systemctl(*arguments: str) -> str:
    try:
        found = await run(("systemctl", *arguments), timeout_s=SYSTEMCTL_S, max_bytes=SYSTEMCTL_BYTES)
    except (OSError, TimeoutError, OutputLimitError):
        return ""
    return found.output.decode(errors="replace")

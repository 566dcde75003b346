"""What ssh takes from the machine and the command line before it reads a file."""

import os
import pwd
from dataclasses import dataclass, field

from skewmon.errors import ConfigError, Fault
from skewmon.inventory.ssh_lines import ConfigFile, Reader

#: Where ssh looks for host keys that the whole machine trusts.
GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says; it goes before every file."""

    user: str | None = None
    port: int | None = None
    identities: tuple[str, ...] = ()
    known_hosts: tuple[str, ...] | None = None
    jump: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What ssh takes from the machine that it runs on."""

    user: str
    home: str
    uid: int
    agent_socket: str | None
    files: tuple[ConfigFile, ...]
    global_known_hosts: tuple[str, ...] = GLOBAL_KNOWN_HOSTS
    reader: Reader = field(default_factory=Reader)

    @classmethod
    def here(cls) -> "Surroundings":
        """Return the surroundings of this process; like ssh, take the home from the user database."""
        uid = os.getuid()
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise ConfigError(
                Fault(f"the user with the id {uid} has no entry in the user database")
            ) from None
        return cls(
            user=entry.pw_name,
            home=entry.pw_dir,
            uid=uid,
            agent_socket=os.environ.get("SSH_AUTH_SOCK") or None,
            files=(
                ConfigFile(f"{entry.pw_dir}/.ssh/config", f"{entry.pw_dir}/.ssh", private=True),
                ConfigFile("/etc/ssh/ssh_config", "/etc/ssh"),
            ),
        )

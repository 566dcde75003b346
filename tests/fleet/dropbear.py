"""A node behind Dropbear, the server of small machines."""

import subprocess

from tests.fleet.node import FleetNode

DROPBEAR = "/usr/sbin/dropbear"

#: Dropbear has no SetEnv, so the login shell is a script that sets the environment and becomes the real one.
SHELL = """\
#!/bin/sh
export SHELL={shell} {variables}
exec {shell} "$@"
"""


class DropbearNode(FleetNode):
    """One Dropbear with its clock; ``sshd_lines`` are further arguments of its command line."""

    def _listening_line(self) -> str:
        return "Not backgrounding"  # logged once it listens

    def _command(self) -> list[str]:
        key = str(self.directory / "dropbear_key")
        place = f"{self.address}:{self.port}"
        return [DROPBEAR, "-F", "-E", "-m", "-p", place, "-r", key, "-P", "", *self.login.sshd_lines]

    def _server_environment(self) -> dict[str, str]:
        return {**super()._server_environment(), "FLEET_SHELL": str(self.directory / "shell")}

    def _prepare(self) -> None:
        super()._prepare()
        keys = self.directory / "home" / ".ssh"  # Dropbear looks nowhere else
        keys.mkdir(mode=0o700, exist_ok=True)
        (keys / "authorized_keys").write_text(self._key_line())
        (keys / "authorized_keys").chmod(0o600)
        keys_in_two_formats = [str(self.directory / name) for name in ("host_key", "dropbear_key")]
        convert = ["dropbearconvert", "openssh", "dropbear", *keys_in_two_formats]
        subprocess.run(convert, check=True, capture_output=True)
        variables = " ".join(f"{name}='{value}'" for name, value in self._session_environment().items())
        shell = self.directory / "shell"
        shell.write_text(SHELL.format(shell=self.login.shell or "/bin/bash", variables=variables))
        shell.chmod(0o755)

    def refuse_key(self) -> None:
        """Take the client's key off authorized_keys."""
        (self.directory / "home" / ".ssh" / "authorized_keys").write_text("")

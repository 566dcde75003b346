"""``skewmon doctor``: the installed service, and whether it can read its files."""

import glob
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from skewmon.cli.diagnosis import Check, fault, ok, warn
from skewmon.cli.doctor_unit import UNIT, Unit
from skewmon.config.effective import effective
from skewmon.config.paths import CREDENTIAL
from skewmon.config.schema import Config, NodeSpec, SshSpec
from skewmon.export.web_config import TlsSettings
from skewmon.notify.receiver import targets_of

#: No setting of the sandbox hides it.
PLACE = "/etc/skewmon"

#: Made under a strict mask, they leave the service without the names that root finds.
NAMES = ("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf")

#: How the service gets a file that not everyone may read.
GROUP_CURE = (
    "Give it to a group and the group to the service: chgrp ssl-cert {path} && chmod 640 {path}, "
    "then systemctl edit skewmon, and add under [Service]: SupplementaryGroups=ssl-cert"
)


def service_checks(config: Config, path: str, tls: TlsSettings | None, unit: Unit) -> Iterator[Check]:
    """Yield whether the installed service can start and read its files; nothing without a service."""
    state = unit["LoadState"]
    if state in ("", "not-found"):
        return
    if state != "loaded":
        cure = "systemctl unmask skewmon" if state == "masked" else f"systemd-analyze verify {UNIT}"
        yield fault("service", f"systemd does not load its unit: {state}.", f"Run: {cure}")
        return
    if unit["NeedDaemonReload"] == "yes":
        yield warn("service", "Its unit changed and is not in force.", "Run: systemctl daemon-reload")
    if unit.configuration and not _is_same(unit.configuration, path):
        cure = f"Run: skewmon doctor --config.file {shlex.quote(unit.configuration)}"
        yield warn("service", f"It reads {unit.configuration}, not this configuration.", cure)
        return
    faults = list(dict.fromkeys((*_program_faults(unit), *_file_faults(config, path, tls, unit))))
    if unit["ActiveState"] == "failed":
        faults.append(fault("service", "It has failed.", "See: journalctl -u skewmon -n 20"))
    yield from faults
    if not faults:
        drop_ins = f" Its drop-ins: {unit['DropInPaths']}." if unit["DropInPaths"] else ""
        yield ok("service", f"It can read its files, and is {unit['ActiveState']}.{drop_ins}")


def _is_same(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _program_faults(unit: Unit) -> Iterator[Check]:
    """Yield a fault if the service cannot start its program."""
    if not unit.program:
        return
    cure = "Install the package, or name another program by ExecStart= in systemctl edit skewmon."
    if Path(unit.program).exists():
        yield from _obstacles(unit.program, unit, denied=cure, hidden=cure)
    else:
        yield fault(f"service, {unit.program}", "It does not exist.", cure)


def _obstacles(path: str, unit: Unit, *, denied: str, hidden: str) -> Iterator[Check]:
    """Yield a fault, with one of two cures, if the service cannot read a file that exists."""
    if hider := unit.hidden_by(path):
        yield fault(f"service, {path}", f"{hider} hides it from the service.", hidden)
    elif not unit.may_read(path):
        yield fault(f"service, {path}", "The service's user cannot read it.", denied)


def _file_faults(config: Config, path: str, tls: TlsSettings | None, unit: Unit) -> Iterator[Check]:
    """Yield the files that the service's user cannot read; root, who runs this, can."""
    for name, cure in (
        *((name, _opened(name)) for name in (path, *NAMES)),
        *_login_files(config),
        *_source_files(config),
        *_web_files(config, tls),
        *_secrets(config),
    ):
        if name.startswith(CREDENTIAL):
            yield from _credential_faults(name, unit)
        elif Path(name).exists():
            yield from _obstacles(name, unit, denied=cure, hidden=f"Move it to {PLACE}.")
    state = config.state_directory
    if "state_directory" in config.model_fields_set and not unit.may_write(state):
        cure = f"Remove state_directory, or add ReadWritePaths={state} by systemctl edit skewmon."
        yield fault(f"service, {state}", "The service cannot write there.", cure)


def _opened(path: str) -> str:
    return f"Run: chmod 644 {shlex.quote(path)}, and chmod 755 on its directory."


def _login_files(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the files that logins need, each with the cure if it cannot be read."""
    for ssh in _logins(config):
        for path in ssh.identity or ():
            yield path, "Set identity: credential:ssh_key, which the unit loads from /etc/skewmon/ssh."
        for path in ssh.known_hosts or ():
            if path != os.devnull:
                yield path, _opened(path)


def _source_files(config: Config) -> Iterator[tuple[str, str]]:
    for spec in effective(config).clusters.values():
        for source in spec.inventory:
            local = source.ansible or source.ssh_config
            files = glob.glob(source.file_sd, recursive=True) if source.file_sd else ()  # noqa: PTH207  as file_sd reads it
            for path in (*files, *((local,) if local else ())):
                yield path, _opened(path)
            if source.headers_file:
                yield source.headers_file, _handed("headers", source.headers_file)


def _web_files(config: Config, tls: TlsSettings | None) -> Iterator[tuple[str, str]]:
    for path in (config.web.config_file, *((tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ())):
        if path is not None:
            yield path, GROUP_CURE.format(path=shlex.quote(path))


def _secrets(config: Config) -> Iterator[tuple[str, str]]:
    for target in targets_of(config.alerts):
        for path in (target.url_file, target.headers_file):
            if path:
                yield path, _handed("alerts", path)


def _handed(name: str, path: str) -> str:
    """Return how a secret is handed to the service."""
    line = f"LoadCredential={name}:{path}"
    return f"Name credential:{name}, run systemctl edit skewmon, and add under [Service]: {line}"


def _logins(config: Config) -> Iterator[SshSpec]:
    for spec in effective(config).clusters.values():
        yield spec.ssh
        yield from (
            entry.ssh for entry in spec.nodes if isinstance(entry, NodeSpec) and entry.transport == "ssh"
        )


def _credential_faults(path: str, unit: Unit) -> Iterator[Check]:
    """Yield a fault if the unit does not hand over a credential."""
    name = path.removeprefix(CREDENTIAL)
    source = unit.credentials.get(name)
    if source is None:
        yield fault(
            f"service, {path}",
            f"The unit loads no credential {name}.",
            f"Run systemctl edit skewmon and add under [Service]: LoadCredential={name}:/path/of/the/secret",
        )
    elif source.startswith("/") and not Path(source).exists():
        yield fault(
            f"service, {path}",
            f"{source} does not exist.",
            f"Make a key: ssh-keygen -t ed25519 -N '' -C skewmon -f {shlex.quote(source)}",
        )


def without_service(config: Config) -> Iterator[Check]:
    """Yield a warning about a credential that a command of this user cannot read."""
    for ssh in dict.fromkeys(_logins(config)):
        for path in ssh.identity or ():
            if path.startswith(CREDENTIAL) and os.geteuid() != 0:
                yield warn(f"key {path}", "Only root and the service can read it.", "Run this as root.")

"""``skewmon doctor``: the service's user and files, the page's address, the receivers."""

import asyncio
import os
import shlex
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from yarl import URL

from skewmon.cli.diagnosis import Check, fault, ok, warn
from skewmon.config.address import parse_listen
from skewmon.config.effective import effective
from skewmon.config.paths import CREDENTIAL
from skewmon.config.schema import Config, NodeSpec, SshSpec
from skewmon.errors import ListenError
from skewmon.notify.receiver import ReceiverConfig, shown, targets_of
from skewmon.runtime.command import OutputLimitError, run

#: systemctl answers from memory.
SYSTEMCTL_S = 5.0
SYSTEMCTL_BYTES = 64 * 1024

#: A receiver, or the daemon's own page, that takes longer to accept a connection is as good as down.
CONNECT_S = 5.0


async def service_checks(config: Config) -> AsyncIterator[Check]:
    """Yield whether the installed service can read its files; nothing if no service is installed."""
    unit = await _unit()
    if unit.get("LoadState") != "loaded":
        return
    faults = list(dict.fromkeys(_file_faults(config, unit)))
    if unit.get("ActiveState") == "failed":
        faults.append(fault("service", "It has failed.", "See: journalctl -u skewmon -n 20"))
    for one in faults:
        yield one
    if not faults:
        yield ok("service", f"It can read its files, and is {unit.get('ActiveState')}.")


def _file_faults(config: Config, unit: Mapping[str, str]) -> Iterator[Check]:
    """Yield the keys and files of host keys that the service's user cannot read."""
    is_root = unit.get("User") in ("", "root") and unit.get("DynamicUser") != "yes"
    offered = dict(line.partition(":")[::2] for line in unit.get("LoadCredential", "").split())
    for ssh in _logins(config):
        for path in ssh.identity or ():
            if path.startswith(CREDENTIAL):
                yield from _credential_faults(path, offered)
            elif not is_root and Path(path).exists() and not _world_readable(path):
                yield fault(
                    f"service, {path}",
                    "The service's user cannot read this key.",
                    "Set identity: credential:ssh_key, which the unit loads from /etc/skewmon/ssh.",
                )
        for path in ssh.known_hosts or ():
            if not is_root and Path(path).exists() and not _world_readable(path):
                cure = f"Run: chmod 644 {shlex.quote(path)}, and chmod 755 on its directory."
                yield fault(f"service, {path}", "The service's user cannot read it.", cure)
    if not is_root:
        yield from _secret_faults(config)


def _secret_faults(config: Config) -> Iterator[Check]:
    """Yield the files of receivers that the service's user cannot read; root, who runs this, can."""
    for target in targets_of(config.alerts):
        for path in (target.url_file, target.headers_file):
            if path and not path.startswith(CREDENTIAL) and Path(path).exists() and not _world_readable(path):
                cure = "Name credential:alerts, run systemctl edit skewmon, and add under [Service]: "
                line = f"LoadCredential=alerts:{path}"
                yield fault(f"service, {path}", "The service's user cannot read it.", cure + line)


def _logins(config: Config) -> Iterator[SshSpec]:
    for spec in effective(config).clusters.values():
        yield spec.ssh
        yield from (
            entry.ssh for entry in spec.nodes if isinstance(entry, NodeSpec) and entry.transport == "ssh"
        )


def _credential_faults(path: str, offered: Mapping[str, str]) -> Iterator[Check]:
    """Yield a fault if the unit does not hand over a credential."""
    name = path.removeprefix(CREDENTIAL)
    if name not in offered:
        yield fault(
            f"service, {path}",
            f"The unit loads no credential {name}.",
            f"Run systemctl edit skewmon and add under [Service]: LoadCredential={name}:/path/of/the/key",
        )
    elif not Path(offered[name]).exists():
        yield fault(
            f"service, {path}",
            f"{offered[name]} does not exist.",
            f"Make a key: ssh-keygen -t ed25519 -N '' -C skewmon -f {shlex.quote(offered[name])}",
        )


def _world_readable(path: str) -> bool:
    """Return whether every user can read a file: its own bit, and the way to it."""
    file = Path(path)
    try:
        parents = all(parent.stat().st_mode & stat.S_IXOTH for parent in file.absolute().parents)
        return parents and bool(file.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


async def _unit() -> dict[str, str]:
    """Return properties of the installed unit; none if systemd does not run here."""
    wanted = "LoadState,ActiveState,User,DynamicUser,LoadCredential"
    try:
        found = await run(
            ("systemctl", "show", "skewmon.service", f"--property={wanted}"),
            timeout_s=SYSTEMCTL_S,
            max_bytes=SYSTEMCTL_BYTES,
        )
    except (OSError, TimeoutError, OutputLimitError):
        return {}
    return dict(line.partition("=")[::2] for line in found.output.decode(errors="replace").splitlines())


async def page_checks(config: Config) -> AsyncIterator[Check]:
    """Yield whether the address of the page is free, or a daemon answers there."""
    from skewmon.export.listener import bound

    listen = parse_listen(config.web.listen)
    try:
        for socket in await bound(listen.host or None, listen.port):
            socket.close()
    except (OSError, ListenError) as error:
        if (
            await _accepts(URL.build(scheme="http", host=listen.host or "127.0.0.1", port=listen.port))
            is None
        ):
            yield ok("page", f"A program listens at {listen}; skewmon health says whether it is the daemon.")
        else:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            yield fault("page", f"{listen} cannot be listened at: {reason}.", "Change web.listen.")
    else:
        yield ok("page", f"{listen} is free.")


async def receiver_checks(config: Config) -> AsyncIterator[Check]:
    """Yield whether each receiver accepts a connection; nothing is sent."""
    targets = targets_of(config.alerts)
    if not targets:
        yield ok("alerts", "No receiver is configured; alerts are shown and exported.")
    for target in targets:
        yield await _receiver_check(target)


async def _receiver_check(target: ReceiverConfig) -> Check:
    for path in (target.url_file, target.headers_file):
        if path and not path.startswith(CREDENTIAL) and not os.access(path, os.R_OK):
            return fault(f"{target.kind} {path}", "The file cannot be read.", "Correct the path or its mode.")
    if not target.url:
        return ok(target.kind, "Its address is a secret; skewmon alerts test sends it an alert.")
    name = f"{target.kind} {shown(target.url)}"
    reason = await _accepts(URL(target.url))
    if reason is not None:
        return fault(name, f"It does not accept a connection: {reason}.", "Start it, or correct its URL.")
    return ok(name, "It accepts a connection; skewmon alerts test sends it an alert.")


async def _accepts(url: URL) -> str | None:
    """Return None if a server accepts a TCP connection, else the reason."""
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(url.host, url.port)
    except TimeoutError:
        return f"no answer within {CONNECT_S:g} s"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    writer.close()
    return None


def without_service(config: Config) -> Iterator[Check]:
    """Yield a warning about a credential that a command of this user cannot read."""
    for ssh in dict.fromkeys(_logins(config)):
        for path in ssh.identity or ():
            if path.startswith(CREDENTIAL) and os.geteuid() != 0:
                yield warn(f"key {path}", "Only root and the service can read it.", "Run this as root.")

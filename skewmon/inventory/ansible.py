"""Nodes from an Ansible inventory, as `ansible-inventory --list` understands it."""

import asyncio
import contextlib
import difflib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from skewmon.config.paths import absolute
from skewmon.config.schema import SourceSpec
from skewmon.config.targets import check_host, check_user
from skewmon.errors import InventoryError, echoed
from skewmon.inventory.settings import Context, with_login
from skewmon.model import Node, SshSettings

#: Dynamic inventories ask clouds; a minute is what they take at worst.
TIMEOUT_S = 60.0

#: 10,000 hosts with 3 KB of variables each.
MAX_OUTPUT_BYTES = 32 * 1024 * 1024

#: The end of a long complaint is where Ansible says what is wrong.
MAX_COMPLAINT_BYTES = 64 * 1024

#: Ansible's names for one thing, the present one first.
_ADDRESS = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
_IDENTITY = ("ansible_ssh_private_key_file", "ansible_private_key_file")


async def read(spec: SourceSpec, context: Context) -> list[Node]:
    """Return the hosts of one group, with the address, port, user and key that Ansible would use."""
    assert spec.ansible is not None
    listing = _decoded(await _listing(spec.ansible))
    hostvars = listing.get("_meta", {}).get("hostvars", {})
    names = dict.fromkeys(_members(listing, spec.group or "all"))
    return [_node(name, hostvars.get(name, {}), context.ssh, spec.ansible) for name in names]


async def _listing(path: str) -> bytes:
    """Return what ansible-inventory prints."""
    # If it is missing, ansible-inventory would only warn, and list nothing.
    if not await asyncio.to_thread(os.path.exists, path):
        raise InventoryError(f"there is no {path}")
    try:
        process = await asyncio.create_subprocess_exec(
            "ansible-inventory", "-i", path, "--list",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        hint = "install ansible-core, or list the nodes by file_sd"
        raise InventoryError(f"cannot run ansible-inventory: {error.strerror}; {hint}") from None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _output(process)
    except TimeoutError:
        raise InventoryError(f"ansible-inventory took longer than {TIMEOUT_S:g} s") from None
    finally:
        if process.returncode is None:
            _end(process)
            await process.communicate()  # a pipe that is not read to its end would never close


async def _output(process: asyncio.subprocess.Process) -> bytes:
    """Return the standard output of a process that succeeded."""
    assert process.stderr is not None
    output, complaint = await asyncio.gather(_read_limited(process), _read_tail(process.stderr))
    code = await process.wait()
    if len(output) > MAX_OUTPUT_BYTES:
        raise InventoryError(f"ansible-inventory printed more than {MAX_OUTPUT_BYTES // 2**20} MiB")
    if code != 0:
        words = complaint.decode(errors="replace").strip().splitlines()
        raise InventoryError(f"ansible-inventory failed: {words[-1] if words else 'it does not say why'}")
    return output


async def _read_limited(process: asyncio.subprocess.Process) -> bytes:
    """Return all that a process says; end it where that is too much."""
    assert process.stdout is not None
    data = bytearray()
    while chunk := await process.stdout.read(65_536):
        if len(data) <= MAX_OUTPUT_BYTES:
            data += chunk
        if len(data) > MAX_OUTPUT_BYTES:
            _end(process)
    return bytes(data)


def _end(process: asyncio.subprocess.Process) -> None:
    """End a process and what it started, such as inventory plugins."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


async def _read_tail(stream: asyncio.StreamReader) -> bytes:
    """Return the last of what a stream says."""
    data = bytearray()
    while chunk := await stream.read(65_536):
        data += chunk
        del data[:-MAX_COMPLAINT_BYTES]
    return bytes(data)


def _decoded(output: bytes) -> dict[str, Any]:
    """Return the JSON object of a listing."""
    try:
        listing = json.loads(output)
    except (ValueError, RecursionError):
        raise InventoryError("ansible-inventory did not print JSON") from None
    if not isinstance(listing, dict) or not isinstance(listing.get("_meta", {}), dict):
        raise InventoryError("ansible-inventory printed something other than an inventory")
    return listing


def _members(listing: dict[str, Any], group: str) -> Iterator[str]:
    """Yield the hosts of a group and of the groups below it; each group is entered once."""
    if group not in listing and group != "all":
        near = difflib.get_close_matches(group, listing, n=1)
        raise InventoryError(
            f"there is no group {echoed(group)}" + (f"; did you mean {near[0]}?" if near else "")
        )
    waiting, seen = [group], set()
    while waiting:
        name = waiting.pop(0)
        members = listing.get(name, {})
        if name in seen or not isinstance(members, dict):
            continue
        seen.add(name)
        yield from (str(host) for host in members.get("hosts", ()))
        waiting += members.get("children", ())


def _node(name: str, variables: dict[str, Any], ssh: SshSettings, source: str) -> Node:
    """Return one host with its variables merged over the cluster's settings."""
    address, port, user, identity = (
        _first(variables, names) for names in (_ADDRESS, _PORT, _USER, _IDENTITY)
    )
    try:
        host = check_host(name if address is None else str(address))
        number = None if port is None else int(str(port))
        if number is not None and not 1 <= number <= 65_535:
            raise ValueError(f"{number} is not a port")
        if identity is not None:
            ssh = replace(ssh, identities=(absolute(str(identity), str(Path(source).parent)),))
        login = None if user is None else check_user(str(user))
    except ValueError as error:
        raise InventoryError(f"host {name}: {error}") from None
    return Node(name, host, with_login(ssh, login, number))


def _first(variables: dict[str, Any], names: tuple[str, ...]) -> Any:
    """Return the first variable that is set."""
    return next((variables[name] for name in names if variables.get(name) is not None), None)

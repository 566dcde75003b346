"""Nodes from an Ansible inventory, as `ansible-inventory --list` understands it."""

import asyncio
import difflib
import json
import os
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
from skewmon.runtime.command import OutputLimitError, run

#: Dynamic inventories ask clouds; a minute is what they take at worst.
TIMEOUT_S = 60.0

#: 10,000 hosts with 3 KB of variables each.
MAX_OUTPUT_BYTES = 32 * 1024 * 1024

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
    arguments = ("ansible-inventory", "-i", path, "--list")
    try:
        done = await run(arguments, timeout_s=TIMEOUT_S, max_bytes=MAX_OUTPUT_BYTES)
    except TimeoutError:
        raise InventoryError(f"ansible-inventory took longer than {TIMEOUT_S:g} s") from None
    except OutputLimitError:
        raise InventoryError(f"ansible-inventory printed more than {MAX_OUTPUT_BYTES // 2**20} MiB") from None
    except OSError as error:
        hint = "install ansible-core, or list the nodes by file_sd"
        raise InventoryError(f"cannot run ansible-inventory: {error.strerror}; {hint}") from None
    if done.code != 0:
        words = done.complaints[-1] if done.complaints else "it does not say why"
        raise InventoryError(f"ansible-inventory failed: {words}")
    return done.output


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

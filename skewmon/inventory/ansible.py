"""Nodes from an Ansible inventory, as `ansible-inventory --list` prints it.

It prints variables as they are: templates, which only a playbook evaluates, and inline vault values are not
usable here. A host that needs one, or that Ansible does not reach over SSH, is rejected with the reason.
"""

import asyncio
import difflib
import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skewmon.config.limits import MAX_NAME_LENGTH
from skewmon.config.schema import SourceSpec
from skewmon.config.targets import check_host
from skewmon.errors import InventoryError, echoed
from skewmon.inventory.listing import Listing
from skewmon.inventory.settings import Context
from skewmon.inventory.ssh_arguments import with_arguments
from skewmon.model import Node, SshSettings
from skewmon.runtime.command import OutputLimitError, run

#: Dynamic inventories query cloud APIs, which takes up to a minute.
TIMEOUT_S = 60.0

#: 10,000 hosts with 3 KB of variables each.
MAX_OUTPUT_BYTES = 32 * 1024 * 1024

#: Ansible's names for one variable, the current one first.
_ADDRESS = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
_IDENTITY = ("ansible_ssh_private_key_file", "ansible_private_key_file")
_CONNECTION = ("ansible_connection",)

#: Arguments of ssh: those before the variables above, and those after them.
_SSH_ARGS = ("ansible_ssh_args",)
_COMMON_ARGS = ("ansible_ssh_common_args",)
_EXTRA_ARGS = ("ansible_ssh_extra_args",)

#: Connection plugins that log in to a shell over SSH, without the collection before their name.
SSH_CONNECTIONS = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh"})

#: Marks of values in the JSON: data that must not be a template, and text that is encrypted.
UNSAFE = "__ansible_unsafe"
VAULT = "__ansible_vault"

#: Settings of the user that would change the output: a banner before the JSON, variables of groups left out,
#: and an inventory that cannot be parsed listed as an empty one.
ENVIRONMENT = {
    "ANSIBLE_VERBOSITY": "0",
    "ANSIBLE_INVENTORY_EXPORT": "false",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    "ANSIBLE_NOCOLOR": "true",
}


async def read(spec: SourceSpec, context: Context) -> Listing:
    """Return the hosts of one group, with the address, port, user and key that Ansible would use."""
    assert spec.ansible is not None
    printed = _decoded(await _printed(spec.ansible))
    hostvars = printed.get("_meta", {}).get("hostvars", {})
    listing = Listing()
    for name in dict.fromkeys(_members(printed, spec.group or "all")):
        variables = hostvars.get(name) if isinstance(hostvars, dict) else None
        with listing.entry(name, f"host {echoed(name)}: "):
            listing.nodes.append(_node(name, variables or {}, context.ssh, spec.ansible))
    return listing.checked()


async def _printed(path: str) -> bytes:
    """Return the output of ansible-inventory."""
    # If it is missing, ansible-inventory would only warn, and list nothing.
    if not await asyncio.to_thread(os.path.exists, path):
        raise InventoryError(f"there is no {path}")
    arguments = ("ansible-inventory", "-i", path, "--list")
    try:
        done = await run(arguments, timeout_s=TIMEOUT_S, max_bytes=MAX_OUTPUT_BYTES, environment=ENVIRONMENT)
    except TimeoutError:
        raise InventoryError(f"ansible-inventory took longer than {TIMEOUT_S:g} s") from None
    except OutputLimitError:
        raise InventoryError(f"ansible-inventory printed more than {MAX_OUTPUT_BYTES // 2**20} MiB") from None
    except OSError as error:
        hint = "install ansible-core, or list the nodes by file_sd"
        raise InventoryError(f"cannot run ansible-inventory: {error.strerror}; {hint}") from None
    if done.code != 0:
        reason = done.complaints[-1] if done.complaints else "without a reason"
        raise InventoryError(f"ansible-inventory failed: {reason}")
    return done.output


def _decoded(output: bytes) -> dict[str, Any]:
    """Return the JSON object that was printed."""
    try:
        printed = json.loads(output)
    except (ValueError, RecursionError):
        raise InventoryError("ansible-inventory did not print JSON") from None
    if not isinstance(printed, dict) or not isinstance(printed.get("_meta", {}), dict):
        raise InventoryError("ansible-inventory printed something other than an inventory")
    return printed


def _members(printed: dict[str, Any], group: str) -> Iterator[str]:
    """Yield the hosts of a group and of the groups below it; each group is entered once."""
    if group not in printed and group != "all":
        near = difflib.get_close_matches(group, printed, n=1)
        raise InventoryError(
            f"there is no group {echoed(group)}" + (f"; did you mean {near[0]}?" if near else "")
        )
    waiting, seen = [group], set()
    while waiting:
        name = waiting.pop(0)
        members = printed.get(name, {})
        if name in seen or not isinstance(members, dict):
            continue
        seen.add(name)
        yield from (str(host) for host in members.get("hosts", ()))
        waiting += members.get("children", ())


def _node(name: str, variables: dict[str, Any], ssh: SshSettings, source: str) -> Node:
    """Return one host with its variables merged over the cluster's settings; raise ValueError if unusable."""
    connection = _value(variables, _CONNECTION)
    if connection is not None and str(connection).rpartition(".")[2] not in SSH_CONNECTIONS:
        raise ValueError(f"Ansible reaches it by ansible_connection {echoed(connection)}, which is not SSH")
    address, port, user, identity = (
        _value(variables, names) for names in (_ADDRESS, _PORT, _USER, _IDENTITY)
    )
    if not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"a name has at most {MAX_NAME_LENGTH} characters, and all of them print")
    host = check_host(name if address is None else str(address))
    login = (("-p", port), ("-l", user), ("-i", identity))
    words = [*_arguments(variables, _SSH_ARGS)]
    words += [word for letter, value in login if value is not None for word in (letter, str(value))]
    words += [*_arguments(variables, _COMMON_ARGS), *_arguments(variables, _EXTRA_ARGS)]
    is_data = any(
        isinstance(variables.get(names[0]), dict) for names in (_SSH_ARGS, _COMMON_ARGS, _EXTRA_ARGS)
    )
    return Node(name, host, with_arguments(ssh, words, str(Path(source).parent), is_data=is_data))


def _arguments(variables: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """Return the arguments of ssh in a variable."""
    value = _value(variables, names)
    try:
        return [] if value is None else shlex.split(str(value))
    except ValueError as error:
        raise ValueError(f"{names[0]}: {error}") from None


def _value(variables: dict[str, Any], names: tuple[str, ...]) -> str | int | None:
    """Return the first variable that is set; raise ValueError if only Ansible can evaluate it."""
    name = next((name for name in names if variables.get(name) is not None), None)
    value = variables.get(name) if name is not None else None
    if isinstance(value, dict) and value.keys() == {UNSAFE} and isinstance(value[UNSAFE], str):
        return str(value[UNSAFE])
    if isinstance(value, dict) and VAULT in value:
        raise ValueError(f"{name} is encrypted by Ansible Vault; write it in plain text")
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        raise ValueError(f"{name} is the template {echoed(value)}, which only a playbook evaluates")
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise ValueError(f"{name} is {echoed(value)}, expected a text")
    return value

"""Inventories as real releases of ansible-core print them: each host right, or rejected with the reason.

tests/inventory/packages_ansible.sh installs the releases.
"""

import os
from pathlib import Path

import pytest

from skewmon.config.schema import SourceSpec
from skewmon.errors import InventoryError
from skewmon.inventory import ansible
from skewmon.inventory.listing import Listing
from skewmon.inventory.settings import Context
from skewmon.model import SshSettings

ROOTS = Path(__file__).parents[2] / ".cache" / "ansible"

HOSTS = """
all:
  vars:
    operator: skewmon
  hosts:
    plain: {ansible_host: 10.0.0.1, ansible_port: 2222, ansible_user: root}
    bare:
    unsafe: {ansible_host: !unsafe 10.0.0.2, ansible_user: !unsafe ops}
    full_name: {ansible_host: 10.0.0.3, ansible_connection: ansible.builtin.ssh}
    other_secret:
      ansible_host: 10.0.0.4
      password: !vault |
        $ANSIBLE_VAULT;1.1;AES256
        6162
    template: {ansible_user: "{{ operator }}"}
    statement: {ansible_host: "{% if true %}10.0.0.5{% endif %}"}
    port_template: {ansible_port: "{{ 22 }}"}
    unsafe_template: {ansible_host: !unsafe "{{ x }}"}
    vault:
      ansible_user: !vault |
        $ANSIBLE_VAULT;1.1;AES256
        6162
    here: {ansible_connection: local}
    windows: {ansible_connection: winrm}
    powershell: {ansible_connection: psrp}
    switch: {ansible_connection: ansible.netcommon.network_cli}
    balancer: {ansible_connection: ansible.netcommon.httpapi}
    Rack 12 PDU:
    old_names: {ansible_ssh_host: 10.0.0.6, ansible_ssh_user: root, ansible_ssh_port: "2200"}
    zone: {ansible_host: "fe80::1%eth0", ansible_user: 1000, ansible_port: ~}
    smart: {ansible_host: 10.0.0.7, ansible_connection: smart}
    db[01:02].example.com:
    "10.0.0.8:2222":
    real_port: {ansible_host: 10.0.0.9, ansible_port: 22.0}
    true_port: {ansible_host: 10.0.0.9, ansible_port: true}
    list_host: {ansible_host: [10.0.0.9]}
    option: {ansible_host: "-oProxyCommand=id"}
    option_user: {ansible_user: "-oProxyCommand=id"}
    url: {ansible_host: "ssh://10.0.0.9:22"}
    net: {ansible_host: 10.0.0.9/32}
    blank: {ansible_host: "10.0.0.9 "}
    key_template: {ansible_ssh_private_key_file: "{{ k }}"}
    connection_template: {ansible_connection: "{{ 'ssh' }}"}
    container: {ansible_connection: community.docker.docker}
    behind: {ansible_ssh_common_args: "-o ProxyJump=ops@gate.example:2222 -o StrictHostKeyChecking=no"}
    proxied: {ansible_ssh_common_args: "-C -o ProxyCommand='ssh -W %h:%p gate.example'"}
    command_line: {ansible_ssh_extra_args: "-J gate.example,inner -p2201 -lroot", ansible_port: 2200}
    jump_template: {ansible_ssh_common_args: "-o ProxyJump={{ gate }}"}
    other_file: {ansible_ssh_args: "-F ~/.ssh/other"}
    unsafe_command: {ansible_ssh_common_args: !unsafe "-o ProxyCommand=id"}
    unsafe_jump: {ansible_ssh_common_args: !unsafe "-J gate.example"}
    quote: {ansible_ssh_common_args: "-o 'ProxyJump=x"}
"""

REJECTED = {
    "template": "ansible_user is the template '{{ operator }}', which only a playbook evaluates",
    "statement": "ansible_host is the template",
    "port_template": "ansible_port is the template '{{ 22 }}'",
    "unsafe_template": "'{{ x }}' is not a host name or address",
    "vault": "ansible_user is encrypted by Ansible Vault; write it in plain text",
    "here": "Ansible reaches it by ansible_connection 'local', which is not SSH",
    "windows": "ansible_connection 'winrm', which is not SSH",
    "powershell": "ansible_connection 'psrp', which is not SSH",
    "switch": "ansible_connection 'ansible.netcommon.network_cli', which is not SSH",
    "balancer": "ansible_connection 'ansible.netcommon.httpapi', which is not SSH",
    "Rack 12 PDU": "'Rack 12 PDU' is not a host name or address",
    "real_port": "ansible_port is 22.0, expected a text",
    "true_port": "ansible_port is True, expected a text",
    "list_host": "ansible_host is ['10.0.0.9'], expected a text",
    "option": "'-oProxyCommand=id' is not a host name or address",
    "option_user": "'-oProxyCommand=id' is not a user name",
    "url": "'ssh://10.0.0.9:22' is neither an IPv6 address nor host:port",
    "net": "'10.0.0.9/32' is not a host name or address",
    "blank": "'10.0.0.9 ' is not a host name or address",
    "key_template": "ansible_ssh_private_key_file is the template",
    "connection_template": "ansible_connection is the template",
    "container": "ansible_connection 'community.docker.docker', which is not SSH",
    "jump_template": "ansible_ssh_common_args is the template",
    "other_file": "the option '-F' of ssh is not read from Ansible",
    "unsafe_command": "ProxyCommand in a value that Ansible marks as unsafe is not run",
    "quote": "ansible_ssh_common_args: No closing quotation",
}

#: Addresses from the variables of other plugins; since 2.19 the result is marked as unsafe.
CONSTRUCTED = """
plugin: ansible.builtin.constructed
strict: true
compose:
  ansible_host: "'10.1.0.' ~ (inventory_hostname | length)"
"""


#: Settings of a user that would change the output.
CONFIGURATION = "[defaults]\nverbosity = 1\nforce_color = true\n[inventory]\nexport = true\n"


@pytest.fixture(params=["2.16", "2.18", "2.19"], autouse=True)
def _release(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a release of ansible-core first in PATH."""
    root = ROOTS / str(request.param)
    assert (root / "usable").exists(), "tests/inventory/packages_ansible.sh installs ansible-core"
    # The scripts of a virtual environment name the place where it was made; it may have moved since.
    program = tmp_path / "bin" / "ansible-inventory"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {root}/bin/python3 -m ansible.cli.inventory "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\nverbosity = 1\nforce_color = true\n[inventory]\nexport = true\n"
    )
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))


async def read(path: Path) -> Listing:
    """Return the listing of an inventory."""
    return await ansible.read(SourceSpec(ansible=str(path)), Context(SshSettings(user="skewmon")))


async def test_each_host_is_right_or_rejected_with_the_reason(tmp_path: Path) -> None:
    """Values marked unsafe are data; templates, vault values and other connections cost their host."""
    path = tmp_path / "hosts.yml"
    path.write_text(HOSTS)
    listing = await read(path)
    assert {node.name: (node.address, node.ssh.user, node.ssh.port) for node in listing.nodes} == {
        "plain": ("10.0.0.1", "root", 2222),
        "bare": ("bare", "skewmon", 22),
        "unsafe": ("10.0.0.2", "ops", 22),
        "full_name": ("10.0.0.3", "skewmon", 22),
        "other_secret": ("10.0.0.4", "skewmon", 22),
        "old_names": ("10.0.0.6", "root", 2200),
        "zone": ("fe80::1%eth0", "1000", 22),
        "smart": ("10.0.0.7", "skewmon", 22),
        "db01.example.com": ("db01.example.com", "skewmon", 22),
        "db02.example.com": ("db02.example.com", "skewmon", 22),
        "10.0.0.8": ("10.0.0.8", "skewmon", 2222),
        "behind": ("behind", "skewmon", 22),
        "proxied": ("proxied", "skewmon", 22),
        "command_line": ("command_line", "root", 2200),
        "unsafe_jump": ("unsafe_jump", "skewmon", 22),
    }
    ways = {node.name: (node.ssh.jump, node.ssh.proxy_command) for node in listing.nodes}
    assert {name: way for name, way in ways.items() if way != ((), None)} == {
        "behind": (("ops@gate.example:2222",), None),
        "proxied": ((), "ssh -W %h:%p gate.example"),
        "command_line": (("gate.example", "inner"), None),
        "unsafe_jump": (("gate.example",), None),
    }
    reasons = {one.name: one.reason for one in listing.rejected}
    assert reasons.keys() == REJECTED.keys()
    assert [name for name, reason in REJECTED.items() if reason not in reasons[name]] == []


async def test_constructed_addresses_and_variables_of_groups_count(tmp_path: Path) -> None:
    """The settings of the user would leave out variables of groups."""
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "1_hosts").write_text("[etcd]\nn1\nn22\n[etcd:vars]\nansible_user=ops\nansible_port=2222\n")
    (directory / "2.yml").write_text(CONSTRUCTED)
    (directory / "group_vars" / "etcd").mkdir(parents=True)
    (directory / "group_vars" / "etcd" / "way.yml").write_text("ansible_ssh_common_args: -J gate\n")
    listing = await read(directory)
    assert [(node.address, node.ssh.user, node.ssh.port, node.ssh.jump) for node in listing.nodes] == [
        ("10.1.0.2", "ops", 2222, ("gate",)),
        ("10.1.0.3", "ops", 2222, ("gate",)),
    ]
    assert listing.rejected_count == 0


async def test_a_source_that_cannot_be_parsed_is_an_error(tmp_path: Path) -> None:
    """By itself Ansible would warn and list nothing, and every node would be forgotten."""
    path = tmp_path / "hosts.yml"
    path.write_text("all: [")
    with pytest.raises(InventoryError, match=f"ansible-inventory failed: .*{path}"):
        await read(path)

"""The live sources: target files, target servers and Ansible."""

import json
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from skewmon.config.limits import MAX_FILE_BYTES
from skewmon.config.schema import SourceSpec
from skewmon.errors import InventoryError
from skewmon.inventory import ansible, file_sd, http_sd
from skewmon.inventory.settings import Context
from skewmon.model import Node, SshSettings

BASE = SshSettings(user="skewmon", identities=("/key",))
CONTEXT = Context(BASE)


async def from_file(tmp_path: Path, text: str) -> list[Node]:
    """Return the nodes of one target file."""
    (tmp_path / "targets.yml").write_text(text)
    return (await file_sd.read(SourceSpec(file_sd=f"{tmp_path}/*"), CONTEXT)).nodes


# --- file_sd -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '[{"targets": ["n1:9100", "n2:9100"], "labels": {"ha": "yes"}}]',
        "- targets: ['n1:9100', 'n2']\n  labels: {ha: yes, since: 2026-01-01}\n",
        "- targets: [n1]\n- targets: [n2]\n  labels:\n",
    ],
    ids=["json", "yaml", "two groups"],
)
async def test_targets_are_nodes(text: str, tmp_path: Path) -> None:
    """The port belongs to an exporter and is dropped; labels are for Prometheus."""
    assert await from_file(tmp_path, text) == [Node("n1", "n1", BASE), Node("n2", "n2", BASE)]


async def test_addresses_are_targets_too(tmp_path: Path) -> None:
    """With and without brackets and port."""
    nodes = await from_file(
        tmp_path, '[{"targets": ["[2001:db8::1]:9100", "[::2]", "2001:db8::3", "10.0.0.1:1"]}]'
    )
    assert [node.address for node in nodes] == ["2001:db8::1", "::2", "2001:db8::3", "10.0.0.1"]


async def test_labels_may_hold_the_login(tmp_path: Path) -> None:
    """Their names start with __, so that Prometheus drops them."""
    (node,) = await from_file(tmp_path, "- {targets: [n1], labels: {__ssh_user: root, __ssh_port: '2222'}}")
    assert (node.ssh.user, node.ssh.port, node.ssh.identities) == ("root", 2222, ("/key",))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "expected a list of target groups"),
        ("[n1]", "expected groups such as"),
        ("[{targets: n1}]", "expected groups such as"),
        ("[{targets: [n1], labels: [a]}]", "expected groups such as"),
        ("[{targets: [7]}]", "expected a target such as host:9100, found 7"),
        ("[{targets: ['a b']}]", "'a b' is not a host name"),
        (
            "[{targets: ['[2001:db8::1:9100']}]",
            r"'\[2001:db8::1:9100' is neither an IPv6 address nor host:port",
        ),
        ("[{targets: ['[::1]:']}]", "neither an IPv6 address nor host:port"),
        ("[{targets: [n1], labels: {__ssh_port: 0}}]", "__ssh_port is not a port"),
        ("[{targets: [n1], labels: {__ssh_user: [a]}}]", "__ssh_user is not a user name"),
        ("[{targets: [n1], labels: {__ssh_user: '-oProxyCommand=x'}}]", "__ssh_user is not a user name"),
        ("[", "this is not YAML"),
        ("", "the file is empty"),
    ],
)
async def test_a_target_file_without_a_usable_entry_is_refused(text: str, words: str, tmp_path: Path) -> None:
    """With the name of the file."""
    with pytest.raises(InventoryError, match=words) as caught:
        await from_file(tmp_path, text)
    assert f"{tmp_path}/targets.yml" in str(caught.value)


async def test_a_target_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Wrong bytes, too many bytes, no file at all."""
    (tmp_path / "a").write_bytes(b"\xff")
    with pytest.raises(InventoryError, match="is not UTF-8"):
        await file_sd.read(SourceSpec(file_sd=f"{tmp_path}/a"), CONTEXT)
    (tmp_path / "b").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(InventoryError, match="larger than 4 MiB"):
        await file_sd.read(SourceSpec(file_sd=f"{tmp_path}/b"), CONTEXT)
    (tmp_path / "c").mkdir()
    with pytest.raises(InventoryError, match="is a directory"):
        await file_sd.read(SourceSpec(file_sd=f"{tmp_path}/c"), CONTEXT)


# --- http_sd -----------------------------------------------------------------------------------------

Serve = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Return a function that serves one handler on loopback and returns its URL."""
    runners: list[web.AppRunner] = []

    async def start(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> str:
        application = web.Application()
        application.router.add_get("/", handler)
        runner = web.AppRunner(application)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/"

    yield start
    for runner in runners:
        await runner.cleanup()


async def test_a_server_lists_nodes(serve: Serve) -> None:
    """The format is that of the files."""

    async def handler(request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "application/json"
        assert "Authorization" not in request.headers
        return web.json_response([{"targets": ["n1:9100"]}, {"targets": ["n2:9100"]}])

    listing = await http_sd.read(SourceSpec(http_sd=await serve(handler)), CONTEXT)
    assert listing.nodes == [Node("n1", "n1", BASE), Node("n2", "n2", BASE)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (web.Response(status=503), "answered 503 Service Unavailable"),
        (web.Response(status=304), "answered 304 Not Modified$"),
        (web.Response(status=204), "answered 204 No Content$"),
        (web.Response(text="<html>"), "did not answer with JSON"),
        (web.Response(text="[" * 100_000), "did not answer with JSON"),
        (web.Response(text="{}"), "expected a list of target groups"),
        (web.Response(body=b" " * (MAX_FILE_BYTES + 1)), "sent more than 4 MiB"),
        (web.Response(status=302, headers={"Location": "/"}), "cannot be read"),
    ],
    ids=["status", "not modified", "empty", "not JSON", "deep", "not a list", "flood", "redirects to itself"],
)
async def test_a_bad_answer_is_refused(serve: Serve, answer: web.Response, words: str) -> None:
    """With the address of the server."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    url = await serve(handler)
    with pytest.raises(InventoryError, match=words) as caught:
        await http_sd.read(SourceSpec(http_sd=url), CONTEXT)
    assert url in str(caught.value)


@pytest.mark.parametrize(
    "kind", ["text/html", "application/octet-stream", "application/json; charset=utf-16"]
)
async def test_a_list_of_another_content_type_is_read(serve: Serve, kind: str) -> None:
    """Compressed, with a byte order mark, and over a redirect, too."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if "moved" not in request.query:
            return web.Response(status=301, headers={"Location": "/?moved"})
        response = web.Response(body=b'\xef\xbb\xbf[{"targets": ["7:9100", "8", "[fe80::1%eth0]:1"]}]')
        response.headers["Content-Type"] = kind
        response.enable_compression(web.ContentCoding.gzip)
        return response

    listing = await http_sd.read(SourceSpec(http_sd=await serve(handler)), CONTEXT)
    assert [node.address for node in listing.nodes] == ["7", "8", "fe80::1%eth0"]


async def test_a_server_that_is_not_there_is_named() -> None:
    """Port 1 of loopback is closed."""
    with pytest.raises(InventoryError, match=r"http://127\.0\.0\.1:1/ cannot be read"):
        await http_sd.read(SourceSpec(http_sd="http://127.0.0.1:1/"), CONTEXT)


async def test_the_headers_of_a_file_are_sent_and_the_file_is_read_each_time(
    serve: Serve, tmp_path: Path
) -> None:
    """A token that was renewed counts at the next refresh; the file may be a systemd credential."""
    secret = tmp_path / "headers"
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.json_response([{"targets": ["n1"]}])

    spec = SourceSpec(http_sd=await serve(handler), headers_file=str(secret))
    for token in ("one", "two"):
        secret.write_text(f"# login\nAuthorization: Bearer {token}\n")
        assert len((await http_sd.read(spec, CONTEXT)).nodes) == 1
    assert seen == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    "headers", [None, "Authorization", "A: b\x00"], ids=["missing", "no colon", "control"]
)
async def test_headers_that_cannot_be_read_are_refused_without_their_content(
    headers: str | None, tmp_path: Path
) -> None:
    """The error names the URL and the file."""
    secret = tmp_path / "headers"
    if headers is not None:
        secret.write_text(headers)
    spec = SourceSpec(http_sd="http://127.0.0.1:1/path", headers_file=str(secret))
    with pytest.raises(InventoryError, match=r"http://127\.0\.0\.1:1/path cannot be read: ") as caught:
        await http_sd.read(spec, CONTEXT)
    assert str(secret) in str(caught.value)
    assert headers is None or headers not in str(caught.value)


async def test_a_request_with_headers_follows_no_redirect(serve: Serve, tmp_path: Path) -> None:
    """A redirect could carry a token to another host."""
    (tmp_path / "headers").write_text("X-Token: secret")
    followed = []

    async def elsewhere(request: web.Request) -> web.Response:
        followed.append(request)
        return web.json_response([])

    other = await serve(elsewhere)

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": other})

    spec = SourceSpec(http_sd=await serve(handler), headers_file=str(tmp_path / "headers"))
    with pytest.raises(InventoryError, match="302 Found: name the address behind the redirect"):
        await http_sd.read(spec, CONTEXT)
    assert not followed


# --- ansible -----------------------------------------------------------------------------------------

LISTING = {
    "_meta": {
        "hostvars": {
            "n1": {"ansible_host": "10.0.0.1", "ansible_port": 2222, "ansible_user": "root"},
            "n2": {"ansible_ssh_private_key_file": "keys/n2", "ansible_port": "2200"},
            "n3": {"ansible_ssh_host": "10.0.0.3"},
        }
    },
    "all": {"children": ["ungrouped", "etcd", "ring"]},
    "etcd": {"children": ["etcd_a", "etcd_b"]},
    "etcd_a": {"hosts": ["n1"]},
    "etcd_b": {"hosts": ["n2", "n1"]},
    "ring": {"hosts": ["n3"], "children": ["ring"]},
}


@pytest.fixture
def fake_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], SourceSpec]:
    """Return a function that replaces ansible-inventory by a script."""

    def install(script: str) -> SourceSpec:
        binary = tmp_path / "bin" / "ansible-inventory"
        binary.parent.mkdir(exist_ok=True)
        binary.write_text(f"#!/bin/sh\n{script}\n")
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{binary.parent}:/usr/bin:/bin")
        (tmp_path / "hosts").write_text("")
        return SourceSpec(ansible=f"{tmp_path}/hosts")

    return install


def printing(value: object) -> str:
    """Return a script that prints JSON."""
    return f"cat <<'END'\n{json.dumps(value)}\nEND"


async def test_the_hosts_of_a_group_and_those_below_it_are_nodes(fake_ansible, tmp_path: Path) -> None:
    """Ansible's variables go before the cluster's settings; a group in itself is no trap."""
    spec = fake_ansible(f'[ "$*" = "-i {tmp_path}/hosts --list" ] || exit 9\n{printing(LISTING)}')
    listing = await ansible.read(spec.model_copy(update={"group": "etcd"}), CONTEXT)
    assert listing.nodes == [
        Node("n1", "10.0.0.1", SshSettings(user="root", port=2222, identities=("/key",))),
        Node("n2", "n2", SshSettings(user="skewmon", port=2200, identities=(f"{tmp_path}/keys/n2",))),
    ]
    everything = await ansible.read(spec, CONTEXT)
    assert [(node.name, node.address) for node in everything.nodes] == [
        ("n3", "10.0.0.3"),
        ("n1", "10.0.0.1"),
        ("n2", "n2"),
    ]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo warning >&2; echo no such plugin >&2; exit 2", "ansible-inventory failed: no such plugin"),
        ("exit 1", "without a reason"),
        ("echo hello", "did not print JSON"),
        ("echo '[]'", "printed something other than an inventory"),
        (
            printing({"all": {"hosts": ["n1"]}, "_meta": {"hostvars": {"n1": {"ansible_host": "{{ ip }}"}}}}),
            "host 'n1': ",
        ),
        (
            printing({"all": {"hosts": ["n1"]}, "_meta": {"hostvars": {"n1": {"ansible_port": "x"}}}}),
            "host 'n1': ",
        ),
        (
            printing({"all": {"hosts": ["n1"]}, "_meta": {"hostvars": {"n1": {"ansible_port": 0}}}}),
            "'0' is not a port",
        ),
    ],
    ids=["fails", "fails silently", "not JSON", "not an inventory", "template", "port", "port zero"],
)
async def test_a_bad_inventory_is_refused(fake_ansible, script: str, words: str) -> None:
    """The last line of Ansible's complaint has the reason."""
    with pytest.raises(InventoryError, match=words):
        await ansible.read(fake_ansible(script), CONTEXT)


async def test_an_unknown_group_is_refused_with_the_nearest_name(fake_ansible) -> None:
    """Ansible itself would list nothing."""
    spec = fake_ansible(printing(LISTING)).model_copy(update={"group": "ectd"})
    with pytest.raises(InventoryError, match="there is no group 'ectd'; did you mean etcd"):
        await ansible.read(spec, CONTEXT)


async def test_an_inventory_that_floods_or_hangs_is_ended(
    fake_ansible, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both limits hold, and no process stays behind."""
    monkeypatch.setattr(ansible, "MAX_OUTPUT_BYTES", 1_000_000)
    with pytest.raises(InventoryError, match="printed more than"):
        await ansible.read(fake_ansible("exec cat /dev/zero"), CONTEXT)
    monkeypatch.setattr(ansible, "TIMEOUT_S", 0.2)
    with pytest.raises(InventoryError, match=r"took longer than 0\.2 s"):
        await ansible.read(fake_ansible("exec cat /dev/zero > /dev/null"), CONTEXT)


async def test_a_missing_inventory_or_program_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says how to fix it."""
    with pytest.raises(InventoryError, match="there is no /no/such/hosts"):
        await ansible.read(SourceSpec(ansible="/no/such/hosts"), CONTEXT)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InventoryError, match="install ansible-core, or list the nodes by file_sd"):
        await ansible.read(SourceSpec(ansible=str(tmp_path)), CONTEXT)

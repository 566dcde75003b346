"""The web file: supported keys, errors, and changes at run time."""

import asyncio
import base64
import ssl
from pathlib import Path

import aiohttp
import bcrypt
import pytest

from skewmon.errors import ConfigError
from skewmon.export.server import Exporter
from skewmon.export.web_config import load_web_config
from tests.export import samples
from tests.export.certificates import Authority

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def web_file(tmp_path: Path):
    """Return a function that writes the web file and returns its path."""

    def write(text: str) -> str:
        path = tmp_path / "web.yml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def basic(name: str, password: str) -> dict[str, str]:
    """Return the header of a login."""
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def users(**hashes: str) -> str:
    """Return a web file with these users."""
    return "basic_auth_users:\n" + "".join(f"  {name}: {digest}\n" for name, digest in hashes.items())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rate_limit: {interval: 1s}", ":1:1: rate_limit is not supported"),
        ("tls_server_config:\n  cipher_suites: []", ":2:3: tls_server_config.cipher_suites is not supported"),
        ("tls_server_config: {cert_file: a.crt}", "key_file is missing"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}", "min_version: expected"),
        (
            "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}",
            "belong together",
        ),
        ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "belong together"),
        ("basic_auth_users: {prometheus: secret}", ":1:32: expected a bcrypt hash"),
        ("basic_auth_users: [prometheus]", "expected a mapping"),
        ("just text", "expected a mapping"),
        ("a: [", "web.yml"),
    ],
)
def test_invalid_settings_are_refused_with_their_position(web_file, text, fault) -> None:
    """Unsupported keys are named, contradictions explained, and no password is repeated."""
    with pytest.raises(ConfigError) as caught:
        load_web_config(web_file(text))
    assert fault in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path) -> None:
    """A missing web file never opens the server to every client."""
    with pytest.raises(ConfigError, match=r"none\.yml: there is no such file"):
        load_web_config(str(tmp_path / "none.yml"))


def test_paths_start_at_the_web_file_and_hashes_stay_out_of_logs(web_file, tmp_path) -> None:
    """Relative names are those beside the file; a repr shows no hash."""
    config = load_web_config(
        web_file("tls_server_config: {cert_file: a.crt, key_file: k/a.key}\n" + users(a=HASH))
    )
    assert config.tls.cert_file == str(tmp_path / "a.crt")
    assert config.tls.key_file == str(tmp_path / "k/a.key")
    assert HASH not in repr(config)


async def test_with_users_everything_needs_a_password(serve, client, web_file) -> None:
    """Every path is closed; wrong name and wrong password get the same answer."""
    exporter, url = await serve(web_config_file=web_file(users(prometheus=HASH)))
    exporter.publish(samples.healthy())
    bodies = set()
    for headers in (
        {},
        basic("prometheus", "wrong"),
        basic("stranger", PASSWORD),
        basic("prometheus", "x" * 100),
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + "QQ=="},
        {"Authorization": "Bearer x"},
    ):
        async with client.get(f"{url}/-/healthy", headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
            bodies.add(await answer.text())
    assert len(bodies) == 1
    for path in ("/", "/metrics", "/page/page.js", "/nowhere", "/api/v1/stream"):
        async with client.get(url + path) as answer:
            assert answer.status == 401
    async with client.get(f"{url}/metrics", headers=basic("prometheus", PASSWORD)) as answer:
        assert answer.status == 200


async def test_unknown_names_cost_as_much_as_wrong_passwords(serve, client, web_file, monkeypatch) -> None:
    """A hash is checked either way; the same credentials are checked only once."""
    checked = []
    check = bcrypt.checkpw

    def watched(password: bytes, digest: bytes) -> bool:
        checked.append(digest)
        return check(password, digest)

    monkeypatch.setattr(bcrypt, "checkpw", watched)
    _, url = await serve(web_config_file=web_file(users(prometheus=HASH)))
    for name, password in (("prometheus", "wrong"), ("stranger", "wrong"), ("prometheus", PASSWORD)) * 3:
        async with client.get(f"{url}/-/healthy", headers=basic(name, password)) as answer:
            assert answer.status == (200 if password == PASSWORD else 401)
    assert checked == [HASH.encode()] * 3


async def test_a_changed_file_takes_effect_at_once_and_a_broken_one_not_at_all(
    serve, client, web_file
) -> None:
    """Passwords are changed without a restart; an invalid file changes no access."""
    path = web_file(users(prometheus=HASH))
    _, url = await serve(web_config_file=path)

    async def code(name: str) -> int:
        async with client.get(f"{url}/-/healthy", headers=basic(name, PASSWORD)) as answer:
            return answer.status

    assert (await code("prometheus"), await code("grafana")) == (200, 401)
    web_file(users(grafana=HASH))
    assert (await code("prometheus"), await code("grafana")) == (401, 200)
    web_file(users(grafana=HASH) + "rate_limit: {}\n")
    assert (await code("prometheus"), await code("grafana")) == (401, 200)
    Path(path).unlink()
    assert (await code("prometheus"), await code("grafana")) == (401, 200)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority whose certificates the client trusts."""
    return Authority(tmp_path)


TLS = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


async def peer_serial(url: str, context: ssl.SSLContext) -> str:
    """Return the serial number of the certificate that a new connection is shown."""
    host, port = url.removeprefix("https://").rsplit(":", 1)
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    serial = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    await writer.wait_closed()
    return serial


async def test_the_server_has_tls_and_shows_a_renewed_certificate(serve, client, web_file, authority) -> None:
    """A client that verifies gets its answer; a new certificate is used without a restart."""
    authority.issue("server")
    exporter, url = await serve(scheme="https", web_config_file=web_file(TLS))
    exporter.publish(samples.healthy())
    context = ssl.create_default_context(cafile=str(authority.path))
    async with client.get(f"{url}/-/ready", ssl=context) as answer:
        assert answer.status == 200
    before = await peer_serial(url, context)
    assert await peer_serial(url, context) == before
    authority.issue("server")
    assert await peer_serial(url, context) != before


async def test_half_a_renewal_changes_nothing(serve, web_file, authority, tmp_path) -> None:
    """A certificate whose key has not been written yet is not used; the pair before is."""
    authority.issue("server")
    _, url = await serve(scheme="https", web_config_file=web_file(TLS))
    context = ssl.create_default_context(cafile=str(authority.path))
    before = await peer_serial(url, context)
    renewed = authority.issue("renewed")
    (tmp_path / "server.crt").write_bytes(renewed.certificate.read_bytes())
    assert await peer_serial(url, context) == before
    (tmp_path / "server.key").write_bytes(renewed.key.read_bytes())
    assert await peer_serial(url, context) != before


async def test_old_tls_is_refused(serve, web_file, authority) -> None:
    """TLS 1.1 is refused, and so is 1.2 if 1.3 is required."""
    authority.issue("server")
    _, url = await serve(scheme="https", web_config_file=web_file(TLS + "  min_version: TLS13\n"))
    context = ssl.create_default_context(cafile=str(authority.path))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await peer_serial(url, context)


async def test_client_certificates_can_be_required(serve, client, web_file, authority) -> None:
    """Only a client with a certificate of the right authority is answered."""
    authority.issue("server")
    text = TLS + "  client_ca_file: ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
    _, url = await serve(scheme="https", web_config_file=web_file(text))
    stranger = ssl.create_default_context(cafile=str(authority.path))
    with pytest.raises(aiohttp.ClientError):
        async with client.get(f"{url}/-/healthy", ssl=stranger):
            pass
    known = ssl.create_default_context(cafile=str(authority.path))
    own = authority.issue("client")
    known.load_cert_chain(own.certificate, own.key)
    async with client.get(f"{url}/-/healthy", ssl=known) as answer:
        assert answer.status == 200


def test_a_certificate_that_cannot_be_used_is_explained(web_file, authority, tmp_path) -> None:
    """A wrong key or a missing file is a readable fault at the start."""
    path = web_file(TLS)
    with pytest.raises(ConfigError, match="no such file or directory"):
        Exporter(web_config_file=path)
    authority.issue("server")
    (tmp_path / "server.key").write_bytes(authority.issue("other").key.read_bytes())
    with pytest.raises(ConfigError, match="key values mismatch"):
        Exporter(web_config_file=path)

"""`skewmon health` shows a container's runtime whether the daemon answers."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from skewmon.cli import health
from skewmon.cli.main import run
from tests.fleet.node import free_port


@contextmanager
def daemon(
    status: int,
    certificate: Path | None = None,
    path: str = "/-/healthy",
    body: bytes = b"skewmon is healthy.\n",
) -> Iterator[str]:
    """Serve one path with this status, by TLS with a certificate and its key in one file."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == path else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (401, 0), (404, 1), (500, 1), (503, 1)])
def test_the_exit_code_says_whether_it_is_well(status, code, capsys):
    """An answer is health, also one that asks for a password; an error is not."""
    with daemon(status) as url:
        assert run(["health", "--url", url]) == code
        assert run(["health", "--url", f"{url}/"]) == code
    assert capsys.readouterr().out


def test_nothing_that_listens_is_not_health(capsys):
    """A refused connection is reported in words."""
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    assert run(["health", "--url", url]) == 1
    assert capsys.readouterr().out == f"No daemon answers at {url}: Connection refused.\n"


def test_a_proxy_is_not_asked(monkeypatch, capsys):
    """The daemon itself is queried, despite proxies in the environment."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with daemon(200) as url:
        assert run(["health", "--url", url]) == 0


def test_without_a_url_a_daemon_is_well_with_tls_or_without(tmp_path, monkeypatch, capsys):
    """The image's HEALTHCHECK knows no configuration; the certificate may be for another name."""
    certificate = tmp_path / "page.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=page -days 2"
    made = subprocess.run([*make.split(), "-keyout", "-"], check=True, capture_output=True)
    certificate.write_bytes(made.stdout)
    for one in (None, certificate):
        with daemon(200, one) as url:
            address = url.partition("://")[2]
            monkeypatch.setattr(health, "DEFAULT_URLS", (f"http://{address}", f"https://{address}"))
            assert run(["health"]) == 0
            assert capsys.readouterr().out == "skewmon is healthy.\n"
    assert run(["health"]) == 1
    assert "Connection refused" in capsys.readouterr().out

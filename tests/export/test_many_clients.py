"""Thousands of connections from one address; a scraper at another one, or at the same one, is answered."""

import base64
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import bcrypt
import pytest

#: Prometheus gives up after 10 s; many clients cost a scraper less than a tenth of that.
ANSWER_S = 1.0

#: All clients are connected within seconds; a busy machine takes longer.
COMPLETE_S = 60.0

#: After that, clients whose connections were closed come back twice.
WATCHED_S = 4.0

#: The full proof: keep-alive, header and handshake limits pass several times.
PROVE_S = 60.0

CLIENTS = {"idle": 2_000, "slow": 500, "streams": 1_000}

PASSWORD = "correct horse"


@contextmanager
def process(module: str, *arguments: str) -> Iterator[subprocess.Popen]:
    """Start a module of the tests; the end of its input ends it."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.stdin.close()
            running.wait(30)


def scrape(host: str, port: int, source: str, headers: dict[str, str]) -> float:
    """Return how long a new connection takes to get its answer."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=10, source_address=(source, 0))
    connection.request("GET", "/metrics", headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, (answer.status, body)
    assert b"skewmon_" in body
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("source", "secured", "watched_s"),
    [
        pytest.param("127.0.0.1", False, WATCHED_S, id="other-address"),
        pytest.param("127.0.0.2", True, WATCHED_S, id="same-address-password"),
        pytest.param("127.0.0.1", True, PROVE_S, id="other-address-password", marks=pytest.mark.prove),
        pytest.param("127.0.0.2", False, PROVE_S, id="same-address", marks=pytest.mark.prove),
        pytest.param("127.0.0.1", False, PROVE_S, id="other-address-long", marks=pytest.mark.prove),
    ],
)
def test_many_clients_at_one_address_delay_no_scrape(
    tmp_path, source: str, secured: bool, watched_s: float
) -> None:
    """2,000 idle, 500 slow and 1,000 streaming clients: every scrape is answered within a second.

    That also holds at the address of the many clients, with and without a password: a whole request is
    admitted before the other clients can push its connection out.
    """
    arguments, header = [], ""
    if secured:
        digest = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        web_file = tmp_path / "web.yml"
        web_file.write_text(f"basic_auth_users: {{prometheus: {digest}}}\n", encoding="utf-8")
        arguments = [str(web_file)]
        header = "Basic " + base64.b64encode(f"prometheus:{PASSWORD}".encode()).decode()
    headers = {"Authorization": header} if secured else {}
    with process("tests.export.server_process", *arguments) as server:
        host, port = server.stdout.readline().strip().rsplit(":", 1)
        line = f"Authorization: {header}\r\n" if secured else ""
        plan = {"address": "127.0.0.2", "host": host, "port": int(port), "header": line, **CLIENTS}
        with process("tests.export.many_clients", json.dumps(plan)) as clients:
            took = []
            with ThreadPoolExecutor(1) as reading:
                complete = reading.submit(clients.stdout.readline)
                until = deadline = time.monotonic() + COMPLETE_S
                while time.monotonic() < until:
                    took.append(scrape(host, int(port), source, headers))
                    if complete.done() and until == deadline:
                        until = time.monotonic() + watched_s
                    time.sleep(0.01)
                assert complete.done(), "the clients never were all connected"
            clients.stdin.close()
            counts = json.loads(clients.stdout.readline())
    assert counts["streams"] < CLIENTS["streams"] / 2
    assert counts["refused_streams"] == counts["retry_after"] > CLIENTS["streams"] / 2
    assert max(took) < ANSWER_S
    print(f"{len(took)} scrapes, the slowest {max(took):.3f} s; {counts}")

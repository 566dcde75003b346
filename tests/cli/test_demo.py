"""`skewmon demo` on a machine with nothing: it shows the jump, and leaves nothing behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fleet.processes import descendants

#: The jump comes after 12 s; everything must have been seen within a minute.
PATIENCE_S = 60.0


@contextmanager
def demo(place: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo with no home, no terminal, and its own directory for temporary files."""
    environment = {"PATH": os.defpath, "TMPDIR": str(place)}
    command = [sys.executable, "-m", "skewmon", "demo", *arguments]
    with subprocess.Popen(
        command, env=environment, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Return the output up to the first line that matches."""
    assert process.stdout is not None
    read = ""
    for line in process.stdout:
        read += line
        if re.search(pattern, line):
            return read
    raise AssertionError(f"{pattern} was never printed:\n{read}")


def fetched(text: str, path: str) -> bytes:
    """Return the document of the demo whose first output is ``text``."""
    base = re.search(r"http://127\.0\.0\.1:\d+/", text)
    assert base
    with urllib.request.urlopen(base[0] + path, timeout=10) as answer:
        return bytes(answer.read())


def test_the_jumped_node_is_named_in_table_metrics_and_json(tmp_path):
    """Within a minute, without a terminal: the table says WRONG, metrics and JSON name n3, n6 is down."""
    began = time.monotonic()
    with demo(tmp_path) as process:
        text = read_until(process, r"^n3 .*WRONG")
        text += read_until(process, r"^CRITICAL demo")
        assert time.monotonic() - began < PATIENCE_S
        metrics = fetched(text, "metrics").decode()
        status = json.loads(fetched(text, "api/v1/status"))
        assert fetched(text, "").startswith(b"<!")
        process.send_signal(signal.SIGINT)
        text += read_until(process, "The demo is over")
        assert process.wait(20) == 0
    assert 'skewmon_node_culprit{cluster_name="demo",node="n3"} 1.0' in metrics
    assert status["verdict"] == "critical"
    assert status["clusters"][0]["culprits"] == ["n3"]
    reasons = {node["name"]: node["reason"] for node in status["clusters"][0]["nodes"]}
    assert reasons["n6"] == "connection-refused"
    assert "\x1b" not in text
    assert "n3  claims-sync-but-off" in text
    assert list(tmp_path.iterdir()) == []


def test_it_ends_by_itself_and_leaves_nothing(tmp_path):
    """After --duration, process, children and files are gone."""
    with demo(tmp_path, "--duration", "3s", "--no-table", "--nodes", "2") as process:
        text = read_until(process, "Ctrl-C ends it")
        children = descendants(process.pid)
        assert children
        text += read_until(process, "The demo is over")
        assert process.wait(20) == 0
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert "WRONG" not in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("moment", ["at once", "while the nodes start", "in full swing"])
def test_a_signal_at_any_moment_leaves_nothing(moment, tmp_path):
    """SIGTERM, twice, before, during and after the start."""
    with demo(tmp_path, "--nodes", "50") as process:
        if moment == "in full swing":
            read_until(process, "^(UNKNOWN|OK|CRITICAL) demo")
        elif moment == "while the nodes start":
            deadline = time.monotonic() + PATIENCE_S
            while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
                time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode in ({0} if moment != "at once" else {0, -signal.SIGTERM})
    assert list(tmp_path.iterdir()) == []


def test_the_nodes_end_and_tidy_up_when_the_demo_is_killed(tmp_path):
    """Not even kill -9 leaves servers running or keys on disk."""
    with demo(tmp_path, "--no-table") as process:
        read_until(process, "Ctrl-C ends it")
        children = descendants(process.pid)
        process.kill()
        process.wait()
    deadline = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() for pid in children) or list(tmp_path.iterdir()):
        assert time.monotonic() < deadline, "something is left"
        time.sleep(0.01)


def test_a_taken_port_is_reported_and_another_is_used(tmp_path):
    """If another program has 10061, the demo says so and takes a free port."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 10061))
            taken.listen()
        except OSError:
            pass  # another program has it: all the better
        with demo(tmp_path, "--duration", "2s", "--no-table", "--nodes", "1") as process:
            text = read_until(process, "The demo is over")
    assert re.search(r"Port 10061 is taken; this daemon listens at \d+\.", text)


def test_a_port_that_was_asked_for_and_is_taken_is_refused(tmp_path):
    """A port that was named is not replaced: exit code 3, one sentence, nothing left."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with demo(tmp_path, "--port", str(port)) as process:
            text = read_until(process, "cannot listen")
            assert process.wait(20) == 3
    assert f"skewmon: cannot listen at 127.0.0.1:{port}: address already in use" in text
    assert list(tmp_path.iterdir()) == []

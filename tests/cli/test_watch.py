"""`skewmon watch` and `probe` on real servers and on a daemon's JSON."""

import asyncio
import io
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from skewmon.cli import render
from skewmon.cli.daemon_client import UnreadableStatusError, parsed
from skewmon.cli.main import run
from skewmon.cli.transcript import full
from skewmon.cli.watch_display import display
from skewmon.demo.clock import ClockOrigin
from skewmon.demo.nodes import simulated_nodes
from skewmon.demo.server import Servers
from skewmon.demo.workdir import make_identity, write_config
from skewmon.export.status import encode, status
from skewmon.model import Node, Snapshot, SyncStatus
from skewmon.monitor.probe import ProbeReport
from skewmon.runtime import client
from skewmon.timesync.script import ToolOutput
from tests.cli.test_health import daemon
from tests.export import samples
from tests.export.certificates import Authority
from tests.export.samples import JUMPED, breaching, healthy, jumped
from tests.fleet.node import free_port

PATIENCE_S = 30.0

#: Fields that were added to a cluster of schema 1.
ADDED = {"culprit_evidence", "message", "thresholds", "interval_seconds"}

#: A second on an idle machine, which this one need not be.
END_S = 3.0


def stored(sent: Snapshot) -> bytes:
    return encode(status(sent))


# --- a daemon's JSON ---


def test_a_daemon_s_document_is_read_as_it_was_published():
    """Nothing is lost or changed, so that its rounds are drawn like one's own."""
    sent = status(Snapshot(0, (*jumped().clusters, *healthy().clusters, *breaching().clusters)))
    assert parsed(encode(sent)) == sent


def test_fields_that_an_older_daemon_lacks_are_filled_in():
    """Without evidence, message, thresholds and last success, the culprit is named in a whole sentence."""
    document = json.loads(stored(jumped()))
    for cluster in document["clusters"]:
        for key in ADDED:
            del cluster[key]
        for key in ("seconds", "lower", "upper"):
            del cluster["worst_pair"][key]
        for node in cluster["nodes"]:
            del node["last_success"]
    (cluster,) = parsed(json.dumps(document).encode())["clusters"]
    assert cluster["culprits"] == [JUMPED]
    assert cluster["message"] == f"The clocks are at least 69.99 s apart: {JUMPED} is ahead of etcd1."


@pytest.mark.parametrize(
    ("ends", "value"),
    [("offset", "1e999"), ("offset", "NaN"), ("offset", "[]"), ("admin_offset", '{"seconds": 0}')],
)
def test_a_status_with_impossible_numbers_is_refused_in_words(ends, value):
    """They come from a daemon that is not ours."""
    document = json.loads(stored(jumped()))
    document["clusters"][0]["nodes"][0][ends] = "HERE"
    with pytest.raises(UnreadableStatusError):
        parsed(json.dumps(document).replace('"HERE"', value).encode())


def test_an_interval_whose_ends_are_exchanged_is_refused_in_words():
    """The lower end comes first."""
    document = json.loads(stored(jumped()))
    document["clusters"][0]["nodes"][0]["offset"]["lower"] = 1_000
    with pytest.raises(UnreadableStatusError):
        parsed(json.dumps(document).encode())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b'{"schema":1}',
        b'{"schema":2,"time":"x","clusters":[]}',
        b"\xff",
    ],
)
def test_other_text_is_refused_in_words(text):
    """Another program's answer, or a newer schema, is reported and not shown."""
    with pytest.raises(UnreadableStatusError):
        parsed(text)


def test_a_status_with_holes_is_refused_in_words():
    """Any single missing value of the document gives this one error."""
    document = json.loads(stored(jumped()))
    for key in document["clusters"][0].keys() - ADDED:  # which older daemons leave out
        broken = json.loads(json.dumps(document))
        del broken["clusters"][0][key]
        with pytest.raises(UnreadableStatusError):
            parsed(json.dumps(broken).encode())


def test_no_daemon_at_the_url_is_reported(capsys):
    """Code 3 and one sentence."""
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    assert run(["watch", "--url", url]) == 3
    assert capsys.readouterr().err.startswith(f"skewmon: No daemon answers at {url}")


def test_a_daemon_behind_an_authority_of_one_s_own_is_watched(tmp_path, monkeypatch, capsys):
    """The certificate is verified, by the authority that is named."""
    monkeypatch.setattr(client, "_CONNECTOR", {})
    authority = Authority(tmp_path)
    pair, both = authority.issue("page"), tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    with daemon(200, both, "/api/v1/status", stored(breaching())) as url:
        assert run(["watch", "--url", url, "--once"]) == 3
        assert "not trusted" in (said := capsys.readouterr().err)
        assert "--ca-file FILE" in said
        assert run(["watch", "--url", url, "--once", "--ca-file", str(tmp_path / "none")]) == 3
        assert "No such file" in capsys.readouterr().err
        assert run(["watch", "--url", url, "--once", "--ca-file", str(authority.path)]) == 0
        assert "OK lab" in capsys.readouterr().out


def test_a_url_goes_with_no_node(capsys):
    """Nodes and a URL together are refused, whichever was meant."""
    assert run(["watch", "--url", "http://127.0.0.1:1", "n1"]) == 3
    assert "--url" in capsys.readouterr().err


# --- the display ---


def test_plain_text_is_printed_on_changes_only():
    """Ten equal rounds are one table; a new verdict is another; nothing is coloured."""
    out = io.StringIO()
    with display(Console(file=out, width=250)) as shown:
        for _ in range(10):
            shown.show(status(healthy()))
        shown.show(status(jumped()))
    assert out.getvalue().count("Round of") == 2
    assert "\x1b" not in out.getvalue()


def test_a_fault_is_shown_beside_the_last_table():
    """A daemon that went away leaves its last round on the screen, with the reason."""
    out = io.StringIO()
    with display(Console(file=out, width=250)) as shown:
        shown.show(status(healthy()), "No daemon answers.")
    assert out.getvalue().rstrip().endswith("No daemon answers.")


# --- real nodes ---


class Terminal:
    """A program on a terminal of 80 by 24."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.main, other = pty.openpty()
        variables = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **environment}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "skewmon", *arguments],
            stdin=other,
            stdout=other,
            stderr=other,
            env=variables,
            start_new_session=True,
        )
        os.close(other)
        self.text = ""

    def read_until(self, pattern: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text
            if select.select([self.main], [], [], 0.1)[0]:
                self.text += os.read(self.main, 65536).decode()
        return self.text

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            os.close(self.main)


@pytest.fixture
async def cluster(tmp_path: Path):
    """Let three simulated nodes play in this process and yield the configuration that reaches them."""
    servers = Servers(make_identity(tmp_path))
    listening = await servers.start(simulated_nodes(3, ClockOrigin.now()))
    yield str(write_config(tmp_path, listening, "127.0.0.1:0"))
    await servers.close()


async def test_a_live_table_stays_in_its_place_and_ends_on_ctrl_c(cluster):
    """On a terminal the table is redrawn; Ctrl-C ends with 130, the cursor is back, no traceback."""
    terminal = Terminal("watch", "--config.file", cluster, "--interval", "1s")
    await asyncio.to_thread(terminal.read_until, r"n3[\s\S]*q quit")
    terminal.text = ""
    await asyncio.to_thread(terminal.read_until, r"\x1b\[H")  # the cursor goes home: drawn over the last one
    assert await asyncio.to_thread(terminal.end) == 130
    assert "Traceback" not in terminal.text


async def test_sigterm_gives_the_cursor_back(cluster):
    """Who kills the program finds the terminal as it was: the cursor is shown again, exit code 143."""
    terminal = Terminal("watch", "--config.file", cluster)
    await asyncio.to_thread(terminal.read_until, r"q quit")
    terminal.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(terminal.read_until, r"\x1b\[\?25h")
    assert (
        await asyncio.to_thread(terminal.wait) == 143
    )  # a second signal would kill a process that is ending


async def test_sigterm_ends_it_while_sigint_is_ignored(cluster):
    """A background job of a script ignores Ctrl-C; SIGTERM has to work at once."""
    watch = shlex.join([sys.executable, "-m", "skewmon", "watch", "--config.file", cluster])
    command = ["sh", "-c", f"trap '' INT; exec {watch}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        await asyncio.to_thread(process.stdout.readline)  # an empty line goes before the first table
        await asyncio.to_thread(process.stdout.readline)
        process.send_signal(signal.SIGINT)
        began_s = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, PATIENCE_S) == 143
        assert time.monotonic() - began_s < END_S


async def test_no_color_is_honoured(cluster):
    """With NO_COLOR nothing is coloured, though the table still stays in its place."""
    terminal = Terminal("watch", "--config.file", cluster, NO_COLOR="1")
    text = await asyncio.to_thread(terminal.read_until, r"Enter node")
    await asyncio.to_thread(terminal.end)
    assert not re.findall(r"\x1b\[[0-9;]*3[0-7]m", text)


async def test_once_is_a_check(cluster, capsys):
    """One table, and the exit code of check."""
    assert await asyncio.to_thread(run, ["watch", "--once", "--config.file", cluster]) == 0
    assert "clocks measured agree" in capsys.readouterr().out


# --- probe ---


async def test_probe_shows_every_step(cluster, capsys):
    """With -v: command, greeting, hello, each request and reply, every interval, the tools, the claim."""
    assert (
        await asyncio.to_thread(run, ["probe", "-v", "--config.file", cluster, "--samples", "3", "n2"]) == 0
    )
    out = capsys.readouterr().out
    assert "$ exec /bin/sh" in out
    assert re.search(r"> : SKEWMON1 [0-9a-f]{16} clock", out)
    assert "hello probe=python3" in out
    assert len(re.findall(r"< [0-9a-f]{16} \d+ \d{19} ", out)) == 4
    assert len(re.findall(r"^ *(?:\d|last) .* ± ", out, re.MULTILINE)) == 4
    assert "| associd=0" in out
    assert "claim       ntpd, synchronized yes" in out


async def test_probe_in_brief_is_a_few_lines(cluster, capsys):
    """Without -v: program, offset, round trip, claim."""
    assert await asyncio.to_thread(run, ["probe", "--config.file", cluster, "n1"]) == 0
    out = capsys.readouterr().out
    assert "offset" in out
    assert len(out.splitlines()) < 12


def test_probe_of_a_dead_node_says_why(tmp_path, capsys):
    """Code 3, the reason and the advice."""
    make_identity(tmp_path)
    dead = f"127.0.0.1:{free_port('127.0.0.1')}"
    assert run(["probe", "-i", str(tmp_path / "id_ed25519"), dead]) == 3
    assert "connection-refused" in capsys.readouterr().out


def test_probe_wants_one_node(capsys):
    """A range is not one node."""
    assert run(["probe", "n[1-3]"]) == 3
    assert "expected one node, found 3" in capsys.readouterr().err


def test_a_node_cannot_speak_to_the_terminal():
    """Escape sequences in a node's output are shown, not obeyed."""
    found = ProbeReport(Node("evil", "192.0.2.1"))
    found.transcript.note("received", b"\x1b]0;title\x07\xff\n")
    found.tools = {"ntpq": ToolOutput("ntpq", "\x1b[2J", "\x1b[31m")}
    found.status = SyncStatus("ntpd", source="\x1b[2J")
    assert "\x1b" not in "".join(full(found))


def test_a_table_is_not_written_by_its_nodes(monkeypatch):
    """Names, findings and reasons with escape sequences in them are shown as text."""
    monkeypatch.setattr(samples, "HOSTILE", "\x1b]0;title\x07\x1b[2J\r\x9b2J")
    out = io.StringIO()
    render.document(status(samples.hostile()), Console(file=out, width=250))
    assert not set(out.getvalue()) & {"\x1b", "\x07", "\r", "\x9b"}
    assert "\\x1b" in out.getvalue()

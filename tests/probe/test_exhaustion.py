"""Without a free file descriptor every stage of a login says so, and blames no key, name or node."""

import json
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

#: Takes every descriptor once the stage before the one under test is done, in a process of its own.
PROGRAM = """\
import asyncio, contextlib, json, os, resource, sys
from skewmon.errors import NodeError
from skewmon.model import Node, SshSettings
from skewmon.probe import host_keys, identity
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.ntp_link import link_to

stage, address, key, known, agent = sys.argv[1:]

async def main():
    ssh = SshSettings(user="me", identities=(key,), known_hosts=(known,), agent=stage == "agent")
    dialer = Dialer(ArrivalClock())
    if stage not in ("identity", "agent"):
        await identity.load(ssh)  # the parsed key is kept
    if stage not in ("identity", "known_hosts", "agent"):
        host_keys.lookup((known,))
    os.environ["SSH_AUTH_SOCK"] = agent
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    taken = []
    with contextlib.suppress(OSError):
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    try:
        if stage == "known_hosts":
            host_keys.lookup((known,))
        elif stage == "ntp":
            await link_to(Node("n1", address, SshSettings(port=9), "ntp"), dialer, ArrivalClock()).open()
        else:
            await dialer.connect(Node("n1", address, ssh))
    except NodeError as error:
        print(json.dumps([error.reason, error.detail, error.advice]))
    for one in taken:
        os.close(one)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("stage", "address"),
    [
        ("identity", "127.0.0.1"),
        ("agent", "127.0.0.1"),
        ("known_hosts", "127.0.0.1"),
        ("lookup", "localhost"),
        ("dial", "127.0.0.1"),
        ("ntp", "127.0.0.1"),
    ],
)
def test_every_stage_names_the_lack(stage: str, address: str, tmp_path: Path) -> None:
    """The reason, and how to raise the limit."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    (tmp_path / "id").write_bytes(key.export_private_key())
    (tmp_path / "known_hosts").write_text(f"{address} {key.export_public_key().decode()}")
    paths = [str(tmp_path / name) for name in ("id", "known_hosts", "agent")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, stage, address, *paths],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    reason, detail, advice = json.loads(done.stdout)
    assert reason == "too-many-open-files", detail
    assert "file descriptor" in detail
    assert "LimitNOFILE" in advice

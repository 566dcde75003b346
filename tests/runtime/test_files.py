"""Files that a user names: every kind is read or refused within its limits, with an error that says why."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from skewmon.cli.main import run
from skewmon.config.loader import load
from skewmon.config.schema import SourceSpec
from skewmon.config.secrets import SecretError, read_secret
from skewmon.errors import ConfigError, ConnectError, InventoryError, MissingFileError, SkewmonError
from skewmon.export.tls import make_context
from skewmon.export.web_config import TlsSettings, load_web_config
from skewmon.inventory import file_sd
from skewmon.inventory.settings import Context
from skewmon.model import SshSettings
from skewmon.probe import host_keys, identity
from skewmon.runtime import files
from skewmon.runtime.files import read_bytes, read_text

pytestmark = pytest.mark.timeout(30)

MINIMAL = "clusters: {etcd: {nodes: ['n[1-3]']}}\n"


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    """Return the path of a pipe without a writer."""
    os.mkfifo(tmp_path / "pipe")
    return str(tmp_path / "pipe")


def _written_later(pipe: str, pieces: list[bytes], *, pause_s: float = 0.05) -> threading.Thread:
    """Write into a pipe in pieces with pauses, starting after the reader has opened it."""

    def write() -> None:
        time.sleep(pause_s)
        with Path(pipe).open("wb", buffering=0) as file:
            for piece in pieces:
                time.sleep(pause_s)
                file.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    return writer


def test_a_file_a_link_and_the_null_device_are_read(tmp_path: Path) -> None:
    """`UserKnownHostsFile /dev/null` is a common name for an empty file."""
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbftext")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "empty").touch()
    assert [read_text(str(tmp_path / name), 100) for name in ("file", "link", "empty")] == [
        "text",
        "text",
        "",
    ]
    assert read_bytes(os.devnull, 100) == b""


def test_a_pipe_is_read_to_its_end(pipe: str) -> None:
    """Its writer may open it late and write in pieces with pauses."""
    writer = _written_later(pipe, [b"one ", b"two ", b"three"])
    assert read_text(pipe, 100) == "one two three"
    writer.join()


def test_a_pipe_that_was_filled_and_closed_before_is_read() -> None:
    """A process substitution that has finished already."""
    reading, writing = os.pipe()
    os.write(writing, b"text")
    os.close(writing)
    try:
        assert read_text(f"/dev/fd/{reading}", 100) == "text"
    finally:
        os.close(reading)


def test_a_pipe_that_stays_silent_meets_the_limit_of_time(pipe: str) -> None:
    """With a writer that writes nothing, and without a writer."""
    with pytest.raises(
        ConfigError, match=rf"{pipe}: this is a pipe, its content did not arrive within 0\.2 s"
    ):
        read_bytes(pipe, 100, wait_s=0.2)
    silent = os.open(pipe, os.O_RDWR)
    try:
        os.write(silent, b"the beginning")
        with pytest.raises(ConfigError, match="did not arrive within"):
            read_bytes(pipe, 100, wait_s=0.2)
    finally:
        os.close(silent)


def test_a_file_that_is_too_large_is_refused_with_the_limit(tmp_path: Path) -> None:
    """A device that never ends and a file of 100 MB alike, without reading more than the limit."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(100 * 2**20)
    for path in ("/dev/zero", str(tmp_path / "large")):
        with pytest.raises(ConfigError, match=rf"{path}: the file is larger than 4 MiB"):
            read_bytes(path, 4 * 2**20)
    (tmp_path / "full").write_bytes(b"x" * 1024)
    assert len(read_bytes(str(tmp_path / "full"), 1024)) == 1024
    with pytest.raises(ConfigError, match="larger than 0 KiB"):
        read_bytes(str(tmp_path / "full"), 1023)


def test_other_kinds_are_refused_by_name(tmp_path: Path) -> None:
    """A missing file, a directory, a socket, an invalid name, and bytes that are not text."""
    with pytest.raises(MissingFileError, match="there is no such file"):
        read_bytes(str(tmp_path / "none"), 100)
    with pytest.raises(ConfigError, match="this is a directory"):
        read_bytes(str(tmp_path), 100)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        with pytest.raises(ConfigError, match="cannot read the file: no such device"):
            read_bytes(str(tmp_path / "socket"), 100)
    with pytest.raises(ConfigError, match="cannot read the file: embedded null"):
        read_bytes("nul\0", 100)
    (tmp_path / "binary").write_bytes(b"line\n\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary:2:1: this is not UTF-8"):
        read_text(str(tmp_path / "binary"), 100)


def _from_file_sd(path: str) -> None:
    asyncio.run(file_sd.read(SourceSpec(file_sd=path), Context(SshSettings())))


def _key(path: str) -> None:
    asyncio.run(identity.load(SshSettings(identities=(path,))))


def _certificate(path: str) -> None:
    make_context(TlsSettings(cert_file=path, key_file=path))


READERS: dict[str, tuple[Callable[[str], object], type[SkewmonError]]] = {
    "configuration": (load, ConfigError),
    "web file": (load_web_config, ConfigError),
    "certificate": (_certificate, ConfigError),
    "file_sd": (_from_file_sd, InventoryError),
    "secret": (read_secret, SecretError),
    "known_hosts": (lambda path: host_keys.lookup((path,)), ConnectError),
    "key": (_key, ConnectError),
}

#: Readers on the event loop: they must not wait for a pipe at all.
AT_ONCE = {"web file", "certificate", "secret", "known_hosts", "key"}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_a_file_refuses_a_silent_pipe(
    reader: str, pipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its own error, which names the file."""
    monkeypatch.setitem(files.read_bytes.__kwdefaults__, "wait_s", 0.2)
    monkeypatch.setitem(files.read_text.__kwdefaults__, "wait_s", 0.2)
    read, error = READERS[reader]
    with pytest.raises(error, match=pipe) as raised:
        read(pipe)
    assert ("did not arrive within 0.2 s" in str(raised.value)) == (reader not in AT_ONCE)


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_a_file_refuses_a_device_that_never_ends(reader: str) -> None:
    """The limit of bytes applies."""
    read, error = READERS[reader]
    with pytest.raises(error, match="/dev/zero"):
        read("/dev/zero")


def test_the_public_half_of_an_agent_s_key_is_not_waited_for(pipe: str) -> None:
    """A pipe is not a public key."""
    assert identity._public_half(pipe) is None


def test_a_configuration_from_a_process_substitution_works(tmp_path: Path) -> None:
    """As of `sops -d`; the error of another pipe's content names the pipe."""
    (tmp_path / "minimal.yml").write_text(MINIMAL)
    command = f"{sys.executable} -m skewmon config check <(sleep 0.3; cat minimal.yml)"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("skewmon: warning: ") for line in done.stderr.splitlines()), done.stderr
    wrong = subprocess.run(
        ["bash", "-c", command.replace("cat minimal.yml", "echo clusters: 7")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert wrong.returncode == 3
    assert "/dev/fd/" in wrong.stderr


def test_paths_in_a_configuration_from_a_pipe_start_at_the_working_directory(
    tmp_path: Path, pipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe has no directory of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    writer = _written_later(pipe, [MINIMAL.encode(), b"state_directory: state\n"])
    assert load(pipe).state_directory == str(tmp_path / "here" / "state")
    writer.join()


def test_a_missing_configuration_advises_how_to_write_one(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and the exit code of unusable input."""
    assert run(["check", "--config.file", "/nowhere/skewmon.yml"]) == 3
    told = "skewmon: /nowhere/skewmon.yml: there is no such file (`skewmon config init` writes a first one)\n"
    assert capsys.readouterr().err == told


def test_a_known_hosts_file_that_is_the_null_device_has_no_hosts() -> None:
    """The node is unknown; the file is readable."""
    assert not host_keys.is_known((os.devnull,), "n1", 22)

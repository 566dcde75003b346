"""Files that an operator names are regular files; what would wait or never end is refused at once.

A case that reads a pipe in earnest waits for ever, and fails by the time limit of its test.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from skewmon.cli.main import run
from skewmon.config.files import open_regular
from skewmon.config.loader import load
from skewmon.config.schema import SourceSpec
from skewmon.errors import ConfigError, ConnectError, InventoryError, SkewmonError
from skewmon.export.tls import make_context
from skewmon.export.web_config import TlsSettings, load_web_config
from skewmon.inventory import ansible, file_sd
from skewmon.inventory.settings import Context
from skewmon.inventory.ssh_config import settings_for
from skewmon.inventory.ssh_surroundings import ConfigFile, Given, Surroundings
from skewmon.model import SshSettings
from skewmon.notify.settings import SecretError, read_secret
from skewmon.probe import identity, known_hosts

pytestmark = pytest.mark.timeout(20)

WORDS = "no regular file"


@pytest.fixture(params=["pipe", "device", "socket"])
def irregular(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the path of something that can be opened or not, but is no file."""
    path = tmp_path / "it"
    if request.param == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            yield str(path)
        return
    if request.param == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    yield str(path)


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    """Return the path of a pipe into which nobody writes."""
    os.mkfifo(tmp_path / "pipe")
    return str(tmp_path / "pipe")


def test_what_is_no_file_cannot_be_opened(irregular: str) -> None:
    """Neither a pipe, nor a device, nor a socket."""
    with pytest.raises(OSError):
        open_regular(irregular)


def test_a_file_a_link_to_it_and_the_null_device_can(tmp_path: Path) -> None:
    """`UserKnownHostsFile /dev/null` is what many people write for an empty file."""
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    for path in (tmp_path / "file", tmp_path / "link"):
        with open_regular(str(path)) as file:
            assert file.read() == b"text"
    with open_regular(os.devnull) as file:
        assert file.read() == b""


def test_a_directory_is_called_one(tmp_path: Path) -> None:
    """The reason that the operating system gives is the better one."""
    with pytest.raises(IsADirectoryError):
        open_regular(str(tmp_path))


def _from_ansible(path: str) -> None:
    asyncio.run(ansible.read(SourceSpec(ansible=path), Context(SshSettings())))


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
    "ansible": (_from_ansible, InventoryError),
    "file_sd": (_from_file_sd, InventoryError),
    "secret": (read_secret, SecretError),
    "known_hosts": (lambda path: known_hosts.lookup((path,)), ConnectError),
    "key": (_key, ConnectError),
}


@pytest.mark.parametrize("reader", READERS)
def test_whatever_reads_a_file_of_an_operator_refuses_a_pipe(reader: str, pipe: str) -> None:
    """With its own error, at once, in the same words."""
    read, error = READERS[reader]
    with pytest.raises(error, match=WORDS):
        read(pipe)


def test_an_ssh_config_that_includes_a_pipe_is_refused(tmp_path: Path, pipe: str) -> None:
    """The user's own file counts where no configuration does."""
    (tmp_path / "config").write_text(f"Include {pipe}\n")
    files = (ConfigFile(str(tmp_path / "config"), str(tmp_path)),)
    around = replace(Surroundings.here(), files=files)
    with pytest.raises(ConfigError, match=WORDS):
        settings_for("n1", around, Given())


def test_the_public_half_of_an_agent_s_key_is_not_waited_for(pipe: str) -> None:
    """A pipe is no public key."""
    assert identity._public_half(pipe) is None


def test_a_command_says_so(pipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and the exit code of unusable input."""
    assert run(["check", "--config.file", pipe]) == 3
    assert capsys.readouterr().err == f"skewmon: {pipe}: cannot read the file: this is {WORDS}\n"


def test_a_public_key_is_read_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`keys authorize` reads the file beside the key."""
    os.mkfifo(tmp_path / "key.pub")
    assert run(["keys", "authorize", "-i", str(tmp_path / "key")]) == 3
    assert WORDS in capsys.readouterr().err.lower()


def test_a_known_hosts_file_that_is_the_null_device_knows_nobody() -> None:
    """The node is unknown, and not unreadable."""
    assert not known_hosts.is_known((os.devnull,), "n1", 22)

"""The host keys that are trusted for a host: known_hosts as ssh(1) reads it."""

import base64
import hashlib
import hmac
import os
from pathlib import Path

import asyncssh
import pytest

from skewmon.errors import Reason
from skewmon.model import SshSettings
from skewmon.probe import host_keys
from skewmon.probe.faults import host_key_error

KEY = asyncssh.generate_private_key("ssh-ed25519")
PUBLIC = KEY.export_public_key().decode().strip()
OTHER = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def hashed(name: str) -> str:
    """Return a name as `HashKnownHosts yes` writes it."""
    salt = bytes(range(20))
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.fixture
def write(tmp_path: Path):
    """Return a function that writes a known_hosts file and returns its path."""

    def written(*lines: str) -> str:
        path = tmp_path / "known_hosts"
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)

    return written


@pytest.mark.parametrize(
    ("names", "host", "port", "known"),
    [
        ("n1", "n1", 22, True),
        ("n1", "n10", 22, False),
        ("n1,n2", "n2", 22, True),
        ("N1", "n1", 22, True),
        ("n1", "N1", 22, True),
        (hashed("n1"), "N1", 22, True),
        (hashed("n1"), "n1", 22, True),
        (hashed("n1"), "n2", 22, False),
        (hashed("[n1]:2222"), "n1", 2222, True),
        ("*.example.com", "n1.example.com", 22, True),
        ("*.example.com", "example.com", 22, False),
        ("n?", "n1", 22, True),
        ("n*,!n3", "n1", 22, True),
        ("n*,!n3", "n3", 22, False),
        ("[n1]:2222", "n1", 2222, True),
        ("[n1]:2222", "n1", 22, False),
        ("[n1]:2222", "n1", 2223, False),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222, True),
        ("2001:db8::1", "2001:db8::1", 22, True),
    ],
)
def test_a_name_is_known_as_ssh_would_have_it(write, names: str, host: str, port: int, known: bool) -> None:
    """Lists, wildcards, negation, hashes, and a port in brackets."""
    assert host_keys.is_known((write(f"{names} {PUBLIC}"),), host, port) is known


def test_the_line_of_a_port_goes_before_the_plain_name(write) -> None:
    """A machine with several SSH servers has a key for each."""
    trusted, *_ = host_keys.lookup((write(f"n1 {OTHER}", f"[n1]:2222 {PUBLIC}"),))("n1", "", 2222)
    assert [key.export_public_key().decode().strip() for key in trusted] == [PUBLIC]


def test_an_authority_vouches_for_every_name_it_is_written_for(write) -> None:
    """It is no host key of its own, and yet the host is not unknown."""
    path = write(f"@cert-authority *.example.com {PUBLIC}")
    trusted, authorities, revoked, *_ = host_keys.lookup((path,))("n1.example.com", "", None)
    assert (len(trusted), len(authorities), len(revoked)) == (0, 1, 0)
    assert host_keys.is_known((path,), "N1.example.com", 22)
    assert not host_keys.is_known((path,), "n1.example.org", 22)


def test_a_revoked_key_is_never_a_trusted_one(write) -> None:
    """Also if another line still trusts it: both are returned."""
    path = write(f"n1 {PUBLIC}", f"@revoked * {PUBLIC}")
    trusted, _, revoked, *_ = host_keys.lookup((path,))("n1", "", None)
    assert [key.public_data for key in revoked] == [KEY.public_data]
    assert [key.public_data for key in trusted] == [KEY.public_data]
    assert not host_keys.is_known((write(f"@revoked * {PUBLIC}"),), "n1", 22)


def test_lines_that_are_not_understood_are_passed_over(write) -> None:
    """Comments, empty lines, keys of kinds to come: the rest of the file counts."""
    path = write("# mine", "", "n1", "n1 ssh-future AAAA", "n1 ssh-ed25519 AAAA", f"n1 {PUBLIC}", "\x00")
    assert host_keys.is_known((path,), "n1", 22)


def test_several_files_are_one(write, tmp_path: Path) -> None:
    """A missing one has no keys."""
    assert host_keys.is_known((str(tmp_path / "gone"), write(f"n1 {PUBLIC}")), "n1", 22)


def test_an_edited_file_counts_from_the_next_connection_on(write) -> None:
    """No restart and no reload is needed for a line that is added."""
    path = write(f"n1 {PUBLIC}")
    assert not host_keys.is_known((path,), "n2", 22)
    later_ns = Path(path).stat().st_mtime_ns + 1_000_000
    write(f"n2 {PUBLIC}")
    os.utime(path, ns=(later_ns, later_ns))
    assert host_keys.is_known((path,), "n2", 22)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"n1 {OTHER}", Reason.HOST_KEY_CHANGED),
        (f"{hashed('n1')} {OTHER}", Reason.HOST_KEY_CHANGED),
        (f"n2 {OTHER}", Reason.HOST_KEY_UNKNOWN),
        (f"@revoked n1 {OTHER}", Reason.HOST_KEY_UNKNOWN),
    ],
    ids=["plain", "hashed", "of another node", "revoked"],
)
def test_a_changed_key_is_distinguished_from_an_unknown_one(write, line: str, reason: Reason) -> None:
    """The first is an attack or a new installation, the other a new machine."""
    path = write(line)
    assert host_key_error("n1", "n1", SshSettings(known_hosts=(path,))).reason is reason


def test_an_alias_is_looked_up_instead_of_the_address(write) -> None:
    """HostKeyAlias: many machines behind one address keep their own keys."""
    ssh = SshSettings(known_hosts=(write(f"mine {OTHER}"),), host_key_alias="mine")
    assert host_key_error("n1", "10.0.0.1", ssh).reason is Reason.HOST_KEY_CHANGED


def test_a_missing_known_hosts_file_is_reported() -> None:
    """A newcomer's first check: the sentence names the file that would be read."""
    detail = host_key_error("n1", "n1", SshSettings(known_hosts=())).detail
    assert (
        detail == "The host key of n1 is not known: there is no known_hosts file, such as ~/.ssh/known_hosts."
    )

"""Lines of known_hosts are found by name: the same ones that asyncssh finds in a whole file, at less cost."""

import base64
import hmac
import os
import time
from collections.abc import Callable
from contextlib import suppress

import asyncssh
import pytest

from skewmon.probe.known_hosts import KnownHosts, match

KEYS = [asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip() for _ in range(15)]


def hashed(name: str, salt_bytes: int = 20) -> str:
    """Return a name as `HashKnownHosts yes` writes it."""
    salt = os.urandom(salt_bytes)
    digest = hmac.digest(salt, name.encode(), "sha1")
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


NAMES = (
    "n1", "n1,n2,10.0.0.1", "[n1]:2222", hashed("n1"), hashed("[n1]:2222"), hashed("10.0.0.1"), "n*,!n2",
    "[n?]:2222", "10.0.0.0/24", "n9,10.0.0.1,x*", "@revoked n*", "@cert-authority *", "@revoked [10.0.0.1]:*",
    "|1|broken", hashed("n3", 100),
)  # fmt: skip


@pytest.mark.parametrize("host", ["n1", "n2", "n3", "n9", "10.0.0.1", "10.0.0.7", "other"])
@pytest.mark.parametrize("port", [None, 2222, 2223])
def test_the_lines_of_a_host_are_those_that_asyncssh_finds_in_the_whole_file(
    host: str, port: int | None
) -> None:
    """Names, ports, hashes, patterns, networks and markers."""
    lines = [f"{names} {key}" for names, key in zip(NAMES, KEYS, strict=True)]
    whole = asyncssh.SSHKnownHosts()
    for line in lines:
        with suppress(ValueError):
            whole.load(line)
    file = KnownHosts("\n".join(lines))
    for _ in range(2):  # a hashed line that was found is found again
        for found, expected in zip(match([file], host, port), whole.match(host, "", port), strict=True):
            assert set(found) == set(expected)


def test_a_line_with_an_empty_name_is_for_no_other_host() -> None:
    """A comma too many trusts the key for the names beside it alone."""
    file = KnownHosts(f"n1, {KEYS[0]}")
    assert match([file], "n1", None)[0]
    assert not match([file], "n2", None)[0]


def test_a_node_of_a_long_hashed_file_is_found_in_a_fraction_of_asyncssh_s_time() -> None:
    """Of ten thousand lines each login would compare every one; a second login of a node compares none."""
    names = [f"n{number}" for number in range(1000)]
    text = "\n".join(f"{hashed(name)} {KEYS[0]}" for name in names)
    file, whole = KnownHosts(text), asyncssh.SSHKnownHosts(text)
    few = names[::50]
    first_s = _cpu_s(lambda: [match([file], name, None) for name in few])
    again_s = _cpu_s(lambda: [match([file], name, None) for name in few])
    usual_s = _cpu_s(lambda: [whole.match(name, "", None) for name in few])
    assert first_s < usual_s / 2
    assert again_s < first_s / 3


def _cpu_s(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s

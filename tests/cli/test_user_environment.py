"""A user without a name and a home, as a service may have."""

import os
import pwd
from pathlib import Path

import asyncssh
import pytest

from skewmon.cli.main import run


@pytest.fixture
def _without_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run under a number that the user database does not know, in an environment without a name."""

    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "put back afterwards")
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("_without_user")
def test_a_service_without_a_user_entry_can_open_connections() -> None:
    """The SSH library finds a name and a home; it would end the daemon otherwise."""
    with pytest.raises((RuntimeError, ValueError), match=r"home|username"):
        asyncssh.SSHClientConnectionOptions(config=None)
    assert run(["profiles"]) == 0
    asyncssh.SSHClientConnectionOptions(config=None)
    assert not Path.home().exists()


def test_the_user_database_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a free descriptor it cannot be read; every node would then fail for want of a user name."""
    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "put back afterwards")
        monkeypatch.delenv(name)
    entry = pwd.getpwuid(os.getuid())
    assert run(["profiles"]) == 0
    assert (os.environ["HOME"], os.environ["LOGNAME"]) == (entry.pw_dir, entry.pw_name)


def test_a_name_and_a_home_stay_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Existing values stay."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "somebody")
    assert run(["profiles"]) == 0
    assert (os.environ["HOME"], os.environ["LOGNAME"]) == (str(tmp_path), "somebody")

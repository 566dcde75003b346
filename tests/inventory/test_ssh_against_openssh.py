"""The laws of ssh_config(5), each compared with what the installed ssh makes of the same file."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from skewmon.errors import ConfigError
from skewmon.inventory.ssh_config import evaluate, settings_for
from skewmon.inventory.ssh_lines import ConfigFile
from skewmon.inventory.ssh_surroundings import Given, Surroundings
from skewmon.inventory.ssh_values import Values

ME = pwd.getpwuid(os.getuid()).pw_name

LAWS = (Path(__file__).parent / "testdata" / "ssh_config_laws.txt").read_text().split("\n=== ")[1:]


def cases() -> list[ParameterSet]:
    """Return file and host of every law."""
    found = []
    for section in LAWS:
        title, _, text = section.partition("\n")
        law, _, hosts = title.rpartition(": ")
        for host in hosts.split():
            config = text.replace("\\r", "\r").replace("ME", ME)
            found.append(pytest.param(config, host, id=f"{law}: {host}"))
    return found


INCLUDED = {
    "inc-a": "Host n1\n User from-a\n Port 1\n",
    "inc-b": "Host n1\n User from-b\nHost n2\n User b2\n HostName %h.b\n",
}


def openssh(path: Path, host: str) -> dict[str, list[str]]:
    """Return what `ssh -G` prints, values by keyword."""
    command = ["ssh", "-G", "-F", str(path), host]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Return the surroundings of this process."""
    monkeypatch.setenv("LAW_DIRECTORY", "/law")
    return Surroundings.here()


@pytest.mark.parametrize(("text", "host"), cases())
def test_a_law_holds_as_in_openssh(text: str, host: str, tmp_path: Path, around: Surroundings) -> None:
    """Address, user, port, keys, host keys and bastions are the same."""
    for name, included in INCLUDED.items():
        (tmp_path / name).write_text(included)
    path = tmp_path / "config"
    path.write_text(text.replace("DIR", str(tmp_path)))
    told = openssh(path, host)
    own = Surroundings(
        user=around.user,
        home=around.home,
        uid=around.uid,
        agent_socket=None,
        files=(ConfigFile(str(path), str(tmp_path)),),
    )
    found = evaluate(host, own, Given())
    values = Values(found, own)
    timeout_s = values.connect_timeout_s()
    assert found.hostname == told["hostname"][0]
    assert values.user == told["user"][0]
    assert [str(values.port)] == told["port"]
    assert values.host_key_alias == told.get("hostkeyalias", [None])[0]
    assert found.value("proxyjump") in {None, "none"} or found.value("proxyjump") == told["proxyjump"][0]
    assert ("proxyjump" in told) == (found.value("proxyjump") not in {None, "none"})
    assert ("proxycommand" in told) == (found.value("proxycommand") not in {None, "none"})
    assert told["identitiesonly"] == ["yes" if values.identities_only else "no"]
    assert told["connecttimeout"] == ["none" if timeout_s is None else f"{timeout_s:.0f}"]
    if found.identities:
        assert [values.path(name) for name in found.identities] == [
            values.path(name) for name in told["identityfile"]
        ]
    assert " ".join(values.user_known_hosts()) == told["userknownhostsfile"][0].replace("none", "")
    if "globalknownhostsfile" in found.values:
        assert list(found.values["globalknownhostsfile"]) == told["globalknownhostsfile"][0].split()


REFUSED = {
    "unclosed quote": 'Host n1\n User "a\n',
    "no value": "Host n1\n User\n",
    "two values": "User a b\n",
    "all beside others": "Match host n1 user a all\n User a\n",
    "no criteria": "Match\n User a\n",
    "criterion without value": "Match host\n User a\n",
    "unknown criterion": "Match planet earth\n User a\n",
    "port": "Port none\n",
    "port too large": "Port 65536\n",
    "time": "ConnectTimeout soon\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_openssh_refuses_is_refused(text: str, tmp_path: Path, around: Surroundings) -> None:
    """A file that ssh cannot use is no ground to guess on."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(subprocess.CalledProcessError):
        openssh(path, "n1")
    own = Surroundings(around.user, around.home, around.uid, None, (ConfigFile(str(path), str(tmp_path)),))
    with pytest.raises(ConfigError):
        settings_for("n1", own)

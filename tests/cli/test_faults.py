"""Faults of arguments: short, and about the right option."""

import json
from pathlib import Path

import pytest

from skewmon.cli.main import EXIT_UNUSABLE, MAX_FAULT, run
from skewmon.config.loader import loads
from skewmon.config.targets import check_user
from skewmon.errors import MAX_ECHOED, ConfigError, echoed

LONG = "n" * 100_000

USERS = ["", " ", "a b", "a:b", "a,b", "-oProxyCommand=x", "a\nb", "\x1b[31m", "u" * 254]


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", LONG],
        ["check", f"{LONG}:x"],
        ["check", f"{LONG} {LONG}"],
        ["check", f"n[1-2]{LONG}["],
        ["check", f"a b@{LONG}"],
        ["check", "n1", f"--warning={LONG}"],
        ["check", "n1", f"--profile={LONG}"],
        ["check", "n1", f"--port={LONG}"],
        ["check", "n1", f"--user={LONG}"],
        ["check", "n1", f"--{LONG}"],
        ["check", f"--config.file={LONG}"],
        ["run", f"--web.listen-address={LONG}"],
        ["keys", "authorize", f"--path={LONG}"],
        ["watch", f"--url={LONG}"],
        ["parse", LONG],
        [LONG],
    ],
    ids=lambda arguments: " ".join(arguments).replace(LONG, "LONG"),
)
def test_a_very_long_argument_is_not_repeated(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Enough of it to find it again, and its fault."""
    assert run(arguments) in (3, 78)
    printed = capsys.readouterr().err
    assert len(printed) < MAX_FAULT + 500  # the usage, which click adds
    assert printed.strip()


@pytest.mark.parametrize(
    "text", [f"clusters: {{a: {{nodes: [{LONG}]}}}}", f"{LONG}: 1", f"web: {{{LONG}: 1}}"]
)
def test_a_very_long_text_of_a_file_is_not_repeated(text: str) -> None:
    """Neither values nor keys."""
    with pytest.raises(ConfigError) as caught:
        loads(text, "f.yml")
    assert all(len(str(fault)) < MAX_FAULT for fault in caught.value.faults)


def test_echoed_text_is_in_quotes_and_no_longer_than_the_limit() -> None:
    """A text that fits is whole; other values are as Python shows them."""
    assert echoed("n1") == "'n1'"
    assert echoed(100) == "100"
    assert len(echoed(LONG)) == MAX_ECHOED + 2
    assert len(echoed([LONG])) == MAX_ECHOED


@pytest.mark.parametrize("user", USERS, ids=repr)
def test_no_such_user_anywhere(user: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line and the configuration refuse the same names, in the same words."""
    with pytest.raises(ValueError) as caught:
        check_user(user)
    assert run(["check", "-l", user, "n1"]) == 3
    assert f"--user: {caught.value}" in capsys.readouterr().err
    ssh = {"user": user}
    for text in (
        f"ssh: {_yaml(ssh)}\nclusters: {{a: {{nodes: [n1]}}}}",
        f"clusters: {{a: {{nodes: [n1], ssh: {_yaml(ssh)}}}}}",
        f"clusters: {{a: {{nodes: [{{name: n1, ssh: {_yaml(ssh)}}}]}}}}",
    ):
        with pytest.raises(ConfigError) as refused:
            loads(text, "f.yml")
        assert f"ssh.user: {caught.value}" in str(refused.value)


@pytest.mark.parametrize("user", ["root", "_ntp", "DOMAIN\\op", "op@example.com", "jürgen"])
def test_users_of_directories_are_users(user: str) -> None:
    """Names that a directory service may give."""
    assert check_user(user) == user


def test_an_address_to_listen_at_is_refused_by_the_name_of_its_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There may be a good web.listen in the file."""
    path = tmp_path / "f.yml"
    path.write_text("clusters: {a: {nodes: [n1]}}")
    assert run(["run", f"--config.file={path}", "--web.listen-address=nonsense"]) == 78
    printed = capsys.readouterr().err
    assert "--web.listen-address" in printed
    assert "host:port" in printed


def _yaml(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=True)


@pytest.mark.parametrize("option", ["--user", "--port", "--identity", "--known-hosts", "--jump", "--vantage"])
def test_an_option_that_a_file_overrules_is_named_as_it_was_typed(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the place to set it instead."""
    config = tmp_path / "skewmon.yml"
    config.write_text("clusters: {lab: {nodes: [n1]}}\n")
    assert run(["check", "--config.file", str(config), option, "22"]) == EXIT_UNUSABLE
    assert f"{option}: has no effect with a configuration file (set it there)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["-v", "--help", "a b", "a;reboot", "n[1", "n1,n2"])
def test_a_node_is_found_by_its_whole_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alert advises to probe it by the name that a configuration or an inventory gave it."""
    config = tmp_path / "skewmon.yml"
    nodes = [{"name": name, "address": "127.0.0.1", "port": 1}]
    config.write_text(json.dumps({"ssh": {"identity": []}, "clusters": {"lab": {"nodes": nodes}}}))
    assert run(["probe", "--config.file", str(config), "-v", "--", name]) == EXIT_UNUSABLE
    assert f"{name} at 127.0.0.1:1" in capsys.readouterr().out

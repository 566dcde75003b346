"""Every command that skewmon advises can be typed as it is printed; commands.yml has them all."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from skewmon.cli.main import COMMANDS, skewmon
from tests.advice.collect import ROOT, collected
from tests.advice.room import Room, room

TABLE: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("commands.yml").read_text(encoding="utf-8"))

#: Said by the shell and by every tool about a line that it does not understand.
MISUNDERSTOOD = re.compile(
    r"command not found|[Uu]nrecognized option|invalid option|unknown option|No such option|No such command|"
    r"Usage: |Unknown operation|Missing argument|syntax error|Unrecognized command"
)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """One room for all lines."""
    with room(tmp_path_factory.mktemp("room")) as opened:
        yield opened


def typed(part: str) -> list[dict[str, Any]]:
    """Return the entries of a part of the table whose commands are typed."""
    return [{"command": one} if isinstance(one, str) else one for one in TABLE[part]]


def test_each_advised_command_is_typed_or_listed_with_a_reason() -> None:
    """A new advice needs its line in the table, and an advice that is gone loses its own."""
    known = [one["command"] for part in ("tools", "skewmon") for one in typed(part)]
    known += [
        command
        for part in ("elsewhere", "listed")
        for commands in TABLE[part].values()
        for command in commands
    ]
    found = {
        command: place for command, place in collected().items() if not re.fullmatch(r"make \S+", command)
    }
    assert {command: place for command, place in found.items() if command not in known} == {}
    assert [command for command in known if command not in found or known.count(command) > 1] == []
    assert [path for path in TABLE["elsewhere"] if not (ROOT / path).exists()] == []


def test_the_makefile_has_each_advised_target() -> None:
    """They build and prove the program, for minutes to hours each."""
    advised = {command.removeprefix("make ") for command in collected() if re.fullmatch(r"make \S+", command)}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(VENV)", ".venv")
    targets = " ".join(re.findall(r"^([\w./ -]+):", makefile, re.MULTILINE)).split()
    assert advised - set(targets) == set()


def test_the_options_of_skewmon_in_each_command_exist() -> None:
    """Without running it: every part of a pipe that begins with skewmon has known commands and options."""
    plain = (re.sub(r"sudo |/usr/bin/|\{\}", "", command) for command in collected())
    parts = (part.split() for command in plain for part in re.split(r"\|+|&&|;|>+", command))
    assert [(words, unknown) for words in parts for unknown in _unknown(words)] == []


def _unknown(words: list[str]) -> list[str]:
    """Return the options that a command does not have."""
    if len(words) < 2 or words[0] != "skewmon" or words[1] not in COMMANDS:
        return []
    group: click.Command = skewmon
    words = words[1:]
    while isinstance(group, click.Group) and words:
        _, found, words = group.resolve_command(click.Context(group), words)
        assert found is not None
        group = found
    options = {name for parameter in group.params for name in parameter.opts}
    return [word for word in words if re.match("--?[a-z]", word) and word not in options]


@pytest.mark.parametrize(
    "part", ["tools", pytest.param("skewmon", marks=[pytest.mark.prove, pytest.mark.timeout(1200)])]
)
def test_each_command_does_what_it_is_advised_for(here: Room, part: str) -> None:
    """Typed as it is printed, in the order of the table."""
    wrong = []
    for one in typed(part):
        line = one.get("line", one["command"]).replace("ROOT", str(ROOT))
        done = here.run(line)
        said = done.stdout + done.stderr
        right = done.returncode == one.get("code", 0) and re.search(one.get("shows", ""), said)
        if not right or MISUNDERSTOOD.search(said):
            wrong.append(f"{line}\n  exit code {done.returncode}: {said[-800:]}")
    assert not wrong, "\n".join(wrong)

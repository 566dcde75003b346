"""To any arguments a command answers with a sentence and its own exit code, never with a traceback."""

import os
import subprocess
import sys

import click
import pytest

from skewmon.cli.main import COMMANDS, run, skewmon

NONSENSE = (
    "",
    "nonsense",
    "-1",
    "1e999",
    "0x10",
    "\u0663",  # a digit of another script
    "9" * 400,
    "a b",
    "$(true)",
    "[1-",
    "n[1-99999999]",
    "n[3-1]",
    "host:99999",
    "@",
    "http://[::1",
    "\x1b[31m",
)

#: Texts that are names of hosts, however odd: a command that measures would look for them.
NAMES = ("nonsense", "0x10", "1e999", "\u0663")

#: Without these the command would do its work, such as starting a cluster or writing a file.
BESIDE = {
    ("demo",): ["--duration=nonsense"],
    ("health",): ["--url=nonsense"],
    ("config", "init"): ["--config.file=-"],
    ("init",): ["--config.file=made/skewmon.yml"],  # in the empty directory, and not in /etc
}

#: Commands that measure.
MEASURING = {("check",), ("watch",), ("probe",), ("keys", "scan")}


def leaves() -> list[tuple[str, ...]]:
    """Return every command and subcommand."""
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        command = skewmon.get_command(click.Context(skewmon), name)
        if isinstance(command, click.Group):
            found += [(name, inner) for inner in command.commands]
        else:
            found.append((name,))
    return found


def options() -> list[tuple[tuple[str, ...], str]]:
    """Return every option that takes a value, and every argument, of every command."""
    found = []
    for path in leaves():
        command: click.Command = skewmon
        for name in path:
            assert isinstance(command, click.Group)
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            command = inner
        for one in command.params:
            if isinstance(one, click.Argument):
                found.append((path, ""))
            elif isinstance(one, click.Option) and not one.is_flag:
                found.append((path, max(one.opts, key=len)))
    return found


@pytest.fixture(autouse=True)
def _empty_machine(tmp_path, monkeypatch):
    """Run with an empty home: nothing is configured, and nothing of the machine can be reached."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.chdir(tmp_path)


def arguments_with(path: tuple[str, ...], option: str, text: str) -> list[str]:
    beside = [one for one in BESIDE.get(path, []) if not option or not one.startswith(f"{option}=")]
    return [*path, *beside, *([f"{option}={text}"] if option else ["--", text])]


@pytest.mark.parametrize(
    ("path", "option"), options(), ids=[" ".join([*path, option]).strip() for path, option in options()]
)
def test_nonsense_is_refused_in_words(path, option, capsys):
    """The exit code is the command's own for unusable input, and the output is a message."""
    allowed = {("run",): {78}, ("health",): {1, 3}}.get(path, {0, 3})
    for text in NONSENSE:
        if not option and path in MEASURING and text in NAMES:
            continue
        arguments = arguments_with(path, option, text)
        code = run(arguments)
        printed = capsys.readouterr()
        assert code in allowed, (arguments, code, printed)
        assert printed.out or printed.err, arguments
        assert "Traceback" not in printed.out + printed.err


@pytest.mark.parametrize("path", leaves(), ids=" ".join)
def test_an_unknown_option_is_refused(path, capsys):
    """A misspelt option is named, with the exit code of unusable input."""
    assert run([*path, "--nonsense"]) == (78 if path == ("run",) else 3)
    assert "--nonsense" in capsys.readouterr().err


def test_an_unknown_command_is_refused(capsys):
    """A misspelt command is named."""
    assert run(["chek"]) == 3
    assert "chek" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [(b"check", b"\xff"), (b"config", b"check", b"\xff"), (b"run", b"--config.file=\xff")]
)
def test_an_argument_that_is_no_text_is_refused_in_words(arguments):
    """Bytes that are no UTF-8 come back in the message in some readable form."""
    done = subprocess.run([sys.executable, "-m", "skewmon", *arguments], capture_output=True, check=False)
    assert done.returncode == (78 if arguments[0] == b"run" else 3)
    assert b"Traceback" not in done.stderr
    assert b"udcff" in done.stderr


def test_a_terminal_with_a_small_alphabet_gets_replacements():
    """If standard output accepts only ASCII, signs such as ± are replaced."""
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    command = [sys.executable, "-m", "skewmon", "profiles"]
    done = subprocess.run(command, env=ascii_only, capture_output=True, check=True)
    assert done.stdout.isascii()
    assert done.stdout


def test_a_mistyped_command_is_answered_with_the_nearest(capsys):
    """The commands are not imported for it, and still their names are suggested."""
    assert run(["chek"]) == 3
    assert "Did you mean 'check'?" in capsys.readouterr().err

"""A program on a real terminal emulator: tmux, with a size, driven by keys and read as a person sees it."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 30.0

#: The end of the last prompt of a shell, for users and for root; tmux cuts blanks off.
PROMPT = r"[$#]\s*\Z"

#: Sequences that set a color of the text or of its background, of any kind.
COLOR = re.compile(r"\x1b\[[0-9;]*?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[0-9;]*m")


class Terminal:
    """One pane of a tmux server of its own."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def tmux(self, *arguments: str) -> str:
        """Run a command of tmux and return its output."""
        command = ["tmux", "-u", "-f", "/dev/null", "-S", str(self._socket), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux("send-keys", *keys)

    def screen(self) -> str:
        """Return the text on the screen."""
        return self.tmux("capture-pane", "-p")

    def colored(self) -> str:
        """Return the text on the screen with its attributes."""
        return self.tmux("capture-pane", "-p", "-e")

    def wait(self, pattern: str) -> str:
        """Return the screen once it shows this."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not re.search(pattern, shown := self.screen(), re.MULTILINE):
            assert time.monotonic() < deadline_s, f"waiting for {pattern}:\n{shown}"
            time.sleep(0.05)
        return shown


@contextmanager
def running(
    socket: Path, arguments: Sequence[str], size: tuple[int, int], environment: dict[str, str]
) -> Iterator[Terminal]:
    """Run skewmon on a terminal of so many columns and lines; afterwards its exit code is printed."""
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    state = "stty -a | tr ' ;' '\\n\\n' | grep -x -e -*icanon"
    with _pane(
        socket, f"{settings} {_command(arguments)}; echo ended with $?; {state}; cat", size
    ) as terminal:
        yield terminal


@contextmanager
def shell(socket: Path, arguments: Sequence[str], size: tuple[int, int]) -> Iterator[Terminal]:
    """Run skewmon as a job of an interactive shell."""
    with _pane(socket, "bash --norc -i", size) as terminal:
        terminal.wait(PROMPT)
        terminal.press(_command(arguments), "Enter")
        yield terminal


def _command(arguments: Sequence[str]) -> str:
    return shlex.join([sys.executable, "-m", "skewmon", *arguments])


@contextmanager
def _pane(socket: Path, command: str, size: tuple[int, int]) -> Iterator[Terminal]:
    terminal = Terminal(socket)
    columns, lines = map(str, size)
    path = os.pathsep.join(filter(None, sys.path))
    terminal.tmux("new-session", "-d", "-x", columns, "-y", lines, "-e", f"PYTHONPATH={path}", command)
    try:
        yield terminal
    finally:
        terminal.tmux("kill-server")

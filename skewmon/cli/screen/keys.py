"""Single presses of keys on a terminal, read without waiting for the end of a line."""

import asyncio
import os
import signal
import termios
import tty
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Self

#: The rest of a key's sequence follows at once, also over a slow line; nothing follows an Escape alone.
ESCAPE_ALONE_S = 0.1

#: More than any hand types, or any key sends, between two turns of the loop.
READ_BYTES = 1024


class SpecialKey(StrEnum):
    """Keys without a letter of their own; all others are the letter."""

    UP = "up"
    DOWN = "down"
    LEFT = "left"
    RIGHT = "right"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    HOME = "home"
    END = "end"
    ENTER = "enter"
    ESCAPE = "escape"
    TAB = "tab"
    BACKSPACE = "backspace"


#: Sequences of VT terminals, in cursor and in application mode, of xterm, tmux, screen and the Linux console.
SEQUENCES = {
    **dict.fromkeys((b"\x1b[A", b"\x1bOA"), SpecialKey.UP),
    **dict.fromkeys((b"\x1b[B", b"\x1bOB"), SpecialKey.DOWN),
    **dict.fromkeys((b"\x1b[C", b"\x1bOC"), SpecialKey.RIGHT),
    **dict.fromkeys((b"\x1b[D", b"\x1bOD"), SpecialKey.LEFT),
    **dict.fromkeys((b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~"), SpecialKey.HOME),
    **dict.fromkeys((b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~"), SpecialKey.END),
    b"\x1b[5~": SpecialKey.PAGE_UP,
    b"\x1b[6~": SpecialKey.PAGE_DOWN,
    b"\r": SpecialKey.ENTER,
    b"\n": SpecialKey.ENTER,
    b"\t": SpecialKey.TAB,
    b"\x7f": SpecialKey.BACKSPACE,
    b"\x08": SpecialKey.BACKSPACE,
}

#: The bytes that end a sequence after ``ESC [``; parameters come before.
FINAL = range(0x40, 0x7F)


class Decoder:
    """Turns the bytes of a terminal into keys; a sequence may come in pieces."""

    def __init__(self) -> None:
        self._pending = b""

    @property
    def incomplete(self) -> bool:
        """Whether bytes wait for the rest of their sequence."""
        return bool(self._pending)

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that are complete; an unknown sequence is none."""
        self._pending += data
        keys: list[str] = []
        while self._pending and (length := _length(self._pending)):
            sequence, self._pending = self._pending[:length], self._pending[length:]
            key = SEQUENCES.get(sequence) or _letter(sequence)
            if key:
                keys.append(key)
        return keys

    def flush(self) -> list[str]:
        """Return Escape if that is all that came, and forget the rest."""
        pending, self._pending = self._pending, b""
        return [SpecialKey.ESCAPE] if pending == b"\x1b" else []


def _length(data: bytes) -> int:
    """Return the length of the first key's sequence, or 0 if its end has not come yet."""
    if data[:1] != b"\x1b":
        return 1
    if len(data) == 1 or data[1:] in (b"[", b"O"):
        return 0
    if data[1:2] == b"O":
        return 3
    if data[1:2] != b"[":
        return 1  # an Escape, then another key
    return next((place + 1 for place in range(2, len(data)) if data[place] in FINAL), 0)


def _letter(sequence: bytes) -> str:
    if sequence == b"\x1b":
        return SpecialKey.ESCAPE
    text = sequence.decode("ascii", "ignore")
    return text if text.isprintable() else ""


class Keyboard:
    """The keys of a terminal while it is entered; afterwards the terminal is as it was before.

    ``pressed`` is called with each key, ``redraw`` after a change of the terminal's size; ``away`` is entered
    while Ctrl-Z has suspended the program.
    """

    def __init__(
        self,
        descriptor: int,
        pressed: Callable[[str], None],
        redraw: Callable[[], None],
        away: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._descriptor = descriptor
        self._pressed = pressed
        self._redraw = redraw
        self._away = away
        self._decoder = Decoder()
        self._before = termios.tcgetattr(descriptor)
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        tty.setcbreak(self._descriptor, termios.TCSANOW)
        self._loop.add_reader(self._descriptor, self._read)
        self._loop.add_signal_handler(signal.SIGTSTP, self._suspend)
        self._loop.add_signal_handler(signal.SIGCONT, self._resumed)
        self._loop.add_signal_handler(signal.SIGWINCH, self._redraw)
        return self

    def __exit__(self, *error: object) -> None:
        for number in (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH):
            self._loop.remove_signal_handler(number)
        self._loop.remove_reader(self._descriptor)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except OSError:
            data = b""
        if not data:  # the terminal is gone: SIGHUP ends the program
            self._loop.remove_reader(self._descriptor)
        for key in self._decoder.feed(data):
            self._pressed(key)
        if self._decoder.incomplete:
            self._loop.call_later(ESCAPE_ALONE_S, self._flush)

    def _flush(self) -> None:
        for key in self._decoder.flush():
            self._pressed(key)

    def _suspend(self) -> None:
        with self._away():
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            os.kill(os.getpid(), signal.SIGSTOP)  # the next line runs when a shell resumes the program
            tty.setcbreak(self._descriptor, termios.TCSANOW)

    def _resumed(self) -> None:
        tty.setcbreak(self._descriptor, termios.TCSANOW)  # a shell restores its own settings meanwhile
        self._redraw()

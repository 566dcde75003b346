"""The lines of an OpenSSH client configuration, split as ssh_config(5) says."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from skewmon.errors import ConfigError, Fault, MissingFileError, echoed
from skewmon.runtime.files import read_bytes

#: ssh itself reads line by line; a configuration of more than this is another file.
MAX_FILE_BYTES = 1024 * 1024

_KEYWORD = re.compile(r'"?([^\s="]+)"?[ \t]*=?[ \t]*(.*)', re.DOTALL)
_CRITERION = re.compile(r'"([^"]*)"|([^\s="]+)')


@dataclass(frozen=True, slots=True)
class Line:
    """One keyword with the rest of its line, and where it stands."""

    keyword: str
    rest: str
    source: str
    number: int

    def fault(self, message: str, hint: str = "") -> ConfigError:
        """Return an error that points here."""
        return ConfigError(Fault(message, self.source, self.number, hint=hint))

    def arguments(self) -> tuple[str, ...]:
        """Return the arguments: quotes group, a backslash escapes, # ends the line."""
        words = split_words(self.rest)
        if words is None:
            raise self.fault("a quote is not closed")
        if not words:
            raise self.fault(f"{self.keyword} has no value")
        return words

    def argument(self) -> str:
        """Return the only argument."""
        words = self.arguments()
        if len(words) != 1:
            raise self.fault(f"{self.keyword} takes one value, found {len(words)}")
        return words[0]

    def criteria(self) -> list[str]:
        """Return the words of a Match line, whose syntax is the older one without escapes."""
        return [quoted or bare for quoted, bare in _CRITERION.findall(self.rest.partition("#")[0])]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file to start from; ``private`` ones are refused where others may write to them, as ssh does."""

    path: str
    include_base: str
    private: bool = False


@dataclass(slots=True)
class Reader:
    """Reads files once, however many hosts are looked up in them."""

    known: dict[str, tuple[Line, ...]] = field(default_factory=dict)

    def lines(self, path: str, *, private: bool) -> tuple[Line, ...]:
        """Return the lines of a file, none where it does not exist."""
        if path not in self.known:
            self.known[path] = _read(path, private=private)
        return self.known[path]


def split_words(text: str) -> tuple[str, ...] | None:
    """Return the words of a line, or None where a quote is not closed."""
    words: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
        elif text[position] == "#":
            break
        else:
            word, position = _word(text, position)
            if position < 0:
                return None
            words.append(word)
    return tuple(words)


def _word(text: str, position: int) -> tuple[str, int]:
    """Return the word that starts at ``position`` and where it ends; -1 where its quote stays open."""
    word, quote = "", ""
    while position < len(text) and (quote or text[position] not in " \t"):
        character, after = text[position], text[position + 1 : position + 2]
        if character == "\\" and after and (after in "'\"\\" or (not quote and after == " ")):
            word += after
            position += 1
        elif quote and character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        else:
            word += character
        position += 1
    return word, -1 if quote else position


def _read(path: str, *, private: bool) -> tuple[Line, ...]:
    """Return the lines of one file."""
    try:
        data = read_bytes(path, MAX_FILE_BYTES)
        status = Path(path).stat()
    except (MissingFileError, FileNotFoundError):
        return ()
    if private and (status.st_uid not in {0, os.getuid()} or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise ConfigError(Fault("others may write to it, so ssh refuses it", path, hint=f"chmod 600 {path}"))
    return tuple(parse_lines(data.decode(errors="surrogateescape"), path))


def parse_lines(text: str, path: str) -> list[Line]:
    """Return the lines that say something."""
    found = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip(" \t\r\f")
        if not line or line.startswith("#"):
            continue
        parts = _KEYWORD.fullmatch(line)
        if parts is None:
            raise ConfigError(Fault(f"{echoed(line)} is not a keyword with a value", path, number))
        found.append(Line(parts[1].lower(), parts[2], path, number))
    return found

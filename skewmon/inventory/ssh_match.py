"""Which lines of an OpenSSH client configuration count for a host: Host, Match, Include, first value wins."""

import glob
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from skewmon.errors import echoed
from skewmon.inventory.ssh_lines import ConfigFile, Line, Reader

#: ssh's own limit (READCONF_MAX_DEPTH).
MAX_INCLUDE_DEPTH = 16

#: The keywords that say where and how to log in. Every other one is about what happens afterwards.
SINGLE = {
    "hostname", "user", "port", "proxyjump", "hostkeyalias",
    "identitiesonly", "identityagent", "connecttimeout",
    "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes",
}  # fmt: skip
LISTS = {"userknownhostsfile", "globalknownhostsfile"}


@dataclass(slots=True)
class Evaluation:
    """The settings found for one host so far; a value that is there is never replaced."""

    host: str
    local_user: str
    reader: Reader
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    identities: list[str] = field(default_factory=list)
    final: bool = False
    wants_final: bool = False

    def value(self, keyword: str) -> str | None:
        """Return a single value, or None where no line sets it."""
        return self.values[keyword][0] if keyword in self.values else None

    @property
    def hostname(self) -> str:
        """The address so far: HostName with its tokens replaced, else the host; lowered as in ssh."""
        name = self.value("hostname")
        if name is None:
            name = self.host
        else:
            name = name.replace("%%", "\0").replace("%h", self.host).replace("\0", "%")
        return name if ":" in name else name.lower()

    def read(self, file: ConfigFile) -> None:
        """Take over what one file says of the host."""
        self._file(file.path, file, 0)

    def _file(self, path: str, start: ConfigFile, depth: int) -> None:
        """Walk through one file; every file begins outside of Host and Match."""
        active = True
        for line in self.reader.lines(path, private=start.private):
            if line.keyword == "host":
                active = matches_any(self.host, line.arguments())
            elif line.keyword == "match":
                active = self._match(line)
            elif active and line.keyword == "include":
                if depth >= MAX_INCLUDE_DEPTH:
                    raise line.fault(f"Include goes deeper than {MAX_INCLUDE_DEPTH} levels")
                for included in included_files(line, start):
                    self._file(included, start, depth + 1)
            elif active:
                self._take(line)

    def _take(self, line: Line) -> None:
        """Keep one line's value unless there is one already."""
        keyword = line.keyword
        if keyword == "identityfile":
            if (identity := line.argument()) not in self.identities:
                self.identities.append(identity)
        elif keyword == "proxycommand":
            self._proxy(keyword, line.rest)
        elif keyword == "proxyjump":
            self._proxy(keyword, line.argument())
        elif keyword in SINGLE:
            self.values.setdefault(keyword, (line.argument(),))
        elif keyword in LISTS:
            self.values.setdefault(keyword, line.arguments())

    def _proxy(self, keyword: str, value: str) -> None:
        """Keep the first of ProxyJump and ProxyCommand, which exclude each other."""
        if not self.values.keys() & {"proxyjump", "proxycommand"}:
            self.values[keyword] = (value,)

    def _match(self, line: Line) -> bool:
        """Tell whether a Match line is true; criteria after a false one are not looked at, as in ssh."""
        words = line.criteria()
        if not words:
            raise line.fault("Match has no criteria")
        result, count = True, 0
        while words:
            word = words.pop(0)
            negated, criterion = word.startswith("!"), word.removeprefix("!").lower()
            if criterion == "all":
                if words or count > 1:
                    raise line.fault("'all' stands alone in a Match line, or after one other criterion")
                return result and not negated
            count += 1
            if criterion in {"final", "canonical"}:
                self.wants_final |= criterion == "final"
                result = result and self.final != negated
                continue
            if not words:
                raise line.fault(f"{word} has no value")
            value = words.pop(0)
            result = result and self._criterion(criterion, value, line) != negated
        return result

    def _criterion(self, criterion: str, value: str, line: Line) -> bool:
        """Tell whether one criterion holds."""
        subjects = {
            "host": self.hostname,
            "originalhost": self.host.lower(),
            "user": self.value("user") or self.local_user,
            "localuser": self.local_user,
        }
        if criterion == "exec":
            raise line.fault(
                "Match exec runs a command, which skewmon does not do",
                "write the hosts as patterns, or give skewmon a configuration of its own",
            )
        if criterion not in subjects:
            raise line.fault(
                f"Match {criterion} is not supported", f"known: {', '.join(subjects)}, all, final"
            )
        patterns = value.lower() if criterion in {"host", "originalhost"} else value
        return matches_any(subjects[criterion], patterns.split(","))


def matches_any(subject: str, patterns: tuple[str, ...] | list[str]) -> bool:
    """Tell whether one pattern matches and no negated one does."""
    hits = [pattern for pattern in patterns if _matches(subject, pattern.removeprefix("!"))]
    return bool(hits) and not any(pattern.startswith("!") for pattern in hits)


def included_files(line: Line, start: ConfigFile) -> list[str]:
    """Return the files of one Include line in ssh's order; patterns that match nothing are no fault."""
    found: list[str] = []
    for argument in line.arguments():
        try:
            pattern = Path(start.include_base) / Path(argument).expanduser()
        except RuntimeError:
            raise line.fault(f"{echoed(argument)} names the home of an unknown user") from None
        found += sorted(glob.glob(str(pattern)))  # noqa: PTH207  Path.glob takes no absolute pattern
    return [path for path in found if not os.path.isdir(path)]  # noqa: PTH112  Path.is_dir hides nothing more


def _matches(subject: str, pattern: str) -> bool:
    """Tell whether a pattern of * and ? matches the whole subject."""
    parts = (
        ".*" if part == "*" else "." if part == "?" else re.escape(part)
        for part in re.split(r"([*?])", pattern)
    )
    return re.fullmatch("".join(parts), subject, re.DOTALL) is not None

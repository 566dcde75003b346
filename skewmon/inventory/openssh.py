"""OpenSSH's own evaluation of its configuration, as ``ssh -G`` prints it, and the tokens that it leaves."""

import asyncio
import os
import pwd
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from skewmon.errors import InventoryError, echoed
from skewmon.runtime.command import OutputLimitError, run

#: One evaluation takes 5 ms, unless `Match exec` or CanonicalizeHostname wait for something.
EVALUATION_TIMEOUT_S = 10.0

#: For all hosts of one command line or inventory; with the 25 s of a check it is less than Nagios waits.
TOTAL_TIMEOUT_S = 20.0

#: `ssh -G` prints some 100 settings, about 4 KB.
MAX_OUTPUT_BYTES = 256 * 1024

#: More at once gain nothing on the cores of an admin box.
AT_ONCE = 16

#: Characters of ssh's complaint that a message repeats.
MAX_COMPLAINT = 300

#: `ssh -G` prints this value with its tokens replaced; no control socket is used. All versions know these.
CONTROL_PATH = "%C|%i|%L|%l|%u"

MISSING = (
    "there is no ssh in PATH, and only ssh itself evaluates an ssh configuration: install the OpenSSH client "
    "(openssh-client or openssh-clients), or list the nodes and their logins in a configuration of skewmon"
)

#: In a list of files every path is absolute; a space may also be part of a path.
_BETWEEN_FILES = re.compile(r" (?=[/~])")


@dataclass(frozen=True, slots=True)
class Answer:
    """The settings of one host: values by keyword, in the order in which ssh prints them."""

    host: str
    values: Mapping[str, list[str]]

    def one(self, keyword: str) -> str | None:
        """Return the value of a keyword; None if it has none or is ``none``."""
        value = self.values.get(keyword, ["none"])[0]
        return None if value.lower() == "none" else value

    def files(self, keyword: str) -> list[str]:
        """Return the paths of a keyword, which stand on one line or on several; ssh has replaced tokens."""
        found = [path for value in self.values.get(keyword, ()) for path in _BETWEEN_FILES.split(value)]
        return [from_home(path) for path in found if path.lower() != "none"]

    def keys(self, keyword: str) -> list[str]:
        """Return the paths of a keyword of keys, for which ssh replaces tokens only when it reads them."""
        return [re.sub(r"\$\{(\w+)\}", _variable, self.expanded(path)) for path in self.files(keyword)]

    def expanded(self, text: str, more: Mapping[str, str] | None = None) -> str:
        """Return a text with the tokens replaced that ssh replaces everywhere, and some ``more``."""
        tokens = {**self._tokens(), **(more or {})}

        def replaced(part: re.Match[str]) -> str:
            if part[1] not in tokens:
                raise InventoryError(f"the token {part[0]} of {echoed(text)} has no meaning there")
            return tokens[part[1]]

        return re.sub("%(.?)", replaced, text)

    def _tokens(self) -> dict[str, str]:
        printed = zip("CiLlu", self.values.get("controlpath", [""])[0].split("|"), strict=False)
        return {
            **dict(printed),
            "%": "%",
            "d": _home(),
            "h": self.one("hostname") or self.host,
            "j": self.one("proxyjump") or "",
            "k": self.one("hostkeyalias") or self.host,
            "n": self.host,
            "p": self.one("port") or "22",
            "r": self.one("user") or "",
        }


class OpenSsh:
    """Runs the installed ssh, once for each host and options, and a bounded number at once.

    ``configuration`` is the text to use instead of the user's and the machine's files.
    """

    def __init__(self, configuration: str | None = None) -> None:
        if shutil.which("ssh") is None:
            raise InventoryError(MISSING)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._answers: dict[tuple[str, ...], asyncio.Task[Answer]] = {}
        self._configuration = configuration
        self._until_s = asyncio.get_running_loop().time() + TOTAL_TIMEOUT_S

    @property
    def is_users(self) -> bool:
        """Whether the configuration is that of the user and the machine, which plain ssh reads."""
        return self._configuration is None

    async def ask(self, host: str, *options: str) -> Answer:
        """Return the settings of a host; raise InventoryError with ssh's message if it refuses them."""
        question = (*options, "--", host)
        if question not in self._answers:
            self._answers[question] = asyncio.create_task(self._evaluated(host, question))
        # Shielded: a caller that is cancelled must not cancel it for the others.
        return await asyncio.shield(self._answers[question])

    async def _evaluated(self, host: str, question: tuple[str, ...]) -> Answer:
        async with self._turns:
            output = await self._output(question)
        values: dict[str, list[str]] = {}
        for line in output.decode(errors="surrogateescape").split("\n"):
            keyword, _, value = line.partition(" ")
            values.setdefault(keyword, []).append(value)
        return Answer(host, values)

    async def _output(self, question: tuple[str, ...]) -> bytes:
        """Return the output of `ssh -G`, which has no terminal and no input, so that nothing prompts."""
        limit_s = min(EVALUATION_TIMEOUT_S, self._until_s - asyncio.get_running_loop().time())
        given = () if self._configuration is None else ("-F", "/dev/stdin")
        options = ("-o", "BatchMode=yes", "-o", f"ControlPath={CONTROL_PATH}", *given)
        arguments = ("ssh", "-G", "-T", *options, *question)
        try:
            with _as_stdin(self._configuration) as stdin:
                done = await run(arguments, timeout_s=limit_s, max_bytes=MAX_OUTPUT_BYTES, stdin=stdin)
        except TimeoutError:
            raise InventoryError(
                f"ssh -G took longer than {max(limit_s, 0):.0f} s, probably in a Match exec or for "
                "CanonicalizeHostname"
            ) from None
        except OutputLimitError:
            raise InventoryError(f"ssh -G printed more than {MAX_OUTPUT_BYTES // 1024} KiB") from None
        except OSError as error:
            raise InventoryError(f"ssh cannot be run: {error.strerror}") from None
        if done.code != 0:
            reason = "; ".join(done.complaints)[:MAX_COMPLAINT] or "without a reason"
            raise InventoryError(f"ssh refuses the configuration: {reason}")
        return done.output


@contextmanager
def _as_stdin(text: str | None) -> Iterator[int]:
    """Yield a file of this text, which ssh can open more than once as standard input; None is null."""
    if text is None:
        yield asyncio.subprocess.DEVNULL
        return
    with open(os.memfd_create("ssh_config"), "wb", buffering=0) as file:  # noqa: PTH123  it has no path
        file.write(text.encode(errors="surrogateescape"))
        yield file.fileno()


def from_home(path: str) -> str:
    """Return a path with ``~`` or ``~user`` at its start replaced."""
    if path == "~" or path.startswith("~/"):
        return _home() + path[1:]
    found = os.path.expanduser(path)  # noqa: PTH111  Path would also normalize it
    if found.startswith("~"):
        raise InventoryError(f"{echoed(path)} names the home of an unknown user")
    return found


def _home() -> str:
    """Return the home of this user; like ssh, from the user database and not from the environment."""
    return pwd.getpwuid(os.getuid()).pw_dir


def _variable(part: re.Match[str]) -> str:
    if part[1] not in os.environ:
        raise InventoryError(f"the variable {part[1]} is not set")
    return os.environ[part[1]]

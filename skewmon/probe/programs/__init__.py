"""The node-side programs, as text: a ladder of languages; each node runs the best one that it has."""

import re
from collections.abc import Callable
from functools import cache
from importlib import resources

from skewmon import __version__
from skewmon.probe.wire import greeting
from skewmon.timesync import script

#: The placeholder in ladder.sh of each program that it carries.
RUNGS = {"@PYTHON3@": "python3.py", "@PERL@": "perl.pl", "@PYTHON2@": "python2.py", "@BASH@": "bash.sh"}

#: The same of relay.sh.
RELAY_RUNGS = {"@RELAY_PYTHON3@": "relay_python3.py", "@RELAY_PERL@": "relay_perl.pl"}

#: The one command that skewmon runs; every login shell understands it, and the script follows on standard
#: input, free of any shell's quoting rules.
COMMAND = "exec /bin/sh"

#: The path of the installed program on a node.
INSTALLED_PATH = "/usr/local/lib/skewmon/node"

#: The same on a vantage; the file of its targets is beside it.
RELAY_PATH = "/usr/local/lib/skewmon/relay"

#: Placeholder for the nonce while the script is made; the installed program has it in a variable.
_ANY_NONCE = "anynonce"


def clock_script(nonce: str) -> str:
    """Return the script that starts the best program of a node, which then introduces itself."""
    return f"{greeting(nonce, 'clock')}{ladder()}skewmon_ladder {nonce}; exit\n"


def relay_script(nonce: str) -> str:
    """Return the script that starts the best relay of a vantage, which then introduces itself."""
    return f"{greeting(nonce, 'relay')}{relay_ladder()}skewmon_relay {nonce}; exit\n"


@cache
def ladder() -> str:
    """Return the ladder as shell functions, comments removed, each program in single quotes."""
    return _filled("ladder.sh", RUNGS)


@cache
def relay_ladder() -> str:
    """Return the same for the relay."""
    return _filled("relay.sh", RELAY_RUNGS)


def _filled(name: str, rungs: dict[str, str], source: Callable[[str], str] | None = None) -> str:
    source = source or _source
    text = source(name)
    for mark, rung in rungs.items():
        program = source(rung)
        assert "'" not in program, f"{rung} is handed over in single quotes"
        text = text.replace(mark, program)
    return text


def installed(path: str = INSTALLED_PATH) -> str:
    """Return the program for nodes whose key may run nothing else: ladder and status script in one."""
    return _installed({"@KIND@": "node-side", "@OPTIONS@": "--program", "@ABOUT@": "", "@MODES@": ""}, path)


def installed_relay(path: str = RELAY_PATH) -> str:
    """Return the same for a vantage, with the relay, which serves the targets of a file beside it alone."""
    text = _whole_source("installed_relay.sh")
    about, modes = text.split("@LADDER@\n")
    modes = modes.replace("@RELAY@", _filled("relay.sh", RELAY_RUNGS, _whole_source).rstrip("\n"))
    parts = {"@KIND@": "relay", "@OPTIONS@": "--relay --program", "@ABOUT@": about, "@MODES@": modes}
    return _installed(parts, path)


def _installed(parts: dict[str, str], path: str) -> str:
    fixed = f"mark={_ANY_NONCE}\n"
    status = script.script(_ANY_NONCE)
    assert status.count(_ANY_NONCE) == status.count(fixed) == 1, "the nonce is in one place"
    text = _whole_source("installed.sh")
    parts = {
        **parts,
        "@VERSION@": __version__,
        "@PATH@": path,
        "@LADDER@": ladder().rstrip("\n"),
        "@SHEET@": status.replace(fixed, "mark=$nonce\n").strip("\n"),
    }
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def account(line: str, key: str, path: str = INSTALLED_PATH) -> str:
    """Return the script that sets up the restricted account of a node, with this line of authorized_keys."""
    text = resources.files(__name__).joinpath("account.sh").read_text(encoding="utf-8")
    parts = {
        "@VERSION@": __version__,
        "@PATH@": path,
        "@LINE@": line,
        "@KEY@": key,
        "@PROGRAM@": installed(path).rstrip("\n"),
    }
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text


def _source(name: str) -> str:
    """Return a program without its comments."""
    lines = _whole_source(name).splitlines()
    return "".join(f"{line}\n" for line in lines if not re.match(r"\s*#", line))


def _whole_source(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")

"""The node-side programs, as text: a ladder of languages, of which each node runs the best that it has."""

import re
from functools import cache
from importlib import resources

from skewmon.probe.wire import greeting

#: What stands in ladder.sh for each program that it carries.
RUNGS = {"@PYTHON3@": "python3.py", "@PERL@": "perl.pl", "@PYTHON2@": "python2.py", "@BASH@": "bash.sh"}

#: The one command that skewmon ever asks sshd to run; every login shell understands it, and the script
#: follows on standard input, where no shell's quoting rules apply.
COMMAND = "exec /bin/sh"


def clock_script(nonce: str) -> str:
    """Return what is sent to a node's shell so that its best program starts and says hello."""
    return f"{greeting(nonce, 'clock')}{ladder()}skewmon_ladder {nonce}; exit\n"


@cache
def ladder() -> str:
    """Return the ladder as shell functions, comments removed, each program in single quotes."""
    text = _source("ladder.sh")
    for mark, name in RUNGS.items():
        program = _source(name)
        assert "'" not in program, f"{name} is handed over in single quotes"
        text = text.replace(mark, program)
    return text


def _source(name: str) -> str:
    lines = resources.files(__name__).joinpath(name).read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if not re.match(r"\s*#", line))

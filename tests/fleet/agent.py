"""A real ssh-agent with keys."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def agent(*keys: Path) -> Iterator[str]:
    """Start an agent that holds these keys and yield its socket."""
    printed = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    words = dict(part.split("=", 1) for part in printed.replace("\n", ";").split(";") if "=" in part)
    environment = {**os.environ, **{name: words[name] for name in ("SSH_AUTH_SOCK", "SSH_AGENT_PID")}}
    try:
        for key in keys:
            subprocess.run(["ssh-add", "-q", str(key)], env=environment, check=True, capture_output=True)
        yield words["SSH_AUTH_SOCK"]
    finally:
        os.kill(int(words["SSH_AGENT_PID"]), 15)

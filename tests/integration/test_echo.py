"""A session recorder that gives the program a terminal, which echoes the input."""

from skewmon.errors import Reason
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import failed, node_of, outcome_of

#: script(1) records like tlog and its kind: its child has a terminal of its own.
RECORDER = "script -qec /bin/sh /dev/null"


async def test_a_recorder_that_echoes_the_input_is_named() -> None:
    """Its echo is not a reply of a garbling program."""
    async with Fleet(1, login=Login(forced_command=RECORDER)) as fleet:
        outcome = failed(await outcome_of(node_of(fleet, fleet["n1"])), Reason.GARBLED_REPLY)
    assert "A terminal (pty) or a session recorder on the node echoes the input" in outcome.detail
    assert "recording" in outcome.advice

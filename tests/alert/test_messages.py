"""Texts of alerts: sentences, and commands that are safe to paste."""

from dataclasses import replace

import pytest

from skewmon.alert import messages
from skewmon.model import Finding
from tests.alert.views import node, view


@pytest.mark.parametrize(
    ("text", "sentence"), [("", ""), ("  ", ""), ("It is so", " It is so."), ("It is so.", " It is so.")]
)
def test_a_sentence_ends_once(text: str, sentence: str) -> None:
    """Evidence of others may or may not have its full stop."""
    assert messages.sentence(text) == sentence


ADVICE = Finding("stepped", "warning", "It jumped.", "ssh a journalctl")


def test_the_commands_of_an_alert_name_the_daemon_s_configuration() -> None:
    """Without it probe would log in as the reader's own ssh does, and check would read another file."""
    found = view(node("a"), node("b"))
    found = replace(found, cluster=replace(found.cluster, config_file="/srv/my clocks.yml"))
    assert (
        messages.next_command(found, found.nodes[0])
        == "skewmon probe --config.file '/srv/my clocks.yml' a -v"
    )
    assert messages.check_command(found) == "skewmon check --config.file '/srv/my clocks.yml' --cluster prod"


def test_the_command_of_a_finding_goes_first() -> None:
    """The transcript is for nodes without findings."""
    found = view(node("a", findings=(ADVICE,)))
    assert messages.next_command(found, found.nodes[0]) == "ssh a journalctl"


def test_a_name_that_a_shell_would_obey_is_quoted() -> None:
    """Names come from inventories of others, and commands are pasted."""
    found = view(node("a;reboot"))
    assert messages.probe_command(found, found.nodes[0]) == "skewmon probe 'a;reboot' -v"
    found = view(node("--help"))
    assert messages.probe_command(found, found.nodes[0]) == "skewmon probe -v -- --help"

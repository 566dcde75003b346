"""Claims of real time daemons, read by ``skewmon check`` over real SSH from inside the daemons' network.

Some of the servers show a time that is 250 ms behind, others one that is 250 ms ahead: by their word a node
that follows the first is ahead, and claims a positive offset, and one that follows the others is behind.
"""

import json
import re

import pytest

from skewmon.timesync.findings.advice import reparse
from skewmon.timesync.findings.evidence import NodeEvidence
from tests.integration.estate import Estate, Host
from tests.integration.time_daemons import (
    AHEAD_S,
    FAST,
    KINDS,
    SLOW,
    SPARE,
    TRUE,
    chronyd,
    kinds_of,
    settle,
)

#: The error of an offset beside half of the round trip that is reported with it, long on a busy machine.
TOLERANCE_S = 0.03

#: OpenNTPD calls itself unsynced at 250 ms; timesyncd's word on it is the kernel's flag, which is not ours.
SAYS_SYNCHRONIZED = frozenset({"chronyd", "ntpd", "ntpsec"})


def metric(text: str, name: str) -> dict[str, float]:
    """Return a metric's value by node."""
    found = re.findall(rf'^skewmon_{name}{{[^}}]*node="(\w+)"[^}}]*}} (\S+)$', text, re.MULTILINE)
    return {node: float(value) for node, value in found}


def test_every_daemons_claim_has_our_sign(estate: Estate) -> None:
    """Five daemons, ahead and behind: the JSON and the metrics say so, and nothing is left unread."""
    expected: dict[str, tuple[str, float, list[str]]] = {}
    hosts: list[Host] = []
    for kind, opened in KINDS.items():
        for servers, offset_s in ((SLOW, AHEAD_S), (FAST, -AHEAD_S)):
            hosts.append(opened(estate, servers))
            expected[hosts[-1].node.name] = (kind, offset_s, servers)
    settle(hosts, lambda said: said.offset_s is not None and (said.synchronized or said.stratum != 16))
    cluster = estate.cluster()
    claimed_s = metric(estate.check("prometheus"), "timesync_offset_seconds")
    for name, (kind, offset_s, servers) in expected.items():
        node = cluster["by_name"][name]
        said = node["timesync"]
        assert node["measured"], node
        assert (said["daemon"], said["unparsed"]) == (kind, []), said
        error_s = TOLERANCE_S + max((one["delay_seconds"] or 0.0 for one in said["peers"]), default=0.0) / 2
        assert said["offset_seconds"] == pytest.approx(offset_s, abs=error_s), (name, said)
        assert claimed_s[name] == pytest.approx(offset_s, abs=error_s), (name, claimed_s)
        if kind in SAYS_SYNCHRONIZED:
            assert (said["synchronized"], said["stratum"]) == (True, 2), said
            assert said["source"] in servers
        assert not kinds_of(node) & {"unparsed-output", "tool-failed", "no-time-daemon"}, node


def test_chronyd_synchronised_by_a_second_one(estate: Estate) -> None:
    """It names the other, one stratum below it."""
    serving = f"local stratum 3\nallow\nbindaddress {SPARE}\ncmdport 0\nbindcmdaddress /\n"
    config = estate.directory / "server.conf"
    config.write_text(f"{serving}pidfile {estate.directory}/server.pid\nuser root\n")
    host = chronyd(estate, [SPARE])
    host.container.start_outside("chronyd", "-x", "-d", "-f", str(config))
    settle([host], lambda said: said.synchronized)
    node = estate.cluster()["by_name"]["n1"]
    said = node["timesync"]
    assert (said["daemon"], said["source"], said["stratum"], said["synchronized"]) == (
        "chronyd",
        SPARE,
        4,
        True,
    )
    assert kinds_of(node) == {"single-source"}


#: The tools of a container whose output ``skewmon parse`` reads.
TOOLS = {
    "chronyd": ("chronyc-tracking", "chronyc-sources"),
    "ntpd": ("ntpq", "ntpq-rv", "ntpstat"),
    "ntpsec": ("ntpq", "ntpq-rv", "ntpstat", "ntptime"),
    "openntpd": ("ntpctl",),
    "timesyncd": ("timesync-status", "show-timesync"),
}


def test_output_of_advised_commands_is_parsed_completely(estate: Estate) -> None:
    """The very line of ``unparsed-output``, typed on the admin box, for every tool of every daemon."""
    hosts = {kind: opened(estate, TRUE) for kind, opened in KINDS.items()}
    settle(list(hosts.values()), lambda said: said.peers or said.offset_s is not None)
    for kind, tools in TOOLS.items():
        for tool in tools:
            done = estate.shell(str(reparse(NodeEvidence(hosts[kind].node.name), tool)))
            assert done.returncode == 0, (tool, done)
            report = json.loads(done.stdout)
            assert (report["tool"], report["outcome"], report["unparsed"]) == (tool, "parsed", []), report
    csv = estate.shell(
        f"ssh {hosts['chronyd'].node.name} chronyc -n -c sources | skewmon parse chronyc-sources"
    )
    assert len(json.loads(csv.stdout)["status"]["peers"]) == len(TRUE), csv

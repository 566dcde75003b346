"""Laws for every fleet and any output of its tools: findings without a fault that read as sentences."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.timesync.findings.catalogue import FINDINGS
from skewmon.timesync.findings.evidence import NodeEvidence
from skewmon.timesync.script import ToolOutput
from skewmon.timesync.status import assemble
from tests.timesync.captures import captures
from tests.timesync.fleets import CHRONYD, NTPD, TIMESYNCD, judged, node

PROCESSES = (
    CHRONYD,
    f"{CHRONYD} -x",
    NTPD,
    TIMESYNCD,
    "process 1 ntpd ntpd: ntp engine",
    "ntpd busybox",
    "contained 9 ntpd /usr/sbin/ntpd",
    "process 9 phc2sys /usr/sbin/phc2sys -a -r",
    "process 9 ptp4l /usr/sbin/ptp4l",
    "processes hidden",
    "process 3 ntp-daemon /usr/bin/ntp-daemon",
)

OUTPUTS = [ToolOutput(one.tool, one.stdout, one.stderr, one.exit_status) for one in captures()]

ADDRESSES = ("10.78.0.11", "10.78.0.13", "192.0.2.1", "n.example", "2001:db8::1", "")

statuses = st.builds(
    lambda processes, outputs: assemble(
        {
            "facts": ToolOutput("facts", "".join(f"{line}\n" for line in ("clock 1795353855", *processes))),
            **{one.name: one for one in outputs},
        }
    ),
    st.lists(st.sampled_from(PROCESSES), max_size=3, unique=True),
    st.lists(st.sampled_from(OUTPUTS), max_size=5),
)

offsets_s = st.one_of(
    st.none(), st.sampled_from([0.0, 1e-5, 0.06, 37.0, 70.0, 3_600.0]), st.floats(-2_000, 2_000)
)

nodes = st.tuples(
    st.one_of(st.none(), statuses),
    offsets_s,
    st.sampled_from([1e-5, 1e-3, 0.1, 40.0]),
    st.one_of(st.none(), st.sampled_from([-1.0, 70.0])),
    st.sampled_from(ADDRESSES),
)


def made(name: str, told: tuple[object, ...]) -> NodeEvidence:
    """Return a node of the drawn values."""
    status, ahead_s, bound_s, step_s, address = told
    return node(name, status, ahead_s, bound_s=bound_s, step_s=step_s, address=address)  # type: ignore[arg-type]


@settings(max_examples=400, deadline=None)
@given(st.lists(nodes, min_size=1, max_size=6), st.sampled_from([0.001, 0.05, 1.0]))
def test_whatever_the_tools_print_findings_are_sentences(
    drawn: list[tuple[object, ...]], limit_s: float
) -> None:
    """No fault, no gap in a sentence, a command in each, and no node both cleared and refuted."""
    fleet = [made(f"n{number}", told) for number, told in enumerate(drawn, 1)]
    said = judged(*fleet, limit_s=limit_s)
    for found in (*said.cluster, *(one for each in said.nodes.values() for one in each)):
        assert found.kind in FINDINGS
        assert not re.search(r"None|unknown on|nowhere|\bnan\b|  |\.$", found.message), found
        assert str(found.next).startswith("ssh "), found
    if said.vote.verdict == "named":
        cleared = set(said.nodes) - set(said.vote.culprits)
        assert set(said.vote.culprits) <= {one.name for one in fleet if one.offset is not None}
        assert cleared

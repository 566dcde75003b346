"""Host certificates that a server shows: accepted, or refused with the cause, the dates and the cure."""

import re
import subprocess
from pathlib import Path

import pytest

from skewmon.errors import Reason
from tests.integration.certified import certified
from tests.integration.measuring import assert_inside, failed, node_of, outcome_of

DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


async def test_a_valid_certificate_is_accepted(tmp_path: Path) -> None:
    """The authority in known_hosts is enough."""
    with certified(tmp_path) as fleet:
        assert_inside(fleet["n1"], await outcome_of(node_of(fleet, fleet["n1"])))


@pytest.mark.parametrize(
    ("validity", "reason", "words", "cure"),
    [
        ("-3d:-2d", Reason.HOST_CERTIFICATE_EXPIRED, ("expired at", "2 days ago"), "sign the host key of n1"),
        (
            "+2h:+3d",
            Reason.HOST_CERTIFICATE_NOT_YET_VALID,
            ("is not valid before", "One of two clocks is wrong: this machine's is behind", "the authority"),
            "date -u",
        ),
    ],
    ids=["expired", "not-yet-valid"],
)
async def test_a_certificate_out_of_its_time_is_reported_with_both_dates(
    tmp_path: Path, validity: str, reason: Reason, words: tuple[str, ...], cure: str
) -> None:
    """The end of its validity, and this machine's clock by which that was judged; no key is to be removed."""
    with certified(tmp_path, validity) as fleet:
        outcome = failed(await outcome_of(node_of(fleet, fleet["n1"])), reason)
    assert all(one in outcome.detail for one in words), outcome.detail
    assert len(re.findall(DATE, outcome.detail)) == 2
    assert cure in outcome.advice
    assert "ssh-keygen -R" not in outcome.advice
    assert "reinstalled" not in outcome.detail


async def test_a_certificate_of_another_principal_names_both(tmp_path: Path) -> None:
    """The names that it is for, and the name by which the node is reached."""
    with certified(tmp_path, principal="db1.example.com,db1") as fleet:
        node = fleet["n1"]
        outcome = failed(await outcome_of(node_of(fleet, node)), Reason.HOST_CERTIFICATE_UNUSABLE)
    assert f"is for db1.example.com, db1, and not for {node.address}" in outcome.detail
    assert f"-n {node.address}" in outcome.advice
    assert "ssh-keygen -R" not in outcome.advice


async def test_a_certificate_of_another_authority_names_it(tmp_path: Path) -> None:
    """By its fingerprint, to be compared before it is trusted."""
    with certified(tmp_path, signer="stranger") as fleet:
        outcome = failed(await outcome_of(node_of(fleet, fleet["n1"])), Reason.HOST_CERTIFICATE_UNUSABLE)
    assert "signed by SHA256:" in outcome.detail
    assert "@cert-authority" in outcome.advice


async def test_a_revoked_authority_is_named(tmp_path: Path) -> None:
    """A @revoked line has the last word."""
    with certified(tmp_path) as fleet:
        known = fleet.known_hosts.read_text()
        fleet.known_hosts.write_text(known + known.replace("@cert-authority", "@revoked"))
        outcome = failed(await outcome_of(node_of(fleet, fleet["n1"])), Reason.HOST_CERTIFICATE_UNUSABLE)
    assert "@revoked" in outcome.detail


@pytest.mark.parametrize(
    ("principal", "alias", "accepted"),
    [
        ("db1", "db1", True),
        ("other,db1.example.com,db1", "db1", True),
        ("db1.example.com", "DB1.example.com", True),
        ("DB1.example.com", "db1.example.com", False),
        ("*", "db1", False),
        ("*.example.com", "db1.example.com", False),
    ],
)
async def test_the_principal_that_counts_is_that_of_ssh(
    tmp_path: Path, principal: str, alias: str, accepted: bool
) -> None:
    """The alias in lower case, as it is; a certificate is for no pattern. ssh itself decides the same."""
    with certified(tmp_path, principal=principal) as fleet:
        node = fleet["n1"]
        text = fleet.known_hosts.read_text()
        fleet.known_hosts.write_text(text.replace(f"[{node.address}]:{node.port}", alias.lower()))
        checked = [f"UserKnownHostsFile={fleet.known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        options = [word for line in (*checked, f"HostKeyAlias={alias}") for word in ("-o", line)]
        place = (f"nobody@{node.address}", "-p", str(node.port))
        done = subprocess.run(
            ["ssh", "-F", "none", *options, *place, "true"], capture_output=True, check=False
        )
        assert (b"Host key verification failed" not in done.stderr) is accepted, done.stderr
        outcome = await outcome_of(node_of(fleet, node, host_key_alias=alias))
        if accepted:
            assert_inside(node, outcome)
        else:
            failed(outcome, Reason.HOST_CERTIFICATE_UNUSABLE)

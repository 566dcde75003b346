"""Keys and certificates of files and of a real agent, offered to real servers in the right order."""

import base64
import os
from pathlib import Path

import pytest

from skewmon.errors import Reason
from skewmon.model import Measured
from tests.fleet.agent import agent, with_token
from tests.fleet.sshd import Fleet, Login
from tests.integration.certified import USER, Authority, keygen
from tests.integration.measuring import assert_inside, failed, node_of, outcome_of

#: More than sshd's MaxAuthTries of six.
FOREIGN_KEYS = 7


def made(directory: Path, name: str) -> Path:
    """Return a new private key with its public half beside it."""
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(directory / name))
    return directory / name


@pytest.fixture
def foreign(tmp_path: Path) -> list[Path]:
    """Return keys that no node accepts."""
    return [made(tmp_path, f"foreign{number}") for number in range(FOREIGN_KEYS)]


async def test_the_named_identity_is_offered_before_the_rest_of_the_agent(foreign: list[Path]) -> None:
    """The public half in a file is enough to name it; the server gives up after six keys."""
    with Fleet(1) as fleet, agent(*foreign, fleet.identity) as socket:
        public = f"{fleet.identity}.pub"
        named = node_of(fleet, fleet["n1"], agent=True, agent_socket=socket, identities=(public,))
        assert_inside(fleet["n1"], await outcome_of(named))


async def test_too_many_keys_are_reported_with_the_servers_message(foreign: list[Path]) -> None:
    """The right key is in the agent; advice to add it to authorized_keys would be wrong."""
    with Fleet(1) as fleet, agent(*foreign, fleet.identity) as socket:
        unnamed = node_of(fleet, fleet["n1"], agent=True, agent_socket=socket, identities=())
        outcome = failed(await outcome_of(unnamed), Reason.PERMISSION_DENIED)
    assert f"before all {FOREIGN_KEYS + 1} keys were tried" in outcome.detail
    assert "it said: Too many authentication failures" in outcome.detail
    assert "--identity" in outcome.advice
    assert "authorized_keys" not in outcome.advice


async def test_a_key_in_a_file_and_in_the_agent_is_offered_once(foreign: list[Path]) -> None:
    """Each offer counts against MaxAuthTries."""
    with Fleet(1, login=Login(sshd_lines=("MaxAuthTries 2",))) as fleet, agent(foreign[0]) as socket:
        files = (str(foreign[0]), str(fleet.identity))
        node = node_of(fleet, fleet["n1"], agent=True, agent_socket=socket, identities=files)
        assert_inside(fleet["n1"], await outcome_of(node))
        assert fleet["n1"].log.count("Failed publickey") <= 1


@pytest.mark.parametrize("named", [False, True])
async def test_a_key_on_a_token_does_not_hold_up_the_others(tmp_path: Path, named: bool) -> None:
    """The server would accept it and wait for its touch; it is used last, and only if it is named."""
    body = b"".join(
        len(part).to_bytes(4, "big") + part
        for part in (b"sk-ssh-ed25519@openssh.com", os.urandom(32), b"ssh:")
    )
    line = f"sk-ssh-ed25519@openssh.com {base64.b64encode(body).decode()}\n"
    (tmp_path / "id_sk.pub").write_text(line)
    with Fleet(1) as fleet, agent(fleet.identity) as behind:
        with (fleet["n1"].directory / "authorized_keys").open("a") as file:
            file.write(line)
        async with with_token(body, behind, tmp_path / "agent") as socket:
            identities = (str(tmp_path / "id_sk.pub"),) if named else ()
            node = node_of(fleet, fleet["n1"], agent=True, agent_socket=socket, identities=identities)
            assert_inside(fleet["n1"], await outcome_of(node))
            alone = node_of(
                fleet,
                fleet["n1"],
                agent=True,
                agent_socket=socket,
                identities=identities or ("/nonexistent",),
                identities_only=True,
                connect_timeout_s=2.0,
            )
            refused = await outcome_of(alone)
    assert not isinstance(refused, Measured)
    assert refused.reason is (Reason.LOGIN_TIMEOUT if named else Reason.KEY_UNUSABLE)
    assert ("Touch the security token" in refused.advice) is named


@pytest.mark.parametrize(
    "way",
    ["beside the key", "named", "in the agent", "in the agent, for its key", "beside, with IdentitiesOnly"],
)
async def test_a_user_certificate_is_found_where_ssh_finds_it(tmp_path: Path, way: str) -> None:
    """The node trusts the authority and has no list of keys."""
    authority, key = Authority(tmp_path), made(tmp_path, "id")
    trusted = f"TrustedUserCAKeys {authority.key}.pub"
    with Fleet(1, login=Login(sshd_lines=(trusted,))) as fleet:
        node = fleet["n1"]
        certificate = authority.sign(key.with_suffix(".pub"), node.user, kind=USER)
        away = (
            certificate.rename(tmp_path / "away.pub")
            if way in ("named", "in the agent, for its key")
            else None
        )
        with agent(key) as socket:  # ssh-add adds the certificate beside the key, too
            if way.startswith("in the agent") or way.endswith("IdentitiesOnly"):
                key.unlink()
            settings = {
                "beside the key": {"identities": (str(key),)},
                "named": {"identities": (str(key),), "certificates": (str(away),)},
                "in the agent": {"agent_socket": socket, "agent": True, "identities": ()},
                "in the agent, for its key": {
                    "agent_socket": socket,
                    "agent": True,
                    "identities": (f"{key}.pub",),
                    "certificates": (str(away),),
                    "identities_only": True,
                },
                "beside, with IdentitiesOnly": {
                    "agent_socket": socket,
                    "agent": True,
                    "identities": (str(key),),
                    "identities_only": True,
                },
            }[way]
            assert_inside(node, await outcome_of(node_of(fleet, node, **settings)))


@pytest.mark.parametrize(
    ("validity", "words"), [("-3d:-2d", "expired at"), ("+2h:+3h", "is not valid before")]
)
async def test_a_user_certificate_out_of_its_time_is_named(tmp_path: Path, validity: str, words: str) -> None:
    """The server says only that it was refused."""
    authority, key = Authority(tmp_path), made(tmp_path, "id")
    with Fleet(1, login=Login(sshd_lines=(f"TrustedUserCAKeys {authority.key}.pub",))) as fleet:
        authority.sign(key.with_suffix(".pub"), fleet.user, validity=validity, kind=USER)
        node = node_of(fleet, fleet["n1"], identities=(str(key),))
        outcome = failed(await outcome_of(node), Reason.PERMISSION_DENIED)
    assert f"the user certificate {words}" in outcome.detail
    assert "date -u" in outcome.advice

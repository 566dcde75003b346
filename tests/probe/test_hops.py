"""Which machine stamps for a node, and how it is reached."""

from dataclasses import replace

import pytest

from skewmon.errors import ConnectError, Reason
from skewmon.model import SshSettings
from skewmon.probe.clocks import ArrivalClock
from skewmon.probe.connect import Dialer
from skewmon.probe.connection import Connection
from skewmon.probe.hops import all_keys, hop_keys, vantage_key
from skewmon.probe.retry import BACKOFF_REFUSED, REFUSED
from skewmon.probe.vantage import Vantage

SSH = SshSettings(user="u", port=2222, jump=("a@gate:22", "inner:23"), host_key_alias="n")


def test_auto_is_the_last_bastion() -> None:
    """And no machine without a bastion."""
    *_, last = hop_keys(SSH)
    assert vantage_key(SSH) == last
    assert last[0] == "inner"
    assert vantage_key(replace(SSH, jump=())) is None
    assert vantage_key(replace(SSH, vantage="none")) is None


def test_a_named_bastion_is_that_bastion() -> None:
    """No second login to it."""
    gate, inner = hop_keys(SSH)
    assert vantage_key(replace(SSH, vantage="gate")) == gate
    assert vantage_key(replace(SSH, vantage="a@gate:22")) == gate
    assert vantage_key(replace(SSH, vantage="inner:23")) == inner


def test_another_user_of_a_bastion_is_reached_as_the_bastion_is() -> None:
    """And not through it; the bastions before it have their own user. Another port may be another machine."""
    (_, gate), (_, inner) = hop_keys(SSH)
    first = vantage_key(replace(SSH, vantage="b@gate"))
    assert first == ("gate", replace(gate, user="b"))
    last = vantage_key(replace(SSH, jump=("gate", "inner:23"), vantage="b@inner:23"))
    assert last is not None
    address, own = last
    assert (address, own.user, own.port, own.jump) == ("inner", "b", 23, ("gate",))
    assert [*hop_keys(own)] == [("gate", replace(gate, user="u"))]
    other = vantage_key(replace(SSH, vantage="gate:24"))
    assert other is not None
    assert other[1].jump == SSH.jump
    known = replace(inner, user="b", port=23, identities=("relay-key",), jump=SSH.jump)
    named = vantage_key(replace(SSH, vantage="b@inner:23", vantage_ssh=known))
    assert named == ("inner", replace(known, jump=inner.jump, bastions=(gate,), vantage="none"))


def test_another_machine_is_reached_like_the_node() -> None:
    """Through its bastions, at the port that is named with it."""
    key = vantage_key(replace(SSH, vantage="[2001:db8::1]:24"))
    assert key is not None
    address, own = key
    assert (address, own.user, own.port, own.jump) == ("2001:db8::1", "u", 24, SSH.jump)
    assert own.host_key_alias is None
    assert {*all_keys(replace(SSH, vantage="[2001:db8::1]:24"))} == {*hop_keys(SSH), key}


def test_the_user_of_a_vantage_is_not_that_of_its_bastions() -> None:
    """They are logged in to as for the nodes, and each once."""
    key = vantage_key(replace(SSH, vantage="stamper@v"))
    assert key is not None
    assert key[1].user == "stamper"
    assert [*hop_keys(key[1])] == [*hop_keys(SSH)]


@pytest.mark.parametrize("reason", sorted(REFUSED))
async def test_a_vantage_that_refuses_the_login_is_left_alone_for_a_minute(reason: Reason) -> None:
    """As a node is: sshd may ban an address that keeps failing, and with it the nodes behind a bastion."""
    vantage = Vantage("v", ("v", SSH))

    async def connect() -> Connection:
        raise ConnectError(reason, "It is refused.")

    assert await vantage.start(connect) is None
    assert vantage.due_in_s > BACKOFF_REFUSED.first_s / 2


def test_nodes_with_other_vantages_share_their_bastions() -> None:
    """The way to a bastion does not depend on who stamps."""
    assert [*hop_keys(SSH)] == [*hop_keys(replace(SSH, vantage="gate"))]


async def test_labels_of_vantages_differ() -> None:
    """The address is enough, until another way to the same address exists."""
    dialer = Dialer(ArrivalClock(enabled=False))
    labels = [
        vantage.label
        for jump in ("a@gate", "a@gate:23", "b@gate", "a@gate")
        if (vantage := dialer.vantage(replace(SSH, jump=(jump,))))
    ]
    assert labels == ["gate", "gate:23", "b@gate", "gate"]
    through = dialer.vantage(replace(SSH, jump=("x", "a@gate")))
    assert through is not None
    assert through.label == "a@gate"

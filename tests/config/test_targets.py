"""Node expressions: users, ports, addresses and ranges, counted before they are expanded."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skewmon.config.address import Listen, parse_listen
from skewmon.config.limits import MAX_NODES
from skewmon.config.targets import Target, expand, parse_target


@pytest.mark.parametrize(
    ("expression", "targets"),
    [
        ("n1", ["n1"]),
        ("etcd[1-3].example.com", ["etcd1.example.com", "etcd2.example.com", "etcd3.example.com"]),
        ("n[001-003]", ["n001", "n002", "n003"]),
        ("n[1,5,7-8]", ["n1", "n5", "n7", "n8"]),
        ("n[1-9/4]", ["n1", "n5", "n9"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("n[1-5]!n[2-4]", ["n1", "n5"]),
        ("n1,n[1-3]!n3", ["n1", "n2"]),
        ("n[1-5]&n[4-9]", ["n4", "n5"]),
        ("n[1-2]^n[2-3]", ["n1", "n3"]),
        ("10.0.0.[1-2]", ["10.0.0.1", "10.0.0.2"]),
        ("root@n[1-2]:2222", ["root@n1:2222", "root@n2:2222"]),
        ("root@n[1-2]:2222,n7", ["root@n1:2222", "root@n2:2222", "n7"]),
        ("DOMAIN@user@n1", ["DOMAIN@user@n1"]),
        ("2001:db8::1", ["2001:db8::1"]),
        ("[2001:db8::1]", ["2001:db8::1"]),
        ("[2001:db8::1]:22", ["[2001:db8::1]:22"]),
        ("root@[2001:db8::1]:22,n[1-2]", ["root@[2001:db8::1]:22", "n1", "n2"]),
        ("fe80::1%eth0", ["fe80::1%eth0"]),
        ("n1,n1", ["n1"]),
        (" n1 ", ["n1"]),
        ("under_score", ["under_score"]),
    ],
)
def test_an_expression_means_these_targets(expression: str, targets: list[str]) -> None:
    """Users and ports belong to their term, operators work from left to right."""
    assert [str(target) for target in expand(expression)] == targets


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "found nothing"),
        ("a b", "holds a space"),
        ("@group", "node groups"),
        ("-oProxyCommand=x", "is not a host name or address"),
        ("-x@n1", "is not a user name"),
        ("n1:", "expected a port from 1 to 65535, found ''"),
        ("n1:0", "expected a port"),
        ("n1:65536", "expected a port"),
        ("n1:22:33", "an IPv6 address with a port is written"),
        ("[2001:db8::zz]:22", "expected a port"),
        ("[2001:db8:::1]:22", "is not an IPv6 address"),
        ("n[1-", "is not a node range"),
        ("n1]", "is not a node range"),
        ("n[]", "expected a range such as"),
        ("n[a-b]", "expected a range such as"),
        ("n[3-1]", "runs backwards"),
        ("n[1-3/0]", "runs backwards"),
        ("n[01-3]", "is not a node range"),
        ("n[1-2]!n[1-2]", "leaves no node"),
        ("n1,,n2", "found nothing|is not a node range"),
        ("n[1-99999999]", "has 99999999 nodes"),
        ("n[1-101]r[1-101]", "has 10201 nodes"),
        ("n[1-9000],m[1-9000]", "has 18000 nodes"),
        ("u@n[1-9000],m[1-9000]", "has 18000 nodes"),
        ("a/b", "is not a host name or address"),
        ("n*", "is not a host name or address"),
        ("n.", None),
    ],
)
def test_a_bad_expression_is_refused(expression: str, words: str | None) -> None:
    """The message quotes the text and has the expectation."""
    if words is None:
        assert [target.host for target in expand(expression)] == [expression]  # a name may be fully qualified
        return
    with pytest.raises(ValueError, match=words):
        expand(expression)


def test_a_huge_range_costs_nothing() -> None:
    """It is counted, not expanded."""
    before = time.process_time()
    with pytest.raises(ValueError, match="at most"):
        expand("n[1-999999999999999999]")
    with pytest.raises(ValueError):
        expand("," * 100_000 + "n[1")
    assert time.process_time() - before < 2.0


def test_the_largest_range_that_is_allowed_expands() -> None:
    """The cap is the promise, too."""
    assert len(expand(f"n[1-{MAX_NODES}]")) == MAX_NODES


@settings(deadline=None)
@given(st.text(alphabet="an1[]-,:@!&^/.%\\ é\0", max_size=30))
def test_any_text_expands_or_is_told(text: str) -> None:
    """Nothing but ValueError comes out, and every host could be handed to a resolver."""
    with contextlib.suppress(ValueError):
        targets = expand(text)
        assert targets
        assert all(target.host and not target.host.startswith("-") for target in targets)


@settings(deadline=None)
@given(
    st.sampled_from(["n1", "n1.example.com", "10.0.0.1", "2001:db8::1"]),
    st.none() | st.sampled_from(["root", "a.b", "x@y"]),
    st.none() | st.integers(1, 65535),
)
def test_a_target_reads_back_as_it_was_written(host: str, user: str | None, port: int | None) -> None:
    """Text and value are the same thing."""
    target = Target(host, user, port)
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("127.0.0.1:10061", Listen("127.0.0.1", 10061)),
        (":10061", Listen("", 10061)),
        ("[::1]:0", Listen("::1", 0)),
        ("localhost:80", Listen("localhost", 80)),
    ],
)
def test_an_address_to_listen_at_reads_back(text: str, listen: Listen) -> None:
    """Brackets come and go with IPv6."""
    assert parse_listen(text) == listen
    assert str(listen) == text


@pytest.mark.parametrize("text", ["", "localhost", ":", ":70000", "::1:80", "[x]:80", "a b:80", ":８０"])
def test_a_bad_address_to_listen_at_is_told(text: str) -> None:
    """Nothing but ValueError comes out."""
    with pytest.raises(ValueError):
        parse_listen(text)

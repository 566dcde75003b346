"""The installed relay: it connects to the places in its list, and to nothing else."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from skewmon.cli.keys import command
from skewmon.errors import ConfigError, ProbeError, Reason
from skewmon.probe.relay_wire import Kind
from tests.probe.relay_program import PATIENCE_S, WITHOUT, RelayProgram, listening, running_relay, target_of

#: The relay takes a list from root alone.
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a list that belongs to root")


def installed(directory: Path) -> Path:
    """Install the program as an administrator would: from the command's output, mode 0755."""
    place = directory / "relay"
    place.write_text(
        CliRunner().invoke(command, ["authorize", "--relay", "--program", "--path", str(place)]).output
    )
    place.chmod(0o755)
    return place


def listed(place: Path, *nodes: str) -> None:
    """Write the list of targets as an administrator would."""
    printed = CliRunner().invoke(command, ["authorize", "--relay", "--targets", *nodes]).stdout
    place.with_name("relay.targets").write_text(printed)


@contextmanager
def restricted(directory: Path, rung: str, server: socket.socket) -> Iterator[RelayProgram]:
    """Run an installed relay whose only target is a listening socket."""
    place = installed(directory)
    address, port = server.getsockname()[:2]
    listed(place, f"[{address}]:{port}" if ":" in address else f"{address}:{port}")
    with running_relay(rung, ["/bin/sh", str(place)]) as relay:
        assert relay.hello.is_listed
        assert relay.hello.program.probe == rung
        relay.start()
        yield relay


@pytest.mark.parametrize("rung", WITHOUT)
def test_every_place_that_is_not_listed_is_refused(rung: str, tmp_path: Path) -> None:
    """Other ports and addresses, names, other spellings of the same place, and text that is no place."""
    with listening() as server, listening() as other, restricted(tmp_path, rung, server) as relay:
        port = server.getsockname()[1]
        tries = [
            target_of(other),
            b"127.0.0.2 %d" % port,
            b"localhost %d" % port,
            b"::1 %d" % port,
            b"0:0:0:0:0:0:0:1 %d" % port,
            b"::ffff:127.0.0.1 %d" % port,
            b"127.1 %d" % port,
            b"0x7f000001 %d" % port,
            b"2130706433 %d" % port,
            b"127.0.0.1 0%d" % port,
            b"127.0.0.1  %d" % port,
            b" 127.0.0.1 %d" % port,
            b"127.0.0.1 %d " % port,
            b"127.0.0.1 %d\n" % port,
            b"127.0.0.1\n%d" % port,
            b"127.0.0.1 %d\n127.0.0.1 22" % port,
            b"127.0.0.1 %d\0" % port,
            b"",
            b"\n",
            b"..",
            b"../../etc/passwd",
            b"#",
            b"a" * 10_000,
            b"127.0.0.1 %d" % port + b" " * 10_000,
            b"\xff\xfe",
        ]
        for stream, target in enumerate(tries, 1):
            answer = relay.ask(target, stream)
            assert answer.kind is Kind.CLOSE, target
            assert answer.payload == f"not a target in {tmp_path}/relay.targets".encode(), target
        for one in (server, other):
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.accept()
        assert relay.ask(target_of(server), 100).kind is Kind.OPEN


def test_datagrams_go_to_the_same_places_alone(tmp_path: Path) -> None:
    """Those of the list; names and other text are no place, and end nothing."""
    with listening() as server, restricted(tmp_path, "python3", server) as relay:
        port = server.getsockname()[1]
        with (
            socket.socket(type=socket.SOCK_DGRAM) as listed_one,
            socket.socket(type=socket.SOCK_DGRAM) as other,
        ):
            listed_one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", 0))
            tries = [
                target_of(other),
                b"localhost %d" % port,
                b"127.0.0.1  %d" % port,
                b"127.1 %d" % port,
                b"127.0.0.1\0 %d" % port,
                b"",
            ]
            for number, target in enumerate(tries, 1):
                relay.put(Kind.NTP, 0, number, target + b"\nquestion")
            relay.ping(1)
            for one in (listed_one, other):
                one.setblocking(False)
                with pytest.raises(BlockingIOError):
                    one.recv(100)
            listed_one.settimeout(PATIENCE_S)
            relay.put(Kind.NTP, 0, 9, b"127.0.0.1 %d\nquestion" % port)
            assert listed_one.recv(100) == b"question"


@pytest.mark.parametrize("rung", WITHOUT)
def test_an_ipv6_place_is_listed_in_one_spelling(rung: str, tmp_path: Path) -> None:
    """The one that the list has."""
    with listening("::1") as server, restricted(tmp_path, rung, server) as relay:
        port = server.getsockname()[1]
        spellings = (b"0:0:0:0:0:0:0:1", b"::0:1", b"[::1]", b"::1%lo", b"0::1", b"::1%%1")
        for stream, spelling in enumerate(spellings, 1):
            assert relay.ask(b"%s %d" % (spelling, port), stream).kind is Kind.CLOSE
        assert relay.ask(b"::1 %d" % port, 100).kind is Kind.OPEN


@pytest.mark.parametrize("rung", WITHOUT)
def test_a_list_that_others_may_write_is_not_used(rung: str, tmp_path: Path) -> None:
    """Nor one of another owner, nor none: the relay refuses to serve and says why."""
    place = installed(tmp_path)
    list_of = place.with_name("relay.targets")
    with pytest.raises(ProbeError, match="No such file"), running_relay(rung, ["sh", str(place)]):
        pass
    list_of.write_text("127.0.0.1 22\n")
    for mode, owner in ((0o666, 0), (0o664, 0), (0o644, 65534)):
        list_of.chmod(mode)
        os.chown(list_of, owner, 0)
        with (
            pytest.raises(ProbeError, match="others may write") as refused,
            running_relay(rung, ["sh", str(place)]),
        ):
            pass
        assert refused.value.reason is Reason.SESSION_REFUSED


@pytest.mark.parametrize("rung", WITHOUT)
def test_a_name_is_no_target_even_if_it_is_listed(rung: str, tmp_path: Path) -> None:
    """Whoever answers for names would choose the place."""
    with listening() as server, restricted(tmp_path, rung, server):
        port = server.getsockname()[1]
        (tmp_path / "relay.targets").write_text(f"localhost {port}\n")
        with running_relay(rung, ["/bin/sh", str(tmp_path / "relay")]) as relay:
            relay.start()
            assert relay.ask(b"localhost %d" % port, 1).payload == b"not a numeric address"


def test_the_list_has_numeric_places_once_and_names_what_is_missing() -> None:
    """Names are looked up when the list is made."""
    arguments = ["authorize", "--relay", "--targets", "localhost:2222", "127.0.0.1:2222", "absent.invalid"]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    lines = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    assert "127.0.0.1 2222" in lines
    assert len(lines) == len({*lines})
    assert "absent.invalid" in result.stderr
    assert result.return_value == 3


def test_the_line_for_a_vantage_names_the_relay(tmp_path: Path) -> None:
    """With the steps to install it; options that belong together are refused alone."""
    (tmp_path / "id.pub").write_text("ssh-ed25519 AAAA skewmon\n")
    printed = CliRunner().invoke(command, ["authorize", "--relay", "-i", str(tmp_path / "id")]).output
    assert (
        printed.splitlines()[-1] == 'restrict,command="/usr/local/lib/skewmon/relay" ssh-ed25519 AAAA skewmon'
    )
    assert "skewmon/relay.targets" in printed
    for alone in (["--targets", "n1"], ["n1"], ["--relay", "n1"]):
        result = CliRunner().invoke(command, ["authorize", "-i", str(tmp_path / "id"), *alone])
        assert isinstance(result.exception, ConfigError), alone

"""The protocol: a line is understood, is noise, or is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skewmon.errors import ProbeError, Reason
from skewmon.model import NS_PER_S, Program, Quantum
from skewmon.probe import wire

NONCE = "0123456789abcdef"
FULL = Program("python3", raw=Quantum(), mono=Quantum(), boot=Quantum())
PLAIN = Program("bash", real=Quantum(0, 1_000))
HELLO = f"SKEWMON1 {NONCE} hello probe=python3 real=0,1 raw=0,2 mono=0,3 boot=0,4 boot_id=1-a clocksource=tsc"

texts = st.text(st.characters(max_codepoint=0x7F), max_size=300)
readings = st.integers(-(10**19), 10**19)


def test_a_hello_says_everything_about_the_program() -> None:
    """Rung, quanta, boot and clock source."""
    assert wire.parse_hello(NONCE, HELLO) == Program(
        "python3", "1-a", "tsc", Quantum(0, 1), Quantum(0, 2), Quantum(0, 3), Quantum(0, 4)
    )


def test_a_missing_fact_is_empty() -> None:
    """A dash stands for nothing."""
    found = wire.parse_hello(NONCE, f"SKEWMON1 {NONCE} hello probe=date real=0,1 boot_id=- clocksource=-")
    assert found == Program("date", real=Quantum(0, 1))


@pytest.mark.parametrize("line", ["", "hello", "SKEWMON1 ffffffffffffffff hello probe=bash real=0,1", "\0"])
def test_a_line_without_the_nonce_is_noise(line: str) -> None:
    """Banners may have any text, even an old hello."""
    assert wire.parse_hello(NONCE, line) is None
    assert wire.parse_reply(NONCE, FULL, line) is None


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "hello",
        "goodbye probe=bash real=0,1",
        "hello probe=cobol real=0,1",
        "hello probe=bash",
        "hello probe=bash real=1",
        "hello probe=bash real=0,1,2",
        "hello probe=bash real=-1,1",
        "hello probe=bash real=0,1e9",
        "hello probe=bash real=0,1_000",
        f"hello probe=bash real=0,{'9' * 400}",
        "hello probe=bash real=0,9999999999",
        "hello probe=bash real=0,1 raw=nan",
        "hello probe=bash real=0,1 boot_id=\x1b[31m",
        f"hello probe=bash real=0,1 clocksource={'x' * 65}",
    ],
)
def test_a_hello_that_makes_no_sense_is_refused(rest: str) -> None:
    """No number without a limit and no word that a terminal would obey gets in."""
    with pytest.raises(ProbeError) as caught:
        wire.parse_hello(NONCE, f"SKEWMON1 {NONCE} {rest}")
    assert caught.value.reason is Reason.GARBLED_REPLY
    assert caught.value.detail.isprintable()


def test_the_coarsest_rung_is_understood() -> None:
    """Date +%s of a clock that may itself be late."""
    found = wire.parse_hello(NONCE, f"SKEWMON1 {NONCE} hello probe=date-s real=0,1020000000")
    assert found is not None
    assert found.real.late_ns > NS_PER_S


def test_a_node_without_any_rung_says_so() -> None:
    """The ladder's last word."""
    with pytest.raises(ProbeError) as caught:
        wire.parse_hello(NONCE, f"SKEWMON1 {NONCE} none")
    assert caught.value.reason is Reason.NO_PROGRAM


@given(st.integers(0, 10**12), st.lists(readings, min_size=6, max_size=6))
def test_a_reply_is_read_to_the_nanosecond(ident: int, clocks: list[int]) -> None:
    """Any clock, negative ones too, in the order in which it was read."""
    clocks[1], clocks[4] = sorted((clocks[1], clocks[4]))  # RAW alone never runs backwards
    found = wire.parse_reply(NONCE, FULL, f"{NONCE} {ident} {' '.join(map(str, clocks))}")
    assert found == wire.Reading(ident, *clocks)


def test_a_program_with_one_clock_leaves_out_the_others() -> None:
    """Dashes for clocks that its hello did not announce."""
    found = wire.parse_reply(NONCE, PLAIN, f"{NONCE} 7 5 - - - - 5")
    assert found == wire.Reading(7, 5, None, None, None, None, 5)


@pytest.mark.parametrize(
    ("program", "rest"),
    [
        (FULL, ""),
        (FULL, "1"),
        (FULL, "1 2 3 4 5 6"),
        (FULL, "1 2 3 4 5 6 7 8"),
        (FULL, "x 2 3 4 5 6 7"),
        (FULL, "-1 2 3 4 5 6 7"),
        (FULL, "1 2.0 3 4 5 6 7"),
        (FULL, "1 2e3 3 4 5 6 7"),
        (FULL, f"1 {'9' * 21} 3 4 5 6 7"),
        (FULL, "1 0x2 3 4 5 6 7"),
        (FULL, "1 2\x00 3 4 5 6 7"),
        (FULL, "1 - 3 4 5 6 7"),
        (FULL, "1 2 - 4 5 6 7"),
        (FULL, "1 2 3 - 5 6 7"),
        (FULL, "1 2 3 4 - 6 7"),
        (FULL, "1 2 - - - - 7"),
        (FULL, "1 2 30 4 5 6 7"),
        (PLAIN, "1 2 3 4 5 6 7"),
        (PLAIN, "1 2 - - - - -"),
    ],
)
def test_a_reply_other_than_announced_is_refused(program: Program, rest: str) -> None:
    """Truncated, padded, overlong or of other clocks than the hello's: nothing is guessed."""
    with pytest.raises(ProbeError) as caught:
        wire.parse_reply(NONCE, program, f"{NONCE} {rest}")
    assert caught.value.reason is Reason.GARBLED_REPLY
    assert caught.value.advice


@given(texts, st.sampled_from([FULL, PLAIN]), st.booleans())
def test_no_line_raises_anything_else(text: str, program: Program, greeted: bool) -> None:
    """For any output of a node, with or without the nonce in front."""
    with suppress(ProbeError):
        wire.parse_hello(NONCE, f"SKEWMON1 {NONCE} {text}" if greeted else text)
    with suppress(ProbeError):
        wire.parse_reply(NONCE, program, f"{NONCE} {text}" if greeted else text)


def test_a_request_is_a_line_of_nonce_and_number() -> None:
    """Short enough for one packet."""
    assert wire.request(NONCE, 7) == f"{NONCE} 7\n".encode()
    assert wire.greeting(NONCE, "clock") == f": SKEWMON1 {NONCE} clock\n"


def test_no_two_nonces_are_alike() -> None:
    """Sixteen hexadecimal digits that no banner can know."""
    assert len({wire.new_nonce() for _ in range(100)}) == 100

"""The node-side programs on every interpreter of this machine: same protocol, same clocks."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from skewmon.probe import programs, wire
from tests.fleet.clocks import base_ns

NONCE = "00112233445566ff"

#: Every Python from 3.3 on is promised; those that are installed here are tried.
PYTHONS = sorted(
    str(path)
    for place, pattern in ((Path("/usr/bin"), "python3.*"), (Path.home(), ".pyenv/versions/*/bin/python?.*"))
    for path in place.glob(pattern)
    if path.name.removeprefix("python").replace(".", "").isdigit()
)


def converse(command: list[str], source: str, requests: bytes) -> list[str]:
    """Run a program and return the lines that it answers."""
    done = subprocess.run(
        [*command, source, *(["bash"] if "bash" in command[0] else []), NONCE],
        input=requests,
        capture_output=True,
        timeout=20,
        check=False,
    )
    return done.stdout.decode().splitlines()


def source_of(name: str) -> str:
    return programs._source(name)


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: Path(path).name)
def test_every_python_answers_with_its_clocks(python: str) -> None:
    """Hello first, then one reply a request with readings in the order of their taking."""
    name = "python2.py" if Path(python).name.startswith("python2") else "python3.py"
    before = base_ns()
    lines = converse([python, "-c"], source_of(name), wire.request(NONCE, 1))
    after = base_ns()
    program = wire.parse_hello(NONCE, lines[1])
    assert program is not None
    reading = wire.parse_reply(NONCE, program, lines[2])
    assert reading is not None
    assert reading.ident == 1
    assert reading.raw_in_ns is not None
    assert reading.raw_out_ns is not None
    assert program.raw is not None
    assert before <= reading.raw_in_ns + program.raw.late_ns
    assert reading.raw_in_ns <= reading.raw_out_ns <= after + program.raw.early_ns
    assert reading.real_in_ns <= reading.real_out_ns


@pytest.mark.parametrize(
    ("command", "name"), [(["perl", "-e"], "perl.pl"), (["bash", "-c"], "bash.sh")], ids=["perl", "bash"]
)
def test_perl_and_bash_answer_with_their_clocks(command: list[str], name: str) -> None:
    """The same words from other languages."""
    lines = converse(command, source_of(name), wire.request(NONCE, 1) + wire.request(NONCE, 2))
    program = wire.parse_hello(NONCE, lines[1])
    assert program is not None
    found = [wire.parse_reply(NONCE, program, line) for line in lines[2:]]
    assert [one.ident for one in found if one] == [1, 2]


@pytest.mark.parametrize(
    ("command", "name"),
    [(["python3", "-c"], "python3.py"), (["perl", "-e"], "perl.pl"), (["bash", "-c"], "bash.sh")],
    ids=["python3", "perl", "bash"],
)
def test_nothing_but_a_request_is_answered(command: list[str], name: str) -> None:
    """Not other nonces, nor commands, nor garbage; the program ends with its input."""
    noise = b"rm -rf /\n$(reboot)\n`id`\nffff 1\n%s x\n%s 1 2\n\xff\xfe\x00\n" % ((NONCE.encode(),) * 2)
    lines = converse(command, source_of(name), noise + wire.request(NONCE, 3))
    answers = [line for line in lines[2:] if line]
    assert len(answers) == 1
    assert answers[0].startswith(f"{NONCE} 3 ")


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_the_ladder_runs_in_every_posix_shell(shell: str) -> None:
    """The whole script, as it is sent."""
    path = shutil.which(shell)
    assert path, f"install {shell}"
    command = [path, "sh"] if shell == "busybox" else [path]
    script = programs.clock_script(NONCE).encode()
    done = subprocess.run(command, input=script, capture_output=True, timeout=20, check=False)
    assert any(wire.parse_hello(NONCE, line) for line in done.stdout.decode().splitlines())


#: Shells that may run the last rung.
SHELLS = (["dash"], ["busybox", "sh"], ["bash", "--posix"])

#: The length of a line without an end.
ENDLESS_BYTES = 2 * 1024 * 1024


def _resident_bytes(process: subprocess.Popen[bytes]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) * 1024


def _started(command: list[str], **environment: str) -> subprocess.Popen[bytes]:
    """Start a program and return it once it has answered one request."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(wire.request(NONCE, 1))
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(3)]
    assert lines[2].startswith(f"{NONCE} 1 ".encode()), lines
    return process


@pytest.mark.parametrize(
    "command",
    [
        ["python3", "-ISuc", source_of("python3.py")],
        ["perl", "-e", source_of("perl.pl")],
        ["bash", "--norc", "-c", source_of("bash.sh"), "bash"],
    ],
    ids=["python3", "perl", "bash"],
)
def test_a_line_without_an_end_takes_no_memory(command: list[str]) -> None:
    """As the owner of a stolen key might send; a request in a line of its own is answered afterwards."""
    with _started([*command, NONCE], PATH=os.environ["PATH"]) as process:
        assert process.stdin
        assert process.stdout
        before = _resident_bytes(process)
        process.stdin.write(b"a" * ENDLESS_BYTES)
        process.stdin.flush()
        grown = _resident_bytes(process) - before  # all but the pipe's 64 KiB has been read
        process.stdin.write(b"\n" + wire.request(NONCE, 2))
        process.stdin.close()
        assert process.stdout.readline().startswith(f"{NONCE} 2 ".encode())
        assert process.wait(20) == 0
    assert grown < ENDLESS_BYTES / 2


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_the_last_rung_has_a_limit_of_memory(shell: list[str], tmp_path: Path) -> None:
    """The read of sh takes lines of any length."""
    for tool in ("date", "cat"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is not installed"))
    path = shutil.which(shell[0])
    assert path, f"install {shell[0]}"
    ladder = programs.ladder() + f"skewmon_ladder {NONCE}"
    with _started([path, *shell[1:], "-c", ladder], PATH=str(tmp_path)) as process:
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.kill()
    assert re.search(r"Max address space\s+16777216\s+16777216\s", limits), limits


def test_no_program_contains_the_end_of_its_quotes() -> None:
    """Each is handed over in single quotes."""
    for name in programs.RUNGS.values():
        assert "'" not in source_of(name)
    assert "@" not in programs.ladder().replace("$@", "").replace("@texts", "").replace("@clocks", "")

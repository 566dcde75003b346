"""Every login shell runs the ladder, with any output of its rc files."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from skewmon.model import NS_PER_S
from skewmon.monitor.check import opened
from skewmon.probe.sweep import Sweeper
from tests.fleet.sshd import Fleet, Login
from tests.integration.measuring import assert_inside, in_order, measured, measured_once, nodes_of

#: Ten kilobytes that a talkative administrator prints at every login.
CHATTER = "".join(
    f"echo 'line {number}: welcome to this machine, have a nice day'\n" for number in range(200)
)

#: Each shell and the files it reads for a command given by sshd.
SHELLS = {
    "bash": (".bashrc",),
    "dash": (".profile",),
    "zsh": (".zshenv",),
    "fish": (".config/fish/config.fish",),
    "tcsh": (".tcshrc",),
    "csh": (".cshrc",),
    "ash": (".profile",),
}


def login(shell: str, directory: Path) -> Login:
    """Return a login by this shell with its rc files in the way."""
    path = shutil.which("busybox" if shell == "ash" else shell)
    assert path, f"install {shell}"
    if shell == "ash":  # busybox is the shell whose name it is called by
        (directory / "ash").symlink_to(path)
        path = str(directory / "ash")
    return Login(shell=path, rc_files=dict.fromkeys(SHELLS[shell], CHATTER))


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Start a node for each shell."""
    names, directory = list(SHELLS), tmp_path_factory.mktemp("shells")
    logins = {f"n{number}": login(name, directory) for number, name in enumerate(names, 1)}
    with Fleet(len(names), logins=logins, offsets_ns=[7 * NS_PER_S]) as fleet:
        yield fleet


async def test_every_login_shell_works_behind_ten_kilobytes_of_chatter(shells: Fleet) -> None:
    """bash, dash, zsh, fish, tcsh, csh and busybox's ash."""
    sweep = await measured_once(nodes_of(shells))
    for node, outcome in zip(shells.nodes, sweep.outcomes.values(), strict=True):
        assert_inside(node, outcome)


@pytest.mark.parametrize(
    "rc_text",
    [
        "TMOUT=1\nreadonly TMOUT\nexport TMOUT\n",
        "export PS1='$(date) > '\nset -o vi\n",
        "echo out; echo err >&2; printf 'no newline at the end'",
        "export BASH_ENV=/nonexistent ENV=/nonexistent PYTHONSTARTUP=/nonexistent PERL5OPT=-w\n",
        "export LC_ALL=de_DE.UTF-8 LANG=de_DE.UTF-8 LC_NUMERIC=de_DE.UTF-8 TZ=America/St_Johns\n",
        "printf '\\000\\377\\033[2J'\n",
        "alias date='echo no' python3='echo no' perl='echo no'\n",
    ],
    ids=[
        "TMOUT readonly",
        "prompt",
        "stderr and half a line",
        "startup files",
        "locale",
        "binary",
        "aliases",
    ],
)
@pytest.mark.parametrize("rest", [(), ("python", "perl")], ids=["python3", "bash"])
async def test_nodes_are_measured_despite_their_rc_files(rc_text: str, rest: tuple[str, ...]) -> None:
    """Hardening, locales, prompts and garbage, on the best rung and on the shell's own."""
    node = Login(shell=shutil.which("bash"), rc_files={".bashrc": rc_text}, without=rest)
    with Fleet(1, login=node, offsets_ns=[-NS_PER_S]) as fleet:
        outcome = in_order(await measured_once(nodes_of(fleet)))[0]
        assert measured(outcome).burst.program.probe == ("bash" if rest else "python3")
        assert_inside(fleet["n1"], outcome)


@pytest.mark.parametrize("variable", ["TMOUT", "BASH_ENV", "PYTHONPATH", "PERL5LIB"])
async def test_nodes_are_measured_despite_variables_set_by_sshd(variable: str) -> None:
    """SetEnv of the server arrives before any shell."""
    node = Login(environment={variable: "1"})
    with Fleet(1, login=node) as fleet:
        assert_inside(fleet["n1"], in_order(await measured_once(nodes_of(fleet)))[0])


@pytest.mark.parametrize("rest", [("python", "perl"), ("python", "perl", "bash")], ids=["bash", "date"])
async def test_an_idle_program_outlives_tmout(rest: tuple[str, ...]) -> None:
    """TMOUT is the default time limit of bash's read; a kept session idles for longer."""
    node = Login(shell=shutil.which("bash"), environment={"TMOUT": "1"}, without=rest)
    with Fleet(1, login=node) as fleet:
        async with opened(nodes_of(fleet), 20) as links:
            assert_inside(fleet["n1"], in_order(await Sweeper().sweep(links, 2))[0])
            await asyncio.sleep(1.6)  # longer than TMOUT, which must not end the session
            assert_inside(fleet["n1"], in_order(await Sweeper().sweep(links, 2))[0])

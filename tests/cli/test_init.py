"""``skewmon init`` and the account script: from nothing to a node that answers the restricted key."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from skewmon.cli.main import run
from skewmon.config.loader import load
from tests.fleet.sshd import Fleet, Login

BULLSEYE = Path(__file__).parents[2] / ".cache/bullseye"


def test_it_makes_a_key_and_a_valid_configuration_and_prints_the_steps(tmp_path, capsys):
    """The key is the owner's alone, and every step names the files that were made."""
    path = tmp_path / "skewmon.yml"
    assert run(["init", "--config.file", str(path), "--cluster", "etcd", "ops@n[1-2]", "n3:2222"]) == 0
    key = tmp_path / "ssh/id_ed25519"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [len(cluster.nodes) for cluster in load(str(path)).clusters.values()] == [2]
    printed = capsys.readouterr().out
    assert "for node in n1 n2 n3:2222; do" in printed
    assert 'ssh "ssh://root@$node" sh' in printed
    assert f"skewmon doctor --config.file {path}" in printed
    assert subprocess.run(["ssh-keygen", "-yf", str(key)], check=True, capture_output=True).stdout


def test_the_service_can_read_what_a_strict_mask_made(tmp_path):
    """Root's shell may have a mask of 077; the service has a user of its own."""
    before = os.umask(0o077)
    try:
        assert run(["init", "--config.file", str(tmp_path / "etc/skewmon.yml"), "n1", "::1"]) == 0
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "etc").rglob("*")}
    assert (modes["ssh"], modes["known_hosts"], modes["skewmon.yml"]) == (0o755, 0o644, 0o644)
    assert stat.S_IMODE((tmp_path / "etc").stat().st_mode) == 0o755
    assert (modes["id_ed25519"], modes["id_ed25519.pub"]) == (0o600, 0o644)


def test_a_second_run_changes_nothing(tmp_path, capsys):
    """Neither a key nor a configuration that a person edited is lost."""
    path = tmp_path / "skewmon.yml"
    run(["init", "--config.file", str(path), "n1"])
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert run(["init", "--config.file", str(path), "n2"]) == 0
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    assert capsys.readouterr().out.count("exists and is left as it is") == 2


def test_with_an_existing_configuration_the_steps_are_for_its_nodes(tmp_path, capsys):
    """Not for those on the command line; one that is not in the file is named."""
    path = tmp_path / "skewmon.yml"
    path.write_text(
        "ssh: {port: 2222}\n"
        "clusters:\n"
        "  a:\n    ssh: {port: 22}\n"
        "    nodes: [b1, {name: b2, address: 10.0.0.2}, {name: t, transport: ntp}, b1]\n"
        "  b:\n    nodes: ['c[1-2]:22', {name: d, address: '::1', port: 2022}]\n"
    )
    assert run(["init", "--config.file", str(path), "b[1-2]", "n[1-2]"]) == 0
    printed = capsys.readouterr().out
    assert f"It does not list n[1-2]; add that below nodes: in {path}." in printed
    assert "for node in b1 10.0.0.2 c1 c2 '[::1]:2022'; do" in printed
    assert 'ssh "ssh://root@$node" sh' in printed


def test_the_nodes_of_an_inventory_are_left_to_the_reader(tmp_path, capsys):
    """They are not known before the inventory is read."""
    path = tmp_path / "skewmon.yml"
    path.write_text("clusters: {a: {inventory: [{file_sd: '*.json'}]}}\n")
    assert run(["init", "--config.file", str(path), "n1"]) == 0
    assert "for node in NODE; do" in capsys.readouterr().out


def test_a_directory_of_root_is_refused_with_the_cure(tmp_path, capsys):
    """As ``skewmon init`` without sudo."""
    place = tmp_path / "etc"
    place.mkdir()
    place.chmod(0o500)
    tmp_path.chmod(0o755)
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        assert run(["init", "--config.file", str(place / "skewmon.yml"), "n1"]) == 3
    finally:
        os.seteuid(user)
    assert "permission denied (run this as root, or name a file of your own" in capsys.readouterr().err
    assert not list(place.iterdir())


@pytest.mark.parametrize("node", ["n[1-", "a b", "n1:0"])
def test_a_bad_node_makes_no_file(node, tmp_path, capsys):
    """The fault is reported before anything is written."""
    assert run(["init", "--config.file", str(tmp_path / "skewmon.yml"), node]) == 3
    assert "skewmon: " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# --- the account script ---


@pytest.fixture
def script(tmp_path, capsys):
    """Return the script that sets up a node for a new key."""
    run(["init", "--config.file", str(tmp_path / "skewmon.yml"), "n1"])
    capsys.readouterr()
    assert run(["keys", "authorize", "--script", "-i", str(tmp_path / "ssh/id_ed25519")]) == 0
    return capsys.readouterr().out


def on_a_fresh_debian(commands: str, script: str, tmp_path: Path) -> str:
    """Run shell commands, with the script as /script, in a copy-on-write Debian 11; return the output."""
    for name in ("upper", "work", "root"):
        (tmp_path / name).mkdir(exist_ok=True)
    (tmp_path / "upper/script").write_text(script)
    mounted = f"upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    mount = f"mount -t overlay overlay -o lowerdir={BULLSEYE},{mounted} {tmp_path}/root"
    inside = f"{mount} && exec chroot {tmp_path}/root"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{inside} sh -ec "$0"', commands],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_script_sets_up_the_account_once(script, tmp_path):
    """The second run says that nothing changed; owners, modes and the line are those of the guide."""
    out = on_a_fresh_debian(
        "sh /script; sh /script; getent passwd skewmon; getent shadow skewmon | cut -d: -f2;"
        "stat -c '%U %a %n' /usr/local/lib/skewmon/node ~skewmon/.ssh ~skewmon/.ssh/authorized_keys;"
        "cat ~skewmon/.ssh/authorized_keys",
        script,
        tmp_path,
    ).splitlines()
    assert out[0].startswith("changed: ")
    assert out[1].startswith("unchanged: ")
    assert out[2].endswith(":/bin/sh")
    assert out[3] == "*"
    home = out[2].split(":")[5]
    assert out[4:7] == [
        "root 755 /usr/local/lib/skewmon/node",
        f"skewmon 700 {home}/.ssh",
        f"skewmon 600 {home}/.ssh/authorized_keys",
    ]
    assert len(out) == 8
    assert out[7].startswith('restrict,command="/usr/local/lib/skewmon/node" ssh-ed25519 ')


def test_the_script_replaces_its_own_line_and_keeps_others(script, tmp_path):
    """A changed option is taken over; the keys of others stay."""
    changed = script.replace("line='restrict", 'line=\'from="10.0.0.5",restrict')
    assert changed != script
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/changed").write_text(changed)
    out = on_a_fresh_debian(
        "sh /script >/dev/null; echo 'ssh-ed25519 AAAAother ops' >>~skewmon/.ssh/authorized_keys;"
        "sh /changed; cat ~skewmon/.ssh/authorized_keys",
        script,
        tmp_path,
    ).splitlines()
    assert out[0].startswith("changed: ")
    assert out[1] == "ssh-ed25519 AAAAother ops"
    assert out[2].startswith('from="10.0.0.5",restrict,command=')
    assert len(out) == 3


def test_the_script_mends_owners_and_modes_and_keeps_every_key(script, tmp_path):
    """Under a strict mask, after steps by hand, and with a comment that is not valid text in the locale."""
    out = on_a_fresh_debian(
        "umask 077; sh /script >/dev/null; cd ~skewmon/.ssh; chown root . authorized_keys;"
        "chmod 600 /usr/local/lib/skewmon/node;"
        "printf 'ssh-ed25519 AAAAother J\\374rgen' >>authorized_keys; LC_ALL=C.UTF-8 sh /script;"
        "stat -c '%U %a' . authorized_keys /usr/local/lib/skewmon/node /usr/local/lib/skewmon;"
        "grep -ac . authorized_keys; grep -ac AAAAother authorized_keys",
        script,
        tmp_path,
    ).splitlines()
    assert out[1:] == ["skewmon 700", "skewmon 600", "root 755", "root 755", "2", "1"]


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("useradd --shell /usr/sbin/nologin skewmon", "The shell of skewmon starts nothing. Run: usermod "),
        ("useradd -m skewmon -s /bin/sh; ln -s /etc ~skewmon/.ssh", "/.ssh is a link"),
        ("rm /usr/sbin/useradd", "useradd is missing"),
    ],
)
def test_the_script_refuses_an_account_that_cannot_answer(before, message, script, tmp_path):
    """One line says what to do; nothing that a link names is touched."""
    out = on_a_fresh_debian(
        f"{before}; stat -c '%U %a' /etc; sh /script 2>&1 && exit 1; stat -c '%U %a' /etc", script, tmp_path
    ).splitlines()
    assert message in out[1]
    assert out[0] == out[2] == "root 755"
    assert len(out) == 3


def test_a_part_of_the_script_does_nothing(script, tmp_path):
    """As after a connection that was lost while the node read it."""
    (tmp_path / "upper").mkdir()
    (tmp_path / "upper/part").write_text(script[: script.index("END-OF-SKEWMON-PROGRAM\n", 2_000) - 500])
    out = on_a_fresh_debian("sh /part 2>/dev/null || :; ls -A /usr/local/lib", script, tmp_path)
    assert "skewmon" not in out


def test_the_installed_program_says_its_version(script, tmp_path, capsys):
    """An older program is measured, and ``doctor`` names the nodes that have it."""
    lines = script.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if "<<'END-OF-SKEWMON-PROGRAM'" in line) + 1
    end = lines.index("END-OF-SKEWMON-PROGRAM\n")
    current, old = tmp_path / "current", tmp_path / "old"
    current.write_text("".join(lines[start:end]))
    old.write_text(current.read_text().replace("SKEWMON-INSTALLED $nonce 0", "SKEWMON-INSTALLED $nonce 00"))
    assert old.read_text() != current.read_text()
    for program in (current, old):
        program.chmod(0o755)
    logins = {
        name: Login(forced_command=str(program), key_options=("restrict",))
        for name, program in (("n1", current), ("n2", old))
    }
    with Fleet(2, logins=logins) as fleet:
        config = fleet.write_config(tmp_path / "fleet.yml", web={"listen": "127.0.0.1:0"})
        assert run(["doctor", "--config.file", str(config)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("warn   cluster fleet, node n2: The installed program is not that of skewmon")
    assert "ok     cluster fleet: 2 nodes of 2 measured." in out

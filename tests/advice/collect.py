"""Collects every command that skewmon advises: in findings, messages, help, shipped files and documents."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import click

from skewmon.cli.main import COMMANDS, skewmon
from skewmon.model import Cluster, Node, SshSettings, SyncStatus, commands
from skewmon.model.commands import Access
from skewmon.timesync.findings import advice
from skewmon.timesync.findings.evidence import NodeEvidence
from skewmon.timesync.findings.facts import BUSYBOX

ROOT = Path(__file__).resolve().parents[2]

#: Programs whose name at the beginning of a line or of a code span makes it a command.
TOOLS = (
    *("ssh", "ssh-keygen", "ssh-keyscan", "systemctl", "journalctl", "timedatectl", "systemd-analyze"),
    *("chronyc", "chronyd", "ntpq", "ntpdate", "ntpstat", "ntpctl", "ntp-ctl", "ntptime", "adjtimex"),
    *("getent", "ip", "nc", "mtr", "curl", "df", "ps", "date", "cat", "uptime", "chmod", "chown", "install"),
    *("useradd", "userdel", "usermod", "rm", "cp", "mv", "tar", "sqlite3", "kill", "sha256sum", "htpasswd"),
    *("apt", "apt-get", "dpkg", "pip", "pipx", "make", "git", "promtool", "amtool", "for"),
    *("ansible-inventory", "ansible-playbook", "docker", "docker-compose", "buildah", "kubectl"),
)

#: These are also words of sentences: in messages they count with an option or an argument that is no word.
IN_MESSAGES = (
    r"ssh(?:-keygen|-keyscan)? -",
    "ssh root@",
    "systemctl [a-z-]+ ",
    "journalctl -",
    "chronyc [a-z-]",
    "chronyd -",
    "getent ",
    "ip -",
    "ip route",
    "nc -",
    "date -u",
    "chmod [0-7]",
    "htpasswd -",
    "pip install",
    "cat /",
    "uptime -",
    "useradd -",
    "ansible-inventory -",
    "timedatectl",
)

#: Modules whose texts are no advice: they parse, imitate or run the tools.
APART = (
    "timesync/parsers/",
    "timesync/script.py",
    "timesync/findings/advice.py",
    "demo/",
    "probe/programs/",
    "model/commands.py",
)

_MESSAGE = re.compile(
    rf"(?<![\w./-])(?:sudo )?(?:skewmon (?:{'|'.join(COMMANDS)})\b|(?:{'|'.join(IN_MESSAGES)})).*?"
    r"(?=$|\n|`|[;,:.)](?: |$|\n)| (?:prints|says|sends|does|lists|writes|is|on|and add|printed|took) )"
)
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```$|((?:^ {4,}\S.*\n(?:[ ]*\n)*)+)", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")

DAEMONS = ("chronyd", "ntpd", "ntpsec", "timesyncd", "openntpd", "ntpd-rs", "unknown")


@cache
def collected() -> dict[str, str]:
    """Return every advised command with the first place that has it."""
    found: dict[str, str] = {}
    for place, command in _all():
        found.setdefault(command.strip(), place)
    return found


def _all() -> Iterator[tuple[str, str]]:
    yield from (("findings", command) for command in of_findings())
    yield from (("model/commands.py", command) for command in of_errors())
    for path in sorted((ROOT / "skewmon").glob("**/*.py")):
        name = str(path.relative_to(ROOT / "skewmon"))
        if not name.startswith(APART):
            yield from ((name, command) for command in of_module(path))
    for name, command in of_help(skewmon, "skewmon"):
        yield f"{name} --help", command
    for path in sorted(
        {
            *ROOT.glob("*.md"),
            *ROOT.glob("docs/*.md"),
            *ROOT.glob("systemd/*.md"),
            *ROOT.glob("config/**/*.md"),
        }
    ):
        if path.name != "CHANGELOG.md":
            yield from ((str(path.relative_to(ROOT)), command) for command in of_document(path))
    for path in sorted(
        {*ROOT.glob("config/**/*.yml"), *ROOT.glob("systemd/*.service"), *ROOT.glob("config/debian/post*")}
    ):
        yield from ((str(path.relative_to(ROOT)), command) for command in of_comments(path))


def of_findings() -> Iterator[str]:
    """Yield every line of the module that makes them, for a node of each time daemon."""
    for daemons in (*((name,) for name in DAEMONS), (BUSYBOX,), ("phc2sys", "ptp4l")):
        daemon = "ntpd" if daemons == (BUSYBOX,) else daemons[0] if daemons[0] in DAEMONS else "unknown"
        status = SyncStatus(daemon, synchronized=True, stratum=2, daemons=daemons)  # type: ignore[arg-type]
        for seen in (status, None):
            node = NodeEvidence("n1", seen, access=Access(Node("n1", "n1", SshSettings(user="skewmon"))))
            for name, function in inspect.getmembers(advice, inspect.isfunction):
                if name.startswith("_"):
                    continue
                if len(inspect.signature(function).parameters) == 1:
                    yield function(node)
                else:
                    yield from (function(node, tool) for tool in (*advice._COMMANDS, "facts"))
    yield advice.ADMIN_OSCILLATOR


def of_errors() -> Iterator[str]:
    """Yield the lines of errors and alerts, for a node of the service and for one of a user's own ssh."""
    service = SshSettings(
        user="skewmon",
        identities=("/run/credentials/skewmon.service/ssh_key",),
        known_hosts=("/etc/skewmon/ssh/known_hosts",),
    )
    cluster = Cluster("main", (Node("n1", "n1", service),), config_file="/etc/skewmon/skewmon.yml")
    yield from (commands.check(cluster), commands.probe(cluster, "n1"))
    behind = replace(service, jump=("bastion",))
    for ssh in (service, behind, SshSettings(login="ssh -p 2222 n1")):
        yield Access(Node("n1", "n1", ssh)).probe
        yield from (commands.verbose_login("n1", ssh), commands.scan_command("n1", ssh))
    yield commands.on_bastion(behind, "nc -vz n1 22")
    yield commands.removal("n1", service.known_hosts[0])


def of_module(path: Path) -> Iterator[str]:
    """Yield the commands in the texts of a module, with {} for values that are filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    inner = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        id(node) for node in nodes if isinstance(node, ast.JoinedStr)
    }
    described = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if id(node) in described or id(node) in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        yield from (found[0] for found in _MESSAGE.finditer(text))


def of_help(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    """Yield the examples in the help of every command."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for one in command.list_commands(context):
            found = command.get_command(context, one)
            assert found is not None
            yield from of_help(found, f"{name} {one}")
    for line in inspect.cleandoc(command.help or "").splitlines():
        if _is_command(line.strip()):
            yield name, line.strip()


def of_document(path: Path) -> Iterator[str]:
    """Yield the commands of a document: the lines of its blocks, and the code in its sentences."""
    text = path.read_text(encoding="utf-8")
    for block in _BLOCK.finditer(text):
        joined = re.sub(r"\s*\\\n\s*|(?<=\|)\n\s*", " ", block[1] or block[2])
        yield from (line for line in map(_plain, joined.splitlines()) if _is_command(line))
    for paragraph in re.split(r"\n\s*\n|\n(?=- |\|)", _BLOCK.sub("\n\n", text)):
        yield from (span for span in _SPAN.findall(" ".join(paragraph.split())) if _is_command(span))


def of_comments(path: Path) -> Iterator[str]:
    """Yield the commands in the comments of a shipped file, and those that a unit runs."""
    for line in path.read_text(encoding="utf-8").splitlines():
        comment = line.partition("#")[2]
        yield from (span for span in _SPAN.findall(comment) if _is_command(span))
        found = re.search(
            rf"(?:^|: )((?:sudo )?skewmon (?:{'|'.join(COMMANDS)})\b.*|promtool .*)", comment.strip()
        )
        if found and "`" not in comment:
            yield found[1].rstrip(".")
        if re.match(r"Exec\w+=", line):
            yield line.partition("=")[2]


def _plain(line: str) -> str:
    """Return a line of a block without its prompt and its comment."""
    return re.sub(r"\s+#.*", "", line.strip()).removeprefix("$ ")


def _is_command(text: str) -> bool:
    """Return whether a text is a command: a program and at least one more word."""
    words = text.removeprefix("sudo ").split()
    if len(words) < 2 or (words[0] == "for" and words[2:3] != ["in"]):
        return False
    return words[1].strip(".,") in COMMANDS if words[0] == "skewmon" else words[0] in TOOLS

"""Warnings of ``config check``: a valid configuration that probably does not do what its author intends."""

import glob
import ipaddress
import os
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from skewmon.alert.profiles import PROFILES
from skewmon.alert.thresholds import DEFAULT_PROFILE
from skewmon.clock.utc import LEAST_INDEPENDENT
from skewmon.config.address import parse_listen
from skewmon.config.duration import format_duration
from skewmon.config.effective import effective
from skewmon.config.paths import CREDENTIAL
from skewmon.config.schema import ClusterSpec, Config, NodeSpec, SourceSpec, SshSpec
from skewmon.config.shard import ShardSpec
from skewmon.config.targets import expand
from skewmon.inventory.resolve import source_name
from skewmon.inventory.shard import shard_of
from skewmon.model import ThresholdKind

#: Kinds of thresholds with a limit that a warning should reach first.
LIMITED = (
    ThresholdKind.SKEW,
    ThresholdKind.AHEAD,
    ThresholdKind.BEHIND,
    ThresholdKind.STEP,
    ThresholdKind.UTC,
    ThresholdKind.DRIFT,
)


def warnings(config: Config, *, with_password: bool) -> list[str]:
    """Return the warnings about a configuration, each once; ``with_password`` if the page asks for one."""
    found = [*_listen(config.web.listen, with_password=with_password)]
    for name, spec in effective(config).clusters.items():
        texts = (*_cluster(spec, config.shard), *_utc(spec, len(config.references)))
        found += (f"cluster {name}: {text}" for text in texts)
    return list(dict.fromkeys(found))


def _listen(address: str, *, with_password: bool) -> Iterator[str]:
    host = parse_listen(address).host
    try:
        exposed = not host or not ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        exposed = host != "localhost"
    if exposed and not with_password:
        yield (
            f"web.listen: everyone who reaches {address} can read the page and the configuration; set a "
            "password in web.config_file, or listen on 127.0.0.1"
        )


def _cluster(spec: ClusterSpec, shard: ShardSpec | None) -> Iterator[str]:
    named = [(entry,) if isinstance(entry, NodeSpec) else expand(entry) for entry in spec.nodes]
    names = [one.name if isinstance(one, NodeSpec) else one.host for some in named for one in some]
    if len(names) == 1 and not spec.inventory:
        yield "it has one node, and a skew needs two"
    elif shard and not spec.inventory and len(set(names)) == len(names):  # else nodes get other names
        here = sum(shard_of(name, shard.of) == shard.index for name in names)
        if here < 2:
            yield (
                f"shard: this box measures {here} of its {len(names)} nodes, and a skew needs two; "
                "give whole clusters to boxes instead"
            )
    entries = [entry for entry in spec.nodes if isinstance(entry, NodeSpec)]
    own = [entry.ssh for entry in entries if entry.transport == "ssh"]
    texts = len(entries) < len(spec.nodes) or spec.inventory
    for ssh in dict.fromkeys([*([spec.ssh] if texts else ()), *own]):
        yield from _login(ssh)
    yield from _thresholds(spec)
    for source in spec.inventory:
        yield from _source(source)


def _login(ssh: SshSpec) -> Iterator[str]:
    """Yield the warnings about files that a login needs."""
    for path in ssh.identity or ():
        if not path.startswith(CREDENTIAL) and not _readable(path):
            advice = _advice(path, "make one: ssh-keygen -t ed25519 -f PATH")
            yield f"identity: {path} {_reason(path)}{advice}"
    if not ssh.identity and not ssh.agent:
        yield "there is neither an identity nor an agent, so no login can succeed"
    known = [path for path in ssh.known_hosts or () if path != os.devnull]
    if not known:
        yield f"known_hosts: {os.devnull} holds no key, and host keys are always verified; name a file"
    for path in known:
        if not _readable(path):
            yield f"known_hosts: {path} {_reason(path)}{_advice(path, 'skewmon keys scan prints its lines')}"


def _thresholds(spec: ClusterSpec) -> Iterator[str]:
    lines = [line for line in spec.lines if line.kind in LIMITED]
    warning = [line for line in lines if line.severity == "warning"]
    critical = [line for line in lines if line.severity == "critical"]
    early = PROFILES[DEFAULT_PROFILE].thresholds[0]
    late = any(one.kind == early.kind and one.limit_ns > early.limit_ns for one in critical)
    if spec.profile and late and not any(one.kind == early.kind for one in warning):
        yield (
            f"thresholds: with profile {spec.profile} no line warns before the critical one on the skew; "
            f"add {{severity: warning, skew: {format_duration(early.limit_ns)}}}, as without a profile"
        )
    for first, second in product(warning, critical):
        if first.kind == second.kind and first.limit_ns > second.limit_ns:
            yield f"thresholds: the warning on {first.kind} is above the critical, so it never comes first"


def _utc(spec: ClusterSpec, references: int) -> Iterator[str]:
    """Warn about a line against UTC that no references, or too few, can judge."""
    if references < LEAST_INDEPENDENT and any(line.kind == ThresholdKind.UTC for line in spec.lines):
        listed = "none is" if not references else "one is" if references == 1 else f"{references} are"
        yield (
            "thresholds: a line against UTC is judged only while references confirm UTC, which takes "
            f"{LEAST_INDEPENDENT} or more; {listed} configured"
        )


def _source(source: SourceSpec) -> Iterator[str]:
    named = source_name(source)
    if source.file_sd and not glob.glob(source.file_sd, recursive=True):  # noqa: PTH207  Path.glob takes no absolute pattern
        yield f"{named}: no file matches"
    for path in (source.ansible, source.ssh_config):
        if path and not _readable(path):
            yield f"{named}: {path} {_reason(path)}"


def _readable(path: str) -> bool:
    return os.access(path, os.R_OK)


def _reason(path: str) -> str:
    return "cannot be read by this user" if Path(path).exists() else "does not exist"


def _advice(path: str, text: str) -> str:
    """Return how to make a file that does not exist."""
    return "" if Path(path).exists() else f"; {text.replace('PATH', shlex.quote(path))}"

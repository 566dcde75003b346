"""From the arguments of a command to the clusters it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from skewmon.alert.thresholds import check_profile, effective_profile, in_force
from skewmon.cli.main import DEFAULT_CONFIG
from skewmon.config.address import Listen, parse_listen
from skewmon.config.duration import parse_duration_ns
from skewmon.config.effective import written
from skewmon.config.loader import load
from skewmon.config.references import parse_reference, time_servers
from skewmon.config.schema import ClusterSpec, Config
from skewmon.config.targets import Target, check_user, check_vantage, expand
from skewmon.errors import ConfigError, Fault, echoed
from skewmon.inventory.openssh import OpenSsh
from skewmon.inventory.resolve import distinct, resolve
from skewmon.inventory.ssh_login import Given, SshLogin
from skewmon.model import Cluster, Node, Threshold, TimeServer
from skewmon.runtime import containment, logs

#: The name of the cluster of nodes from the command line.
COMMAND_LINE_CLUSTER = "check"


@dataclass(frozen=True, slots=True)
class Selection:
    """The options of a command line on the nodes, and on the thresholds for them."""

    nodes: tuple[str, ...] = ()
    config_file: str | None = None
    cluster: str | None = None
    user: str | None = None
    port: int | None = None
    identities: tuple[str, ...] = ()
    known_hosts: tuple[str, ...] = ()
    jump: str | None = None
    vantage: str | None = None
    warning: str | None = None
    critical: str | None = None
    profile: str | None = None
    samples: int | None = None
    references: tuple[str, ...] = ()


def configured(path: str | None, nodes: Sequence[str] = ()) -> Config | None:
    """Return the configuration in force, or None if nodes were named without one."""
    if path is not None:
        return load(path)
    if nodes:
        return None
    if not Path(DEFAULT_CONFIG).exists():
        raise ConfigError(
            Fault(
                f"no node was named, and there is no {DEFAULT_CONFIG}",
                hint="try: skewmon check 'n[1-3]', or skewmon init 'n[1-3]' as root",
            )
        )
    return load(DEFAULT_CONFIG)


def pages_of(config: Config) -> tuple[str, ...]:
    """Return the URLs at which a daemon with this configuration may answer on this machine."""
    listen = parse_listen(config.web.listen)
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104
    local = f"http://{Listen(host, listen.port)}" if listen.port and not config.web.config_file else None
    secured = config.web.external_url if config.web.config_file else None  # its certificate has that name
    return tuple(url.rstrip("/") for url in (local, secured) if url)


def clusters_of(selection: Selection) -> tuple[Cluster, ...]:
    """Return the clusters to measure, for a command that prints its result and logs nothing.

    Raises ConfigError or InventoryError if they cannot be determined.
    """
    logs.configure(logs.SILENT)
    if selection.profile is not None:
        try:
            check_profile(selection.profile)
        except ValueError as error:
            raise _fault("--profile", str(error)) from None
    own = _own_lines(selection)
    config = configured(selection.config_file, selection.nodes)
    if config is None:
        clusters: tuple[Cluster, ...] = (_from_command_line(selection, own),)
    else:
        clusters = _from_file(config, selection, own)
    if selection.samples:
        return tuple(replace(cluster, samples=selection.samples) for cluster in clusters)
    return clusters


def references_of(selection: Selection) -> tuple[TimeServer, ...]:
    """Return the time servers to query: those of the command line, or else those of the configuration."""
    if selection.references:
        return tuple(map(_reference, dict.fromkeys(selection.references)))
    config = configured(selection.config_file, selection.nodes)
    return time_servers(config.references) if config else ()


def _reference(text: str) -> TimeServer:
    try:
        return parse_reference(text)
    except ValueError as error:
        raise _fault("--reference", str(error)) from None


def _from_command_line(selection: Selection, own: tuple[Threshold, ...]) -> Cluster:
    if selection.user is not None:
        try:
            check_user(selection.user)
        except ValueError as error:
            raise _fault("--user", str(error)) from None
    if selection.vantage is not None:
        try:
            check_vantage(selection.vantage)
        except ValueError as error:
            raise _fault("--vantage", str(error)) from None
    if selection.cluster is not None:
        raise _fault(
            "--cluster", "names a cluster of a configuration file, and none was given", "--config.file"
        )
    targets = [target for text in selection.nodes for target in _expand(text)]
    return Cluster(
        COMMAND_LINE_CLUSTER,
        distinct(containment.run(_as_ssh_would(targets, selection))),
        thresholds=in_force(selection.profile, own),
    )


async def _as_ssh_would(targets: Sequence[Target], selection: Selection) -> list[Node]:
    """Return the nodes with the logins of the user's ssh configuration."""
    given = Given(
        user=selection.user,
        port=selection.port,
        identities=selection.identities,
        known_hosts=selection.known_hosts,
        jump=selection.jump,
        vantage=selection.vantage,
    )
    return await SshLogin(OpenSsh()).nodes(
        (
            target.host,
            replace(given, user=target.user or given.user, port=target.port or given.port),
        )
        for target in targets
    )


def _from_file(config: Config, selection: Selection, own: tuple[Threshold, ...]) -> tuple[Cluster, ...]:
    given = {
        "--user": selection.user,
        "--port": selection.port,
        "--identity": selection.identities,
        "--known-hosts": selection.known_hosts,
        "--jump": selection.jump,
        "--vantage": selection.vantage,
    }
    for option, value in given.items():
        if value:
            raise _fault(option, "has no effect with a configuration file", "set it there")
    if selection.cluster is not None and selection.cluster not in config.clusters:
        raise _fault("--cluster", f"there is no cluster {echoed(selection.cluster)}", _known(config.clusters))
    file = selection.config_file or DEFAULT_CONFIG
    specs = {name: _with_options(spec, selection.profile, own) for name, spec in config.clusters.items()}
    clusters = containment.run(resolve(config.model_copy(update={"clusters": specs})))
    chosen = [replace(one, config_file=file) for one in clusters if selection.cluster in (None, one.name)]
    if not selection.nodes:
        return tuple(chosen)
    names = {node.name for one in chosen for node in one.nodes}
    wanted = {name for text in selection.nodes for name in _named(text, names)}
    unknown = wanted - names
    if unknown:
        raise _fault(
            "NODES",
            f"the configuration has no node {echoed(min(unknown))}",
            "skewmon config show lists its nodes",
        )
    picked = (replace(one, nodes=tuple(n for n in one.nodes if n.name in wanted)) for one in chosen)
    return tuple(one for one in picked if one.nodes)


def _named(text: str, names: set[str]) -> set[str]:
    """Return the nodes that a text names; the whole name of a node is never read as a range."""
    return {text} if text in names else {str(target) for target in _expand(text)}


def _with_options(spec: ClusterSpec, profile: str | None, own: tuple[Threshold, ...]) -> ClusterSpec:
    """Return a cluster of the file with the thresholds of the command line added.

    A profile of the command line replaces the profile and the thresholds of the file. ``-w`` and ``-c``
    replace thresholds of the same severity and leave the rest of the file's, or of the default profile's.
    """
    if profile is None:
        profile = effective_profile(spec.profile, spec.own_lines)
        own = (*spec.own_lines, *own)
    return spec.model_copy(update={"profile": profile, "thresholds": tuple(written(line) for line in own)})


def _own_lines(selection: Selection) -> tuple[Threshold, ...]:
    lines = []
    if selection.warning is not None:
        lines.append(Threshold("warning", duration_ns("--warning", selection.warning)))
    if selection.critical is not None:
        lines.append(Threshold("critical", duration_ns("--critical", selection.critical)))
    if len(lines) == 2 and lines[0].limit_ns > lines[1].limit_ns:
        raise _fault("--warning", "is above --critical, so it could never be reached first")
    return tuple(lines)


def duration_ns(option: str, text: str) -> int:
    """Return the duration that an option gives, which must be above zero."""
    try:
        value = parse_duration_ns(text)
    except ValueError as error:
        raise _fault(option, str(error)) from None
    if value <= 0:
        raise _fault(option, "expected a duration above zero")
    return value


def _expand(text: str) -> tuple[Target, ...]:
    try:
        return expand(text)
    except ValueError as error:
        raise _fault(f"NODES {echoed(text)}", str(error)) from None


def _fault(subject: str, message: str, hint: str = "") -> ConfigError:
    return ConfigError(Fault(f"{subject}: {message}", hint=hint))


def _known(names: Sequence[str] | dict[str, object] | object) -> str:
    return f"known are {', '.join(list(names)[:5])}" if isinstance(names, dict) else ""

"""`skewmon config`: check, show or start a configuration."""

from typing import TYPE_CHECKING

import click

from skewmon.cli.main import DEFAULT_CONFIG

if TYPE_CHECKING:
    from skewmon.config.schema import ClusterSpec, Config
    from skewmon.model import Threshold

_FILE = click.argument("file", required=False)
_OPTION = click.option(
    "--config.file",
    "option",
    metavar="FILE",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The same as FILE.",
)

#: Also of ``skewmon init``.
NAMED = click.option(
    "--cluster", default="main", show_default=True, metavar="NAME", help="Name of the cluster."
)


@click.group()
def command() -> None:
    """Check, show or start a configuration."""


@command.command()
@_FILE
@_OPTION
@click.option(
    "--resolve",
    "resolving",
    is_flag=True,
    help="Also read all inventories and list the nodes.",
)
def check(file: str | None, option: str, resolving: bool) -> None:
    """List every fault of FILE with line and column, or summarize it.

    --resolve also lists the entries that cannot be nodes; an inventory that cannot be read is an error.

    \b
    Examples:
      skewmon config check /etc/skewmon/skewmon.yml
      skewmon config check --resolve /etc/skewmon/skewmon.yml
    """
    from skewmon.cli.config_warnings import warnings
    from skewmon.config.loader import load

    path = file or option
    config = load(path)
    with_password = False
    if config.web.config_file is not None:
        from skewmon.export.web_config import load_web_config

        with_password = bool(load_web_config(config.web.config_file).users)
    for text in warnings(config, with_password=with_password):
        click.echo(f"skewmon: warning: {text}", err=True)
    if resolving:
        from skewmon.cli.resolved import resolution

        text, error = resolution(config)
        click.echo(text)
        if error is not None:
            raise error
    click.echo(f"{path} is in order. {summary(config)}")


@command.command()
@_FILE
@_OPTION
def show(file: str | None, option: str) -> None:
    """Print FILE with every default filled in and secrets masked.

    \b
    Example:
      skewmon config show /etc/skewmon/skewmon.yml
    """
    from skewmon.cli.state_directory import state_directory
    from skewmon.config.effective import shown
    from skewmon.config.loader import load
    from skewmon.journal.read import FILE_NAME

    path = file or option
    directory = state_directory(path, None, FILE_NAME)
    click.echo(shown(load(path).model_copy(update={"state_directory": directory})), nl=False)


@command.command()
def schema() -> None:
    """Print the JSON Schema, for editors that complete and check YAML.

    \b
    Example:
      skewmon config schema > skewmon.schema.json
    """
    import json

    from skewmon.config.schema import Config

    described = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Config.model_json_schema()
    click.echo(json.dumps(described, indent=2, ensure_ascii=False))


@command.command()
@click.argument("nodes", nargs=-1, required=True)
@click.option(
    "--config.file",
    "path",
    metavar="FILE",
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The file to write; - prints.",
)
@NAMED
def init(nodes: tuple[str, ...], path: str, cluster: str) -> None:
    """Write a first configuration that measures NODES, such as etcd[1-3].example.com.

    A file that exists is never overwritten.

    \b
    Examples:
      skewmon config init --config.file skewmon.yml n[1-5]
      skewmon config init --config.file - --cluster etcd etcd[1-3].example.com
    """
    from skewmon.config.loader import loads
    from skewmon.config.schema import DEFAULT_IDENTITY
    from skewmon.config.template import SERVICE_KEY, first_configuration

    identity = SERVICE_KEY if path in ("-", DEFAULT_CONFIG) else DEFAULT_IDENTITY
    text = first_configuration(nodes, cluster, path if path != "-" else "FILE", identity)
    config = loads(text, "arguments")
    if path == "-":
        click.echo(text, nl=False)
        return
    write_new(path, text)
    click.echo(f"Wrote {path}. {summary(config)}")


def summary(config: "Config") -> str:
    """Return a summary of a configuration, in one paragraph."""
    clusters = " ".join(_cluster(name, spec) for name, spec in config.clusters.items())
    alerts = config.alerts
    named = [
        f"{len(receivers)} {name}{'' if len(receivers) == 1 else 's'}"
        for name, receivers in (
            ("Alertmanager", alerts.alertmanagers),
            ("webhook", alerts.webhooks),
            ("Apprise receiver", alerts.apprise),
        )
        if receivers
    ]
    receivers = f"Alerts go to {_joined(named)}." if named else "Alerts are shown and exported, and not sent."
    count = len(config.references)
    utc = f"UTC comes from {count} reference{'' if count == 1 else 's'}. " if count else ""
    shard = config.shard
    share = f"This box measures shard {shard.index} of {shard.of}, counted from 0. " if shard else ""
    return f"{clusters} {share}{utc}{receivers} Page and metrics are served at {config.web.listen}."


def _cluster(name: str, spec: "ClusterSpec") -> str:
    """Return the summary of one cluster."""
    from skewmon.config.duration import format_duration
    from skewmon.config.schema import NodeSpec
    from skewmon.config.targets import expand
    from skewmon.text import masked_text

    count = sum(1 if isinstance(entry, NodeSpec) else len(expand(entry)) for entry in spec.nodes)
    parts = [f"{count} node{'' if count == 1 else 's'}"] if count else []
    parts += [
        f"the nodes of {source.choice} {masked_text(getattr(source, source.choice))}"
        for source in spec.inventory
    ]
    lines = _joined([_line(line) for line in spec.lines])
    return (
        f"Cluster {name}: {_joined(parts)}, measured every {format_duration(spec.interval_ns)} "
        f"by {_exchanges(spec.samples)}; {lines}."
    )


def _exchanges(samples: int | str) -> str:
    """Return the number of exchanges of a burst in words."""
    if samples == "auto":
        return "as many exchanges as each needs"
    return f"{samples} exchange{'' if samples == 1 else 's'} each"


def _line(line: "Threshold") -> str:
    """Return the condition under which one threshold fires."""
    from skewmon.config.duration import format_duration
    from skewmon.model import NS_PER_S, ThresholdKind

    condition = {
        ThresholdKind.SKEW: "a proven skew above {limit}",
        ThresholdKind.AHEAD: "a clock ahead by more than {limit}",
        ThresholdKind.BEHIND: "a clock behind by more than {limit}",
        ThresholdKind.STEP: "a step of more than {limit}",
        ThresholdKind.UTC: "a clock off UTC by more than {limit}",
        ThresholdKind.DRIFT: "a drift of more than {ppm:g} ppm",
        ThresholdKind.UNSYNCHRONIZED: "an unsynchronized clock",
        ThresholdKind.UNREACHABLE: "a node that cannot be measured",
        ThresholdKind.UNKNOWN: "an unknown skew",
    }[line.kind].format(limit=format_duration(line.limit_ns), ppm=line.limit_ns / 1000)
    wait = f" for {format_duration(round(line.for_s * NS_PER_S))}" if line.for_s else ""
    return f"{line.severity} on {condition}{wait}"


def _joined(parts: list[str]) -> str:
    """Return a list in English, with "and" before the last part."""
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def write_new(path: str, text: str) -> None:
    """Write a file that must not exist yet."""
    from pathlib import Path

    from skewmon.errors import ConfigError, Fault

    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(
            Fault("the file exists and is left as it is", path, hint="name another one")
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fault = Fault(f"cannot write the file: {reason}", path, hint="name another one with --config.file")
        raise ConfigError(fault) from None

"""`skewmon rules`: Prometheus rules for a configuration."""

from typing import Any

import click

_HEADER = """\
# Prometheus alerting and recording rules of skewmon; Prometheus 2.42 or newer.
# Written by `skewmon rules`. Use either these rules or the alerts section of skewmon.yml, not both.
"""


@click.command()
@click.option(
    "--config.file",
    "path",
    metavar="FILE",
    help="Take clusters and thresholds from FILE; without it, use the default thresholds for every cluster.",
)
def command(path: str | None) -> None:
    """Print Prometheus rules with the thresholds of the configuration.

    \b
    Example:
      skewmon rules --config.file /etc/skewmon/skewmon.yml > skewmon.rules.yml
    """
    click.echo(render(path), nl=False)


def render(path: str | None) -> str:
    """Return the rule file for a configuration, or the one for every cluster."""
    from skewmon.export.rules import build_rules
    from skewmon.model import NS_PER_S, Cluster

    if path is None:
        return _HEADER + _dumped(build_rules())
    from skewmon.config.loader import load

    clusters = [
        Cluster(name, (), spec.interval_ns / NS_PER_S, thresholds=spec.lines)
        for name, spec in load(path).clusters.items()
    ]
    return _HEADER + _dumped(build_rules(clusters))


def _dumped(rules: dict[str, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes queries of several lines as such."""

        def ignore_aliases(self, data: Any) -> bool:
            """Write every value in place, without anchors."""
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(rules, Dumper=Dumper, sort_keys=False, width=110, allow_unicode=True)

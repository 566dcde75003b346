"""``skewmon assets``: write the shipped files, such as the unit, the rules and the dashboards."""

import shutil
from pathlib import Path

import click


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def command(directory: Path) -> None:
    """Write the shipped files to DIR: unit, rules, dashboards, examples, documentation.

    Files of the same names in DIR are replaced, and no others are touched.

    \b
    Examples:
      skewmon assets /usr/local/share/skewmon
      skewmon assets . && cp config/prometheus/skewmon.rules.yml /etc/prometheus/
    """
    from skewmon.runtime.assets import DIRECTORIES
    from skewmon.runtime.assets import directory as shipped

    source = shipped()
    for name in DIRECTORIES:
        shutil.copytree(source / name, directory / name, dirs_exist_ok=True)
    count = sum(path.is_file() for name in DIRECTORIES for path in (source / name).rglob("*"))
    click.echo(f"Wrote {count} files to {directory}.")

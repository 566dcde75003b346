"""`skewmon profiles`: named thresholds, their sources, and the damage beyond them."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from skewmon.alert.profiles import Profile
    from skewmon.model import Threshold


@click.command()
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(name: str | None, output: str) -> None:
    """List threshold profiles, or show the one called NAME with its source.

    \b
    Example:
      skewmon profiles etcd
    """
    from skewmon.alert.profiles import PROFILES

    chosen = list(PROFILES.values()) if name is None else [_found(name)]
    if output == "json":
        _print_json(chosen)
    elif name is not None:
        click.echo(_page(chosen[0]))
    else:
        _print_table(chosen)


def _found(name: str) -> "Profile":
    from skewmon.alert.profiles import PROFILES
    from skewmon.alert.thresholds import check_profile

    try:
        return PROFILES[check_profile(name)]
    except ValueError as fault:
        raise click.UsageError(str(fault)) from None


def _print_json(profiles: list["Profile"]) -> None:
    import json

    click.echo(json.dumps([_as_json(profile) for profile in profiles], indent=2, ensure_ascii=False))


def _as_json(profile: "Profile") -> dict[str, Any]:
    return {
        "name": profile.name,
        "semantic": profile.semantic,
        "thresholds": [
            {
                "kind": line.kind,
                "severity": line.severity,
                "limit_seconds": line.limit_ns / 1e9,
                "for_seconds": line.for_s,
                "clear_for_seconds": line.clear_for_s,
            }
            for line in profile.thresholds
        ],
        "breaks": profile.breaks,
        "source": profile.source,
        "evidence": profile.evidence,
    }


def _page(profile: "Profile") -> str:
    """Return one profile as text that reads well anywhere."""
    import textwrap

    lines = "\n".join(f"  {_line(line)}" for line in profile.thresholds)
    breaks = textwrap.fill(profile.breaks, 78, initial_indent="  ", subsequent_indent="  ")
    source = textwrap.fill(
        f"{profile.source} ({profile.evidence})", 78, initial_indent="  ", subsequent_indent="  "
    )
    return f"{profile.name} compares: {profile.semantic}\n{lines}\n\nBeyond:\n{breaks}\n\nSource:\n{source}"


def _print_table(profiles: list["Profile"]) -> None:
    """Print a table on a terminal, and tab-separated lines for a program."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        for profile in profiles:
            lines = ", ".join(_line(line) for line in profile.thresholds)
            click.echo(f"{profile.name}\t{lines}\t{profile.breaks}")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("profile", "lines", "what breaks beyond"):
        table.add_column(title, overflow="fold")
    for profile in profiles:
        table.add_row(profile.name, "\n".join(_line(line) for line in profile.thresholds), profile.breaks)
    console.print(table)


def _line(line: "Threshold") -> str:
    from skewmon.alert.thresholds import STATES
    from skewmon.config.duration import format_duration
    from skewmon.model import ThresholdKind

    if line.kind in STATES:
        return f"{line.severity}: {line.kind}"
    kind = "" if line.kind == ThresholdKind.SKEW else f"{line.kind} "
    return f"{line.severity}: {kind}{format_duration(line.limit_ns)}"

"""The outward contracts as flat text: one line for each option, metric, field, event kind and exit code.

``python -m tests.contracts.surface`` prints them as JSON; ``baseline.json`` holds those of an earlier commit.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from skewmon.alert.alerts import NAMES
from skewmon.cli.main import EXIT_CONFIG, EXIT_TRY_AGAIN, EXIT_UNUSABLE, skewmon
from skewmon.cli.outputs import EXIT_CODES
from skewmon.config.schema import Config
from skewmon.errors import Reason
from skewmon.export.catalogue import METRICS
from skewmon.model import EventKind
from skewmon.timesync.findings.catalogue import FINDINGS

ROOT = Path(__file__).parents[2]


def surface() -> dict[str, str]:
    """Return every contract by its path."""
    return dict(sorted([*_command_line(), *_exit_codes(), *_metrics(), *_kinds(), *_schemas()]))


def _command_line() -> Iterator[tuple[str, str]]:
    context = click.Context(skewmon)
    for name in skewmon.list_commands(context):
        command = skewmon.get_command(context, name)
        assert command is not None
        yield from _command(f"cli/{name}", command, context)


def _command(path: str, command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield path, "command"
    for parameter in command.params:
        name = "/".join(parameter.opts) if isinstance(parameter, click.Option) else f"<{parameter.name}>"
        kind = "flag" if getattr(parameter, "is_flag", False) else parameter.type.name
        choices = ",".join(map(str, getattr(parameter.type, "choices", ())))
        yield f"{path} {name}", " ".join(filter(None, (kind, choices)))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(f"{path} {name}", inner, context)


def _exit_codes() -> Iterator[tuple[str, str]]:
    for verdict, code in EXIT_CODES.items():
        yield f"exit/{verdict}", str(code)
    yield "exit/unusable input", str(EXIT_UNUSABLE)
    yield "exit/unusable configuration of run", str(EXIT_CONFIG)
    yield "exit/run could not start now", str(EXIT_TRY_AGAIN)


def _kinds() -> Iterator[tuple[str, str]]:
    """Yield the words that rules and scripts compare with: findings, reasons, alerts and events."""
    for kind, diagnosis in FINDINGS.items():
        yield f"finding/{kind}", " to ".join(filter(None, (diagnosis.severity, diagnosis.worst)))
    for reason in Reason:
        yield f"reason/{reason}", "reason"
    for threshold, name in NAMES.items():
        yield f"alert/{threshold}", name
    for event in EventKind:
        yield f"event/{event}", "event"


def _metrics() -> Iterator[tuple[str, str]]:
    for metric in METRICS:
        yield f"metric/{metric.name}", f"{metric.type} {{{','.join(metric.labels)}}} {metric.unit}".strip()


def _schemas() -> Iterator[tuple[str, str]]:
    status = json.loads((ROOT / "docs" / "status.schema.json").read_text())
    for name, schema in (("json", status), ("config", Config.model_json_schema())):
        yield from _fields(name, schema, schema, ())


def _fields(path: str, node: Any, schema: dict[str, Any], seen: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the fields of a JSON Schema; references are followed, each once on a path."""
    if not isinstance(node, dict):
        return
    reference = node.get("$ref")
    if reference is not None:
        if reference not in seen:
            target: Any = schema
            for part in reference.removeprefix("#/").split("/"):
                target = target[part]
            yield from _fields(path, target, schema, (*seen, reference))
        return
    for name, inner in node.get("properties", {}).items():
        required = " required" if name in node.get("required", ()) else ""
        yield f"{path}.{name}", f"{_type(inner)}{required}"
        yield from _fields(f"{path}.{name}", inner, schema, seen)
    for key in ("items", "additionalProperties"):
        yield from _fields(f"{path}[]", node.get(key), schema, seen)
    for key in ("anyOf", "oneOf", "allOf"):
        for inner in node.get(key, ()):
            yield from _fields(path, inner, schema, seen)


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return "|".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    if "$ref" in node:
        return "object"
    for key in ("anyOf", "oneOf"):
        if key in node:
            return "|".join(sorted({_type(inner) for inner in node[key]}))
    kind = node.get("type", "any")
    default = f" default {json.dumps(node['default'])}" if "default" in node else ""
    return ("|".join(kind) if isinstance(kind, list) else kind) + default


if __name__ == "__main__":
    json.dump(surface(), sys.stdout, indent=1)
    sys.stdout.write("\n")

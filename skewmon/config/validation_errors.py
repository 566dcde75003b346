"""Pydantic errors as faults with file, line and column, a plain message and a hint."""

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from skewmon.config import limits
from skewmon.config.schema import Config
from skewmon.config.yaml_positions import Document
from skewmon.errors import MAX_ECHOED, Fault, echoed
from skewmon.text import masked_text


def faults_of(document: Document, error: pydantic.ValidationError) -> list[Fault]:
    """Return the faults of YAML and schema in the order of the file, one at each position."""
    found = {(fault.line, fault.column): fault for fault in document.faults}
    details = error.errors(include_url=False)
    for detail in details[: limits.MAX_EXPLAINED]:
        fault = _fault(document, detail)
        found.setdefault((fault.line, fault.column), fault)
    faults = sorted(found.values(), key=lambda fault: (fault.line or 0, fault.column or 0))
    left_out = len(faults) - limits.MAX_FAULTS + len(details[limits.MAX_EXPLAINED :])
    if left_out > 0:
        return [*faults[: limits.MAX_FAULTS], Fault(f"{left_out} more faults are left out", document.source)]
    return faults


def _fault(document: Document, detail: ErrorDetails) -> Fault:
    """Return one fault of the schema with its position in the file."""
    kind, context = detail["type"], detail.get("ctx", {})
    steps = [*detail["loc"], *([context["at"]] if context.get("at") else [])]
    line, column = document.position(steps, of_key=kind in {"extra_forbidden", "missing"} or "[key]" in steps)
    message, hint = _words(kind, detail, context)
    path = ".".join(_steps(document.value, steps))
    return Fault(f"{path}: {message}" if path else message, document.source, line, column, hint)


def _steps(value: Any, loc: list[str | int]) -> Iterator[str]:
    """Yield the steps of a location that the file has, without pydantic's names for alternatives."""
    for step in loc:
        if isinstance(value, dict) and step in value:
            value = value[str(step)]
            plain = len(str(step)) <= MAX_ECHOED and str(step).isprintable()
            yield masked_text(str(step)) if plain else echoed(step)
        elif isinstance(value, tuple) and isinstance(step, int) and step < len(value):
            value = value[step]
            yield str(step + 1)


def _words(kind: str, detail: ErrorDetails, context: dict[str, Any]) -> tuple[str, str]:
    """Return message and hint for one kind of fault."""
    value = detail["input"]
    if kind == "refused":
        return context["message"], context["hint"]
    if kind == "extra_forbidden":
        return "unknown key", _near(detail["loc"])
    if kind in _WANTED:
        return f"expected {_WANTED[kind]}, found {_found(value)}", _quote_hint(kind, value)
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(found=_found(value), key=detail["loc"][-1], **context), ""
    return detail["msg"], ""


_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "tuple_type": "a list",
}

_SENTENCES = {
    "missing": "the key {key} is missing",
    "greater_than_equal": "expected at least {ge}, found {found}",
    "less_than_equal": "expected at most {le}, found {found}",
    "literal_error": "expected {expected}, found {found}",
    "too_short": "expected at least one entry, found none",
    "too_long": "expected at most {max_length} entries, found {actual_length}",
}


def _found(value: object) -> str:
    """Return the kind of value that was found."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, tuple):
        return "a list"
    return f"the text {echoed(value)}" if isinstance(value, str) else f"the number {value}"


def _quote_hint(kind: str, value: object) -> str:
    """Return how to make a text of a number, or a number of a text."""
    if kind == "string_type" and isinstance(value, int | float):
        return f'quote it: "{_found(value).removeprefix("the number ")}"'
    if kind == "int_type" and isinstance(value, str) and value.isdecimal():
        return "write it without quotes"
    if kind == "tuple_type" and isinstance(value, str) and value.isprintable():
        return f"write [{masked_text(value)[:MAX_ECHOED]}]"
    return ""


def _near(loc: tuple[str | int, ...]) -> str:
    """Return the known key that is nearest to an unknown one, or all of them."""
    known = sorted(known_keys(loc[:-1]))
    near = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"


def known_keys(loc: tuple[str | int, ...]) -> set[str]:
    """Return the keys of the schema at a path."""
    root = _schema()
    schemas = [root]
    for step in loc:
        below = [child for one in schemas for child in _below(_resolve(one, root), step)]
        schemas = below or schemas  # pydantic's name for an alternative is not a step of the file
    return {key for one in schemas for choice in _resolve(one, root) for key in choice.get("properties", {})}


@cache
def _schema() -> dict[str, Any]:
    """Return the JSON Schema, made once however many keys are unknown."""
    return Config.model_json_schema()


def _resolve(schema: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a schema's alternatives with their references followed."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    alternatives = schema.get("anyOf", schema.get("oneOf"))
    if alternatives is None:
        return [schema]
    return [one for alternative in alternatives for one in _resolve(alternative, root)]


def _below(schemas: list[dict[str, Any]], step: str | int) -> Iterator[dict[str, Any]]:
    """Yield the schemas one step down."""
    for schema in schemas:
        if isinstance(step, int):
            if "items" in schema:
                yield schema["items"]
        elif step in schema.get("properties", {}):
            yield schema["properties"][step]
        elif isinstance(schema.get("additionalProperties"), dict):
            yield schema["additionalProperties"]

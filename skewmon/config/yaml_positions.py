"""YAML with the position of every value; traps of YAML 1.1 are refused rather than misread."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import yaml

from skewmon.config import limits
from skewmon.errors import ConfigError, Fault, echoed

_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_FLOAT = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,15}")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")

Value = dict[str, "Value"] | tuple["Value", ...] | str | int | float | bool | None


@dataclass(slots=True)
class Document:
    """One parsed file: its plain value, the positions of its parts, and the faults of its YAML."""

    source: str
    root: yaml.Node
    value: Value = None
    faults: list[Fault] = field(default_factory=list)
    duplicates: list[Fault] = field(default_factory=list)  # of the faults: keys whose second value is lost

    def position(self, path: Iterable[str | int], *, of_key: bool = False) -> tuple[int, int]:
        """Return line and column of a value, or of its key; steps that the file lacks are passed over."""
        node, mark = self.root, self.root.start_mark
        for step in path:
            found = _child(node, step)
            if found is None:
                continue
            key, node = found
            mark = key.start_mark if key is not None and (of_key or _is_empty(node)) else node.start_mark
        return mark.line + 1, mark.column + 1


def parse(text: str, source: str, *, if_empty: str = "") -> Document:
    """Return the one document of ``text``; raise ConfigError if it is not YAML.

    ``if_empty`` is the advice for an empty file.
    """
    try:
        loader = _BoundedLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_fault(error, source)) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError(_character_fault(error, text, source)) from None
    except (ValueError, OverflowError, yaml.YAMLError):
        # PyYAML lets these through for escapes and directives whose numbers no character or version has.
        raise ConfigError(Fault("this is not YAML: a number in it is out of range", source)) from None
    if root is None:
        raise ConfigError(Fault("the file is empty", source, hint=if_empty))
    document = Document(source, root)
    document.value = _Builder(document).build(root)
    return document


class _BoundedLoader(yaml.SafeLoader):
    """PyYAML's composer with a limit on depth, for it is recursive."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        """Compose one node, unless it lies too deep."""
        self.depth += 1
        if self.depth > limits.MAX_DEPTH:
            raise yaml.composer.ComposerError(
                None, None, f"nested deeper than {limits.MAX_DEPTH} levels", self.get_mark()
            )
        node = super().compose_node(parent, index)  # type: ignore[arg-type]  # the stubs narrow the index
        self.depth -= 1
        return node


class _Builder:
    """Turns nodes into plain values and notes faults."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.values = 0
        self.open: set[int] = set()

    def fault(self, node: yaml.Node, message: str, hint: str = "") -> None:
        """Note a fault at a node."""
        mark = node.start_mark
        self.document.faults.append(
            Fault(message, self.document.source, mark.line + 1, mark.column + 1, hint)
        )

    def build(self, node: yaml.Node) -> Value:
        """Return the value of a node; a node inside itself or too much of it is a fault."""
        self.values += 1
        if self.values > limits.MAX_VALUES:
            self.fault(node, f"more than {limits.MAX_VALUES} values after aliases are expanded")
            raise ConfigError(*self.document.faults)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self.open:
            self.fault(node, "an alias leads back into its own anchor")
            return None
        self.open.add(id(node))
        value = self._mapping(node) if isinstance(node, yaml.MappingNode) else self._sequence(node)
        self.open.discard(id(node))
        return value

    def _sequence(self, node: yaml.Node) -> Value:
        if node.tag != _TAG + "seq":
            self.fault(node, f"the tag {_short_tag(node.tag)} is not supported", "write the value without it")
        return tuple(self.build(item) for item in node.value)

    def _mapping(self, node: yaml.Node) -> Value:
        if node.tag != _TAG + "map":
            self.fault(node, f"the tag {_short_tag(node.tag)} is not supported", "write the value without it")
        found: dict[str, Value] = {}
        lines: dict[str, int] = {}
        for key, item in node.value:
            name = self._key(key)
            value = self.build(item)
            if name in found:
                self.fault(key, f"duplicate key {echoed(name)}", f"the first one is in line {lines[name]}")
                self.document.duplicates.append(self.document.faults[-1])
            elif name is not None:
                found[name], lines[name] = value, key.start_mark.line + 1
        return found

    def _key(self, key: yaml.Node) -> str | None:
        """Return a key as text, or None if it cannot be one."""
        if not isinstance(key, yaml.ScalarNode):
            self.fault(key, "a key has to be a text", 'quote it if it starts with "[" or "{"')
            return None
        if key.tag == _TAG + "merge":
            self.fault(key, "merge keys (<<) are not supported", "repeat the keys, or set them as defaults")
            return None
        value = self._scalar(key)
        if not isinstance(value, str):
            self.fault(key, f"the key {key.value} is not a text in YAML", f'quote it: "{key.value}"')
        return str(key.value)

    def _scalar(self, node: yaml.ScalarNode) -> Value:
        """Return a text, number, true, false or nothing; refuse values that YAML 1.1 misreads."""
        text: str = node.value
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fault(node, "half of a surrogate pair is no character", "write the character itself")
            return "?"
        kind = node.tag.removeprefix(_TAG)
        if kind == "str" or (node.style and node.tag == _TAG + "str"):
            return text
        if node.style is not None or kind not in {"null", "bool", "int", "float", "timestamp", "value"}:
            self.fault(node, f"the tag {_short_tag(node.tag)} is not supported", "write the value without it")
            return text
        return self._plain(node, kind, text)

    def _plain(self, node: yaml.ScalarNode, kind: str, text: str) -> Value:
        """Return the value of an unquoted scalar if every parser reads it the same."""
        if kind == "null":
            return None
        if kind == "bool" and text in {"true", "false"}:
            return text == "true"
        if kind == "int" and _INTEGER.fullmatch(text):
            return int(text)
        if kind == "float" and _FLOAT.fullmatch(text):
            return float(text)
        self.fault(node, *_trap(kind, text))
        return text


def _trap(kind: str, text: str) -> tuple[str, str]:
    """Return how YAML 1.1 reads a scalar, and a replacement."""
    quote = f'quote it: "{text}"'
    if kind == "bool":
        meant = "true" if text.lower() in {"yes", "on", "true"} else "false"
        return f"YAML reads {text} as {meant}", f"{quote}, or write {meant}"
    if kind in {"int", "float"} and _SEXAGESIMAL.fullmatch(text):
        return f"YAML reads {text} as a number in base 60", quote
    if kind == "int" and text[:2].lower() in {"0x", "0b"} | {f"0{digit}" for digit in range(10)}:
        return f"YAML reads {text} as a number in another base", quote
    if kind == "timestamp":
        return f"YAML reads {text} as a date", quote
    return (
        f"YAML reads {text[:40]} as a number that is not a plain one",
        f"write plain digits, or {quote[:60]}",
    )


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node | None, yaml.Node] | None:
    """Return key and value of one step down, or None if the node has no such child."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, item) for key, item in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return None, node.value[step]
    return None


def _is_empty(node: yaml.Node) -> bool:
    """Return whether a node is a value that was left out: its mark lies behind the key."""
    return isinstance(node, yaml.ScalarNode) and not node.value and node.style is None


def _short_tag(tag: str) -> str:
    """Return a tag as it is usually written."""
    shown = "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
    return shown if shown.isprintable() else repr(shown)


_HINTS = (
    ("'@'", 'quote a text that starts with "@"'),
    ("'`'", 'quote a text that starts with "`"'),
    ("'%'", 'quote a text that starts with "%"'),
    ("'\\t'", "YAML is indented with spaces, never with tabs"),
    ("alias", 'quote a text that starts with "*"'),
    ("anchor", 'quote a text that starts with "&"'),
    ("single document", "keep one document and drop the --- between"),
    ("mapping values are not allowed", "check the indentation, or quote a text that holds a colon"),
    ("expected <block end>", 'check the indentation, or quote a text that starts with "["'),
    ("expected ',' or", 'close the bracket, or quote a text that starts with "[" or "{"'),
)


def _syntax_fault(error: yaml.MarkedYAMLError, source: str) -> Fault:
    """Return a YAML error as a fault with its position and a hint."""
    mark = error.problem_mark or error.context_mark
    problem = error.problem or error.context or "unreadable"
    context = f"{error.context}: " if error.context and error.problem else ""
    hint = next((hint for needle, hint in _HINTS if needle in f"{context}{problem}"), "")
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return Fault(f"this is not YAML: {context}{problem}", source, line, column, hint)


def _character_fault(error: yaml.reader.ReaderError, text: str, source: str) -> Fault:
    """Return an unprintable character as a fault with its position."""
    before = text[: error.position]
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return Fault(f"the character U+{code:04X} is not allowed in YAML", source, line, column)

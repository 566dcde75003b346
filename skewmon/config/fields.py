"""The kinds of values that a configuration holds; each validator reports its expectation.

Validators run in pydantic's strict mode, so that no value is converted silently. Paths become
absolute against the directory of the file, which the loader passes as context.
"""

import re
import unicodedata
import urllib.parse
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from skewmon.config import paths
from skewmon.config.duration import format_duration, parse_duration_ns
from skewmon.config.limits import (
    MAX_COMMAND_LENGTH,
    MAX_DRIFT_PPM,
    MAX_HOPS,
    MAX_IDENTITIES,
    MAX_NAME_LENGTH,
    MAX_PORT,
    MAX_SAMPLES,
    MIN_PORT,
    MIN_SAMPLES,
)
from skewmon.config.targets import check_host, check_user, check_vantage, expand, parse_target
from skewmon.errors import echoed
from skewmon.text import masked_url

_DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(d|h|m|s|ms|us|µs|ns))+$"

#: Host, name, port, user, and the sign itself.
PROXY_TOKENS = ("%h", "%n", "%p", "%r", "%%")

_DRIFT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?ppm", re.ASCII)


def refuse(message: str, hint: str = "", at: str = "") -> PydanticCustomError:
    """Return an error whose message reaches the user unchanged; ``at`` names its key."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint, "at": at})


def refused_by(check: Callable[[str], object]) -> Callable[[str], str]:
    """Return a validator that keeps the text and reports a ValueError of ``check`` unchanged."""

    def keep(text: str) -> str:
        try:
            check(text)
        except ValueError as error:
            raise refuse(str(error)) from None
        return text

    return keep


def _duration(value: Any) -> int:
    """Return nanoseconds; a number without a unit is refused as ambiguous."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise refuse(f"expected a duration, found the number {value}", f"add a unit: {value}s or {value}ms")
    if not isinstance(value, str):
        raise refuse("expected a duration such as 15s")
    return parse_duration_ns(refused_by(parse_duration_ns)(value))


def _within(low_ns: int, high_ns: int) -> Callable[[int], int]:
    """Return a check that a duration lies in ``[low_ns, high_ns]``."""

    def check(value_ns: int) -> int:
        if not low_ns <= value_ns <= high_ns:
            raise refuse(
                f"expected a duration from {format_duration(low_ns)} to {format_duration(high_ns)}, "
                f"found {format_duration(value_ns)}"
            )
        return value_ns

    return check


def _positive(value_ns: int) -> int:
    """Return a duration above zero."""
    if value_ns == 0:
        raise refuse("expected more than zero", "a threshold of zero would always be passed")
    return value_ns


def _drift_ppb(value: Any) -> int:
    """Return parts per billion of a text such as ``100ppm``."""
    parts = _DRIFT.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        hint = f"write {value}ppm" if isinstance(value, int) and not isinstance(value, bool) else ""
        raise refuse(f"expected a rate such as 100ppm, found {echoed(value)}", hint)
    ppb = int(parts[1]) * 1000 + int((parts[2] or "").ljust(3, "0"))
    if not 0 < ppb <= MAX_DRIFT_PPM * 1000:
        raise refuse(f"expected a rate above 0 and up to {MAX_DRIFT_PPM}ppm, found {value}")
    return ppb


def _format_drift(ppb: int) -> str:
    """Return parts per billion as they are written in the file."""
    whole, rest = divmod(ppb, 1000)
    return f"{whole}.{rest:03}".rstrip("0") + "ppm" if rest else f"{whole}ppm"


def _name(text: str) -> str:
    """Return a name: anything that can be printed on one line."""
    if not text or text != text.strip():
        raise refuse("expected a name without spaces around it")
    if len(text) > MAX_NAME_LENGTH:
        raise refuse(f"expected a name of at most {MAX_NAME_LENGTH} characters, found {len(text)}")
    if any(unicodedata.category(character)[0] == "C" or character in "\u2028\u2029" for character in text):
        raise refuse("a name holds no control characters")
    return text


def _path(text: str, info: ValidationInfo) -> str:
    """Return an absolute path, or ``credential:NAME`` as it is."""
    name = text.removeprefix(paths.CREDENTIAL)
    if text.startswith(paths.CREDENTIAL) and not re.fullmatch(r"[\w.@:-]+", name):
        raise refuse(f"expected credential:NAME, found {echoed(text)}")
    if not text or not text.isprintable():
        raise refuse("expected a path")
    try:
        return paths.absolute(text, (info.context or {}).get("base", "."))
    except ValueError as error:
        raise refuse(str(error)) from None


def _plain_path(text: str, info: ValidationInfo) -> str:
    """Return an absolute path of something that is no secret."""
    if text.startswith(paths.CREDENTIAL):
        raise refuse("expected a path; a credential holds one secret, and this is none")
    return _path(text, info)


def _proxy_command(text: str) -> str:
    """Return a command on one line with no token but those of OpenSSH's ProxyCommand."""
    if not text.strip() or not text.isprintable() or len(text) > MAX_COMMAND_LENGTH:
        raise refuse(f"expected a command on one line of at most {MAX_COMMAND_LENGTH} characters")
    unknown = [token for token in re.findall("%.?", text) if token not in PROXY_TOKENS]
    if unknown:
        raise refuse(f"{unknown[0]} is not a token of a proxy command", f"known: {' '.join(PROXY_TOKENS)}")
    return text


def _url(text: str) -> str:
    """Return an http(s) URL without a password in it."""
    try:
        parts = urllib.parse.urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise refuse("expected a URL that starts with http:// or https://")
    if "@" in parts.netloc:
        raise refuse("a URL in this file holds no password", "secrets come from a file or a credential")
    return text


def _one_or_many(value: Any) -> Any:
    """Return a lone text as a list of one."""
    return (value,) if isinstance(value, str) else value


_SHOWN_DURATION = (
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DURATION_PATTERN, "examples": ["250us", "50ms", "1m30s"]}),
)

Duration = Annotated[int, BeforeValidator(_duration), *_SHOWN_DURATION]
Limit = Annotated[int, AfterValidator(_positive), BeforeValidator(_duration), *_SHOWN_DURATION]
DriftLimit = Annotated[
    int,
    BeforeValidator(_drift_ppb),
    PlainSerializer(_format_drift, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _DRIFT.pattern, "examples": ["100ppm"]}),
]
Port = Annotated[int, Field(ge=MIN_PORT, le=MAX_PORT)]
Name = Annotated[str, AfterValidator(_name)]
Host = Annotated[str, AfterValidator(refused_by(check_host))]
User = Annotated[str, AfterValidator(refused_by(check_user))]
Url = Annotated[str, AfterValidator(_url), PlainSerializer(masked_url, when_used="json")]
SecretUrl = Annotated[
    str,
    AfterValidator(_url),
    PlainSerializer(partial(masked_url, path_is_secret=True), when_used="json"),
]
Expression = Annotated[str, AfterValidator(refused_by(expand))]
SecretPath = Annotated[str, AfterValidator(_path)]
PlainPath = Annotated[str, AfterValidator(_plain_path)]
SecretPaths = Annotated[
    tuple[SecretPath, ...],
    Field(max_length=MAX_IDENTITIES),
    BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...]),
]
PlainPaths = Annotated[
    tuple[PlainPath, ...],
    Field(min_length=1, max_length=MAX_IDENTITIES),
    BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...]),
]
VantageName = Annotated[str, AfterValidator(refused_by(check_vantage))]
ProxyCommand = Annotated[str, AfterValidator(_proxy_command)]
Hops = Annotated[
    tuple[Annotated[str, AfterValidator(refused_by(parse_target))], ...],
    Field(max_length=MAX_HOPS),
    BeforeValidator(_one_or_many, json_schema_input_type=str | tuple[str, ...]),
]


def duration_within(low_ns: int, high_ns: int) -> Any:
    """Return the kind of a duration that lies in ``[low_ns, high_ns]``."""
    return AfterValidator(_within(low_ns, high_ns))


#: Exchanges in one burst.
Samples = Annotated[
    Annotated[Literal["auto"], Tag("text")]
    | Annotated[int, Field(ge=MIN_SAMPLES, le=MAX_SAMPLES), Tag("number")],
    Discriminator(lambda value: "text" if value == "auto" else "number"),
]

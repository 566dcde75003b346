"""The web file: TLS and basic auth, a part of the format of Prometheus exporter-toolkit.

Keys that exist there but not here are refused by name: a security setting that is ignored in silence is
worse than one that is missing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pydantic

from skewmon.config.validation_errors import faults_of
from skewmon.config.yaml_positions import Document, Value, parse
from skewmon.errors import ConfigError, Fault
from skewmon.runtime.files import read_text

#: A web file names two users, not two thousand; more is a wrong file.
FILE_BYTES_MAX = 256 * 1024

ClientAuth = Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]

SUPPORTED: Mapping[str, frozenset[str] | None] = {
    "tls_server_config": frozenset(
        {"cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version"}
    ),
    "basic_auth_users": None,  # its keys are user names
}

#: A bcrypt hash: version, cost, 22 characters of salt and 31 of hash.
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}", re.ASCII)


class TlsSettings(pydantic.BaseModel):
    """The ``tls_server_config`` of the file; paths are absolute after reading."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    cert_file: str
    key_file: str
    client_auth_type: ClientAuth = "NoClientCert"
    client_ca_file: str | None = None
    min_version: Literal["TLS12", "TLS13"] = "TLS12"


class _WebFile(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", strict=True)

    tls_server_config: TlsSettings | None = None
    basic_auth_users: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Access to the server; by default every client, without TLS."""

    tls: TlsSettings | None = None
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)  # bcrypt hashes by name


def load_web_config(path: str) -> WebConfig:
    """Return the settings of a web file; raise ConfigError with every error found."""
    text = read_text(path, FILE_BYTES_MAX, wait_s=0)  # also read on the event loop
    return _validated(parse(text, path))


def _validated(document: Document) -> WebConfig:
    """Return the settings of a parsed file; unknown keys are reported first."""
    unsupported = list(_unsupported(document))
    if unsupported:
        raise ConfigError(*unsupported)
    try:
        file = _WebFile.model_validate(document.value)
    except pydantic.ValidationError as error:
        raise ConfigError(*faults_of(document, error)) from None
    faults = [*document.faults, *_contradictions(document, file)]
    if faults:
        raise ConfigError(*faults)
    users = {name: digest.encode() for name, digest in file.basic_auth_users.items()}
    tls = file.tls_server_config
    return WebConfig(_beside(document.source, tls) if tls else None, users)


def _unsupported(document: Document) -> Iterator[Fault]:
    """Yield a fault for every key that skewmon does not act on."""
    for key, value in _items(document.value):
        if key not in SUPPORTED:
            yield _fault(document, (key,), f"{key} is not supported", SUPPORTED)
            continue
        known = SUPPORTED[key]
        for below, _ in _items(value):
            if known is not None and below not in known:
                yield _fault(document, (key, below), f"{key}.{below} is not supported", known)


def _items(value: Value) -> list[tuple[str, Value]]:
    return list(value.items()) if isinstance(value, dict) else []


def _fault(document: Document, path: tuple[str, ...], message: str, known: object) -> Fault:
    line, column = document.position(path, of_key=True)
    names = sorted(known) if isinstance(known, frozenset | dict) else []
    return Fault(message, document.source, line, column, f"supported keys: {', '.join(names)}")


def _contradictions(document: Document, file: _WebFile) -> Iterator[Fault]:
    """Yield settings that are well formed but contradict each other."""
    for name, digest in file.basic_auth_users.items():
        if not _BCRYPT.fullmatch(digest):  # the text is not repeated: it may be the password itself
            line, column = document.position(("basic_auth_users", name))
            hint = f"`htpasswd -nB {name}` makes one" if re.fullmatch(r"[\w.-]+", name) else ""
            yield Fault("expected a bcrypt hash", document.source, line, column, hint)
    tls = file.tls_server_config
    if tls and (tls.client_auth_type != "NoClientCert") != (tls.client_ca_file is not None):
        line, column = document.position(("tls_server_config",), of_key=True)
        message = "client_ca_file and a client_auth_type other than NoClientCert belong together"
        yield Fault(message, document.source, line, column)


def _beside(source: str, tls: TlsSettings) -> TlsSettings:
    """Return the settings with relative paths taken from the directory of the file."""
    base = Path(source).absolute().parent
    paths = {
        name: str(base / value)
        for name in ("cert_file", "key_file", "client_ca_file")
        if (value := getattr(tls, name)) is not None
    }
    return tls.model_copy(update=paths)

"""Secrets in files or credentials that the configuration names; read at each use and never kept."""

from skewmon.config.paths import secret_file
from skewmon.errors import ConfigError, SkewmonError
from skewmon.runtime.files import read_text

#: A secret file is a line or a few; more is a mistake, and memory stays bounded.
SECRET_BYTES_MAX = 64 * 1024


class SecretError(SkewmonError):
    """A file that holds a secret cannot be used."""


def read_secret(name: str) -> str:
    """Return the text of a secret file; raise SecretError, which does not quote it, if that fails."""
    try:
        return read_text(secret_file(name), SECRET_BYTES_MAX, wait_s=0)
    except ConfigError as error:
        raise SecretError(str(error)) from None


def read_headers(path: str) -> dict[str, str]:
    """Return the headers of a file with one ``Name: value`` a line; faults name the line, not its content."""
    headers: dict[str, str] = {}
    for number, line in enumerate(read_secret(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not (name.strip() + value).isprintable():
            raise SecretError(f"line {number} of {path} is not of the form 'Name: value'")
        headers[name.strip()] = value.strip()
    return headers

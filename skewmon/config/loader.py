"""Reads a configuration and names every fault with file, line and column."""

from pathlib import Path

import pydantic

from skewmon.config import limits
from skewmon.config.explain import explain
from skewmon.config.files import open_regular
from skewmon.config.marks import parse
from skewmon.config.schema import Config
from skewmon.errors import ConfigError, Fault


def load(path: str) -> Config:
    """Return the configuration in a file; raise ConfigError with every fault found."""
    return loads(_read(path), path)


def loads(text: str, source: str) -> Config:
    """Return the configuration in a text; relative paths start at the directory of ``source``."""
    document = parse(text, source)
    base = str(Path(source).absolute().parent)
    try:
        config = Config.model_validate(document.value, context={"base": base})
    except pydantic.ValidationError as error:
        raise ConfigError(*explain(document, error)) from None
    if document.faults:
        raise ConfigError(*document.faults)
    return config


def _read(path: str) -> str:
    """Return the text of a file, at most MAX_FILE_BYTES of it."""
    try:
        with open_regular(path) as file:
            data = file.read(limits.MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(path, "there is no such file", "`skewmon config init` writes a first one") from None
    except IsADirectoryError:
        raise _unreadable(path, "this is a directory", "name the file in it") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise _unreadable(path, f"cannot read the file: {reason}") from None
    if len(data) > limits.MAX_FILE_BYTES:
        raise _unreadable(path, f"the file is larger than {limits.MAX_FILE_BYTES // 2**20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
        fault = Fault("this is not UTF-8", path, line, column, "save the file as UTF-8")
        raise ConfigError(fault) from None


def _unreadable(path: str, message: str, hint: str = "") -> ConfigError:
    """Return the error for a file that cannot be had."""
    return ConfigError(Fault(message, path, hint=hint))

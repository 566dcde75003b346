"""Reads a configuration and names every fault with file, line and column."""

from dataclasses import replace
from pathlib import Path

import pydantic

from skewmon.config import limits
from skewmon.config.schema import Config
from skewmon.config.validation_errors import faults_of
from skewmon.config.yaml_positions import parse
from skewmon.errors import ConfigError, MissingFileError
from skewmon.runtime.files import read_text

#: Advice for a configuration that is missing or empty.
FIRST_FILE = "`skewmon config init` writes a first one"


def load(path: str) -> Config:
    """Return the configuration in a file; raise ConfigError with every fault found."""
    try:
        return loads(read_text(path, limits.MAX_FILE_BYTES), path)
    except MissingFileError as error:
        (fault,) = error.faults
        raise MissingFileError(replace(fault, hint=FIRST_FILE)) from None


def loads(text: str, source: str) -> Config:
    """Return the configuration in a text; relative paths start at the directory of ``source``."""
    document = parse(text, source, if_empty=FIRST_FILE)
    try:
        config = Config.model_validate(document.value, context={"base": _base(source)})
    except pydantic.ValidationError as error:
        raise ConfigError(*faults_of(document, error)) from None
    if document.faults:
        raise ConfigError(*document.faults)
    return config


def _base(source: str) -> str:
    """Return the directory at which relative paths start: for a pipe, the working directory."""
    path = Path(source).absolute()
    return str(Path.cwd() if path.is_fifo() else path.parent)

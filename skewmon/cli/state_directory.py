"""The state directory that a command reads: the one named, the configured one, or that of the service."""

from pathlib import Path

from skewmon.cli.main import DEFAULT_CONFIG

#: The service's state directory under systemd; an interactive shell does not have it in STATE_DIRECTORY.
SERVICE_STATE_DIRECTORY = "/var/lib/skewmon"


def state_directory(config_file: str | None, named: str | None, file_name: str) -> str:
    """Return the directory named, else the configured one, else the one of service or user with a file."""
    from skewmon.config.paths import default_state_directory

    if named is not None:
        return named
    configured = _configured(config_file)
    if configured != default_state_directory():
        return configured
    usual = config_file in (None, DEFAULT_CONFIG)  # then it is the service's
    candidates = (SERVICE_STATE_DIRECTORY, configured) if usual else (configured, SERVICE_STATE_DIRECTORY)
    return next((one for one in candidates if _has(one, file_name)), candidates[0])


def _has(directory: str, file_name: str) -> bool:
    """Return whether a directory has the file, or is unreadable, which reading it then reports."""
    try:
        return (Path(directory) / file_name).exists()
    except PermissionError:
        return True


def _configured(config_file: str | None) -> str:
    """Return the state directory of a configuration: the one named, else the usual one if it exists."""
    from skewmon.config.loader import load
    from skewmon.config.paths import default_state_directory

    if config_file is None and not Path(DEFAULT_CONFIG).exists():
        return default_state_directory()
    return load(config_file or DEFAULT_CONFIG).state_directory

"""TLS of the listener, with certificates that may be renewed while it listens."""

import errno
import ssl
import stat
from pathlib import Path

from skewmon.errors import ConfigError, Fault
from skewmon.export.web_config import TlsSettings

_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context of a listener; raise ConfigError if a file is missing or not a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[settings.min_version]
    context.verify_mode = _VERIFY[settings.client_auth_type]
    _load_certificate(context, settings)
    if settings.client_ca_file is not None:
        _load_client_ca(context, settings.client_ca_file)
    return context


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    try:
        # An encrypted key would make OpenSSL ask at the terminal; a daemon has none, so it gets no password.
        for path in (settings.cert_file, settings.key_file):
            _require_regular(path)
        context.load_cert_chain(settings.cert_file, settings.key_file, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        message = f"cannot use {settings.cert_file} with {settings.key_file}: {_reason(error)}"
        hint = "both are PEM files, the key without passphrase, and readable by this user"
        raise ConfigError(Fault(message, hint=hint)) from None


def _load_client_ca(context: ssl.SSLContext, path: str) -> None:
    try:
        _require_regular(path)
        context.load_verify_locations(path)
    except OSError as error:
        raise ConfigError(Fault(f"cannot use {path} as client CA: {_reason(error)}")) from None


def _require_regular(path: str) -> None:
    """Raise OSError for a pipe or device, for which OpenSSL would wait without end."""
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise OSError(errno.EINVAL, "this is not a regular file", path)


def _reason(error: Exception) -> str:
    """Return the reason in words; OpenSSL's own are terse, but search engines know them."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM file").replace("_", " ").lower()
    return (getattr(error, "strerror", None) or str(error)).lower()

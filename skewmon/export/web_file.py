"""The web file, read again whenever it changes, so that certificates can be renewed at run time."""

import ssl
from pathlib import Path

import structlog

from skewmon.errors import ConfigError
from skewmon.export.tls import make_context
from skewmon.export.web_config import TlsSettings, WebConfig, load_web_config

log = structlog.get_logger(__name__)

Stamp = tuple[tuple[int, int, int] | None, ...]


class WebFile:
    """The settings in force. An invalid change is logged once and has no effect.

    Whether there is TLS at all, and which clients must show a certificate, is decided at the start.
    """

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._config = load_web_config(path) if path else WebConfig()
        self._stamp = self._look()
        self._context = make_context(self._config.tls) if self._config.tls else None
        self._listener: ssl.SSLContext | None = self._context
        if self._listener is not None:
            self._listener.sni_callback = self._greet

    @property
    def listener_context(self) -> ssl.SSLContext | None:
        """The context to listen with; every handshake gets the newest certificate."""
        return self._listener

    @property
    def config(self) -> WebConfig:
        """The settings, read again if a file changed."""
        stamp = self._look()
        if stamp != self._stamp and self._path:
            self._stamp = stamp
            self._reread(self._path)
            self._stamp = self._look()
        return self._config

    def _reread(self, path: str) -> None:
        try:
            config = load_web_config(path)
            context = make_context(config.tls) if config.tls else None
        except ConfigError as error:
            log.warning(
                "The web file changed and cannot be used; the old settings stay in force.", error=str(error)
            )
            return
        self._config, self._context = config, context or self._context
        if (context is None) != (self._listener is None):
            log.warning("The web file switches TLS on or off; restart to make it so.")

    def _greet(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Hand the newest certificate to a connection; OpenSSL calls this for every client hello."""
        _ = self.config
        if self._context is not None:
            connection.context = self._context

    def _look(self) -> Stamp:
        """Return the identity of the files' contents: time, size and inode."""
        if self._path is None:
            return ()
        return tuple(_stamp(name) for name in (self._path, *_files(self._config.tls)))


def _files(tls: TlsSettings | None) -> tuple[str, ...]:
    if tls is None:
        return ()
    return (tls.cert_file, tls.key_file, *((tls.client_ca_file,) if tls.client_ca_file else ()))


def _stamp(name: str) -> tuple[int, int, int] | None:
    try:
        found = Path(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

"""``skewmon health``: check that a running daemon answers; made for a container's HEALTHCHECK."""

import click

#: Docker gives a check thirty seconds; a daemon answers this one from memory in a millisecond.
TIMEOUT_S = 5.0

#: The default of ``config/schema.py``, repeated so that the check loads nothing; with TLS or without, because
#: a container's HEALTHCHECK knows neither the configuration nor its web file.
DEFAULT_URLS = ("http://127.0.0.1:10061", "https://127.0.0.1:10061")

EXIT_WELL = 0
EXIT_UNWELL = 1


@click.command()
@click.option("--url", metavar="URL", help=f"URL of the daemon; {DEFAULT_URLS[0]} or the same by https.")
def command(url: str | None) -> int:
    """Check that a running daemon answers.

    Exit code: 0 if it answers /-/healthy, 1 if it does not, 3 for an unusable URL. A daemon that wants a
    password is well: it answered. Its certificate is not verified: nothing secret is sent or read.

    \b
    Example:
      skewmon health --url http://127.0.0.1:10061
    """
    found = []
    for one in DEFAULT_URLS if url is None else (url,):
        code, text = _asked(one)
        if code == EXIT_WELL:
            click.echo(text)
            return EXIT_WELL
        found.append(text)
    click.echo("\n".join(found))
    return EXIT_UNWELL


def _asked(url: str) -> tuple[int, str]:
    """Return the exit code of one URL, and what to print."""
    import http.client
    import ssl
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener

    from skewmon.cli.daemon_client import base_of

    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    opener = build_opener(ProxyHandler({}), HTTPSHandler(context=unverified))
    try:
        with opener.open(f"{base_of(url)}/-/healthy", timeout=TIMEOUT_S) as answer:
            return EXIT_WELL, answer.read(200).decode("utf-8", "replace").strip()
    except HTTPError as error:
        return EXIT_WELL if error.code == 401 else EXIT_UNWELL, f"{url} answers {error.code} {error.reason}."
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        return EXIT_UNWELL, f"No daemon answers at {url}: {getattr(reason, 'strerror', None) or reason}."

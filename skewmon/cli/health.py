"""``skewmon health``: check that a running daemon answers; made for a container's HEALTHCHECK."""

import click

#: Docker gives a check thirty seconds; a daemon answers this one from memory in a millisecond.
TIMEOUT_S = 5.0

#: The default of ``config/schema.py``, repeated so that the check loads nothing.
DEFAULT_URL = "http://127.0.0.1:10061"

EXIT_WELL = 0
EXIT_UNWELL = 1


@click.command()
@click.option("--url", default=DEFAULT_URL, show_default=True, metavar="URL", help="URL of the daemon.")
def command(url: str) -> int:
    """Check that a running daemon answers.

    Exit code: 0 if it answers /-/healthy, 1 if it does not, 3 for an unusable URL. A daemon that wants a
    password is well: it answered. Its certificate is not verified: nothing secret is sent or read.

    \b
    Example:
      skewmon health --url http://127.0.0.1:10061
    """
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
            click.echo(answer.read(200).decode("utf-8", "replace").strip())
            return EXIT_WELL
    except HTTPError as error:
        click.echo(f"{url} answers {error.code} {error.reason}.")
        return EXIT_WELL if error.code == 401 else EXIT_UNWELL
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        click.echo(f"No daemon answers at {url}: {getattr(reason, 'strerror', None) or reason}.")
        return EXIT_UNWELL

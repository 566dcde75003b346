"""The one place that hides secrets in URLs before they are shown, logged or quoted."""

import re
import urllib.parse

#: Stands for what is hidden. It is legal in every part of a URL.
MASK = "***"

#: Words in the name of a query parameter that holds a secret. `sig` and `auth` have many endings.
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|pwd|(?:^|[_.-])pass(?:$|[_.-])|key|auth|cred|sig(?:$|[_.-]|nature)|jwt|bearer"
    r"|session|sid$|otp|(?:^|[_.-])(?:pin|code|hash|hmac|cookie|sas|se|sp|sv)$",
    re.IGNORECASE,
)

#: A value that looks random is a secret under any name: 16 letters and digits mixed, without a dot.
_RANDOM = re.compile(r"(?=[^&]*[0-9])(?=[^&]*[A-Za-z])[A-Za-z0-9_+/=~-]{16,}")

#: A URL in a text ends with a space, a quote or a bracket; a final full stop or comma is the text's.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'<>`|\\^{}\x00-\x1f\x7f]+", re.ASCII)

#: A query without the URL before it, such as the path that a server repeats in an error page.
_PARAMETER = re.compile(r"(?<=[?&;])([^\s\"'<>=&;?#]{1,100})=([^\s\"'<>&;#]+)")


def masked_url(url: str, *, path_is_secret: bool = False) -> str:
    """Return a URL without user and password, secret parameters and fragment.

    The path of a webhook often is its password; with ``path_is_secret`` path and query are hidden whole.
    """
    head, query, fragment = _split(url)
    scheme, separator, rest = head.partition("://")
    place, slash, path = rest.partition("/")
    userinfo, at, host = place.rpartition("@")
    head = scheme + separator + (MASK + at if userinfo else "") + host
    if path_is_secret:
        return f"{head}/{MASK}" if path or query else url
    shown = head + slash + path
    if query is not None:
        shown += "?" + re.sub(r"[^&;]+", lambda part: _masked_parameter(part[0]), query)
    return shown + (f"#{MASK}" if fragment else "")


def masked_text(text: str) -> str:
    """Return a text with every URL and query in it masked."""
    if "://" in text:
        text = _URL.sub(lambda found: masked_url(found[0]), text)
    if "=" in text:
        text = _PARAMETER.sub(lambda found: _masked_parameter(found[0]), text)
    return text


def _split(url: str) -> tuple[str, str | None, str]:
    """Return what stands before the query, the query if there is one, and the fragment."""
    rest, _, fragment = url.partition("#")
    head, mark, query = rest.partition("?")
    return head, query if mark else None, fragment


def _masked_parameter(parameter: str) -> str:
    """Return a parameter with its value masked if name or value look like a secret."""
    name, equals, value = parameter.partition("=")
    plain_name, plain_value = urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(value)
    if not equals:
        return MASK if _RANDOM.fullmatch(plain_name) else parameter
    if value.startswith(MASK):
        return parameter
    secret = value and (_SECRET_NAME.search(plain_name) or _RANDOM.fullmatch(plain_value))
    return f"{name}={MASK}" if secret else parameter

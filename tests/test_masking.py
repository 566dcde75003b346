"""Secrets in URLs reach no page, message or log."""

import pytest
import structlog
from hypothesis import assume, given
from hypothesis import strategies as st

from skewmon.cli.config import summary
from skewmon.config.effective import shown
from skewmon.config.loader import loads
from skewmon.errors import ConfigError
from skewmon.runtime import logs
from skewmon.text import masked_text, masked_url

SECRET = "hunter2"
RANDOM = "9f86d081884c7d659a2feaa0c55ad015"


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://am:9093", "http://am:9093"),
        ("http://am:9093/base/path?env=prod&role=db", "http://am:9093/base/path?env=prod&role=db"),
        (f"http://am:9093/?token={SECRET}", "http://am:9093/?token=***"),
        (f"https://u:{SECRET}@am/x", "https://***@am/x"),
        (f"https://{SECRET}@[2001:db8::1]:9093/x", "https://***@[2001:db8::1]:9093/x"),
        (f"http://h/?a=1&API_Key={SECRET}&b=2", "http://h/?a=1&API_Key=***&b=2"),
        (f"http://h/?%74oken={SECRET}", "http://h/?%74oken=***"),
        (f"http://h/?a=1;X-Auth={SECRET}", "http://h/?a=1;X-Auth=***"),
        (f"http://h/?token={SECRET}&token={SECRET}", "http://h/?token=***&token=***"),
        (f"http://h/?q={RANDOM}", "http://h/?q=***"),
        (f"http://h/?{RANDOM}", "http://h/?***"),
        (f"http://h/#{SECRET}", "http://h/#***"),
        (f"json://u:{SECRET}@h/?+X-Token={SECRET}", "json://***@h/?+X-Token=***"),
        ("http://h/?verbose&token=", "http://h/?verbose&token="),
    ],
)
def test_a_url_keeps_all_but_its_secrets(url: str, masked: str) -> None:
    """Host, path and plain parameters help to find the fault."""
    assert masked_url(url) == masked
    assert masked_url(masked) == masked
    assert masked_text(f"asked '{url}' in vain") == f"asked '{masked}' in vain"


NAMES = (
    "token access_token apikey api-key X-Amz-Signature sig password pwd passwd pass secret client_secret "
    "auth authorization credential jwt bearer session sessionid sid code otp hmac"
)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://chat.example.com", "https://chat.example.com"),
        ("https://chat.example.com/", "https://chat.example.com/"),
        (f"https://chat.example.com/{SECRET}", "https://chat.example.com/***"),
        (f"https://chat.example.com/?k={SECRET}", "https://chat.example.com/***"),
        (f"https://chat.example.com/#{SECRET}", "https://chat.example.com/***"),
        (f"https://u:{SECRET}@chat.example.com", "https://***@chat.example.com"),
    ],
)
def test_a_webhook_keeps_only_its_host(url: str, masked: str) -> None:
    """Path, query and fragment may each be the password."""
    assert masked_url(url, path_is_secret=True) == masked


@pytest.mark.parametrize("name", NAMES.split())
def test_parameters_of_these_names_are_masked(name: str) -> None:
    """The usual names of secrets, in either case."""
    for written in (name, name.upper()):
        assert SECRET not in masked_url(f"http://h/?x=1&{written}={SECRET}")


@given(st.text(max_size=200), st.text("abcdefgh", min_size=12), st.text(max_size=50))
def test_a_secret_is_masked_in_any_text(before: str, secret: str, after: str) -> None:
    """With any text of a server or a node around it."""
    assume(secret not in before + after)
    assert secret not in masked_text(f"{before} http://h/?token={secret} {after}")


CONFIGURATION = f"""
clusters:
  etcd:
    inventory:
      - http_sd: http://cmdb:8080/sd?env=prod&token={SECRET}
alerts:
  alertmanagers: ["http://am:9093/am?token={SECRET}"]
  webhooks:
    - url: https://chat.example.com/hook/{SECRET}?k={SECRET}
"""


def test_the_configuration_is_shown_without_secrets() -> None:
    """That is `config show` and /config; it stays a configuration."""
    config = loads(CONFIGURATION, "f.yml")
    text = shown(config)
    assert SECRET not in text + summary(config)
    assert "http://cmdb:8080/sd?env=prod&token=***" in text
    assert "http://am:9093/am?token=***" in text
    assert "https://chat.example.com/***" in text
    assert shown(loads(text, "f.yml")) == text


@pytest.mark.parametrize(
    "alerts",
    [
        f"alertmanagers: 'http://am/?token={SECRET}'",
        f"alertmanagers: [{{url: 'http://am/ ?token={SECRET}'}}]",
        f"alertmanagers: ['http://u:{SECRET}@am/']",
        f"webhooks: ['http://am/?token={SECRET}']",
        f"webhooks: [{{url: 'http://am/ ?token={SECRET}'}}]",
        f"'http://am/?token={SECRET}': 1",
    ],
)
def test_faults_of_a_configuration_repeat_no_secret(alerts: str) -> None:
    """A URL at the wrong place is quoted, without its secrets."""
    with pytest.raises(ConfigError) as caught:
        loads(f"clusters: {{c: {{nodes: [n1]}}}}\nalerts:\n  {alerts}\n", "f.yml")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("style", ["console", "logfmt", "json"])
def test_logs_carry_no_secret(style: logs.Format, capsys) -> None:
    """From any logger, in any field."""
    try:
        logs.configure("info", style)
        url = f"http://u:{SECRET}@h/x?token={SECRET}"
        structlog.get_logger().warning(f"asked {url}", error=f"{url} did not answer", receiver=url)
    finally:
        structlog.reset_defaults()
    assert SECRET not in capsys.readouterr().err


def test_the_log_links_to_the_section_of_the_runbook(capsys: pytest.CaptureFixture[str]) -> None:
    """The anchor is the alert's name; a password in the address that was configured is still masked."""
    try:
        logs.configure("info", "logfmt")
        structlog.get_logger().warning("alert fires", runbook=f"https://u:{SECRET}@h/runbook#skewmonskewhigh")
    finally:
        structlog.reset_defaults()
    assert "runbook=https://***@h/runbook#skewmonskewhigh" in capsys.readouterr().err

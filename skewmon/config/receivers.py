"""The part of the configuration file that names receivers of alerts."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import Discriminator, Field, Tag, model_validator

from skewmon.config import limits
from skewmon.config.base import Exactly, Spec
from skewmon.config.fields import SecretPath, SecretUrl, Url, refuse


class WebhookSpec(Exactly):
    """A receiver that gets alerts as JSON."""

    choices: ClassVar = ("url", "url_file")

    url: SecretUrl | None = Field(None, description="shown without its path, which often is the password")
    url_file: SecretPath | None = Field(None, description="file or credential that holds the URL")
    headers_file: SecretPath | None = Field(None, description="file of headers, one `Name: value` a line")


class AlertmanagerSpec(Spec):
    """An Alertmanager that requires a login."""

    url: Url = Field(description="its address, with the path under which it is served")
    headers_file: SecretPath | None = Field(None, description="file of headers, one `Name: value` a line")


def _kind_of_alertmanager(value: Any) -> str:
    """Return which of the two forms of an Alertmanager was written."""
    return "mapping" if isinstance(value, dict | AlertmanagerSpec) else "text"


AlertmanagerEntry = Annotated[
    Annotated[Url, Tag("text")] | Annotated[AlertmanagerSpec, Tag("mapping")],
    Discriminator(_kind_of_alertmanager),
]


class AppriseSpec(Spec):
    """A receiver that Apprise supports; its URL is a secret."""

    url_file: SecretPath = Field(description="file or credential that holds one Apprise URL a line")


class AlertsSpec(Spec):
    """The receivers of alerts."""

    alertmanagers: tuple[AlertmanagerEntry, ...] = Field(
        (), max_length=limits.MAX_RECEIVERS, description="URLs, or mappings of url and headers_file"
    )
    webhooks: tuple[WebhookSpec, ...] = Field((), max_length=limits.MAX_RECEIVERS)
    apprise: tuple[AppriseSpec, ...] = Field((), max_length=limits.MAX_RECEIVERS)
    watchdog: bool = Field(
        default=False,
        description="send Alertmanager SkewmonWatchdog, which always fires, for a dead man's switch",
    )

    @model_validator(mode="after")
    def _watchdog_is_sent(self) -> Self:
        if self.watchdog and not self.alertmanagers:
            raise refuse(
                "the watchdog is sent to alertmanagers, and none is listed",
                "add alertmanagers:",
                at="watchdog",
            )
        return self

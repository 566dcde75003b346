"""A vantage in the JSON contract."""

from typing_extensions import TypedDict


class VantageStatus(TypedDict):
    """A vantage that nodes of a cluster are to be measured from, and how well it is known itself.

    The stamps for ``contradicting`` nodes are not used.
    """

    name: str
    success: bool
    reason: str | None
    detail: str | None
    bound_seconds: float | None
    streams: int
    contradicting: list[str]

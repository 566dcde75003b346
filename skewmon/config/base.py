"""The base classes of every mapping in the configuration file."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from skewmon.config.fields import refuse


class Spec(BaseModel):
    """A mapping of the file: frozen, with no key but its own, and nothing converted in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, validate_by_alias=True)


class Exactly(Spec):
    """A mapping that has exactly one of several keys."""

    choices: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [key for key in self.choices if getattr(self, key) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise refuse(f"expected exactly one of {', '.join(self.choices)}, found {found}")
        return self

    @property
    def choice(self) -> str:
        """The key that is given."""
        return next(key for key in self.choices if getattr(self, key) is not None)

"""The part of the configuration file that shares the nodes out over several admin boxes."""

from typing import Self

from pydantic import Field, model_validator

from skewmon.config import limits
from skewmon.config.base import Spec
from skewmon.config.fields import refuse


class ShardSpec(Spec):
    """The share of this admin box in the nodes of every cluster."""

    index: int = Field(ge=0, description="number of this box, counted from 0")
    of: int = Field(ge=1, le=limits.MAX_SHARDS, description="number of boxes that share the nodes")

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.index >= self.of:
            raise refuse(f"expected an index from 0 to {self.of - 1}, found {self.index}", at="index")
        return self

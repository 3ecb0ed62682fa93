"""Where a parameter value comes from: the record that stands beside each value of a preset file."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["ParameterSource"]


class ParameterSource(BaseModel):
    """Source of one value, as a preset or tile file states it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["published", "code", "derived", "measured", "assumed", "tile file"]
    """published: read at the source; code: a constant of a public code base; derived: computed from such;
    measured: by simulation; assumed: nobody's but ours; tile file: the user's own, without a source."""
    source: str
    locator: str = ""
    """Where in the source: figure, file, equation."""
    validity: str = ""

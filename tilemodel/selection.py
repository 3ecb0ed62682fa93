"""What a compact model says of simpler models than the fitted one."""

from typing import Annotated

from pydantic import Field

from tilemodel.config.section import NotNegative, Section

__all__ = ["ModelSelection", "SimplerModel"]


class SimplerModel(Section):
    """The fitted model with some parameters held at their ideal values, and the others fitted again."""

    held: Annotated[dict[str, float], Field(min_length=1)]
    """Parameters and the values that they are held at."""
    f_value: NotNegative | None
    """By what the squared residuals grew a parameter, over their mean in the fitted model; None: no possible fit."""
    p_value: Annotated[float, Field(ge=0, le=1)] | None
    """How often scatter alone gives such a growth where the simpler model is true (F-test)."""
    held_out_rms: NotNegative | None
    """Error in predicting an output that the fit has not seen, of the largest."""
    aicc_change: float | None
    """Of Akaike's criterion, corrected for few data; negative: the simpler model is expected to predict better."""
    suffices: bool


class ModelSelection(Section):
    """Whether a simpler model explains the data as well."""

    significance: Annotated[float, Field(gt=0, lt=1)]
    """A simpler model suffices where its p value is not below this; a true one is rejected this often."""
    held_out_rms: NotNegative
    """Of the fitted model; see `SimplerModel`."""
    without_one: list[SimplerModel]
    """Each fitted parameter held alone, where it has an ideal value."""
    simplest: SimplerModel | None
    """With as many parameters held as do no harm, one after the other; None: every one is needed."""

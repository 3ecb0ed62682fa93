"""How a fit came out, as a compact model keeps it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tilemodel.config.section import NotNegative, Section
from tilemodel.selection import ModelSelection

__all__ = ["FitStatistics", "MeasuredStatistics", "SetStatistics", "TiedValue"]


class _Residuals(Section):
    """Residuals of one data set, model less data, in `unit`."""

    quantity: Literal["charge_line_coulomb", "charge_coulomb", "code_line", "code"]
    unit: Literal["coulomb", "LSB"]
    n_saturated: int
    """Codes left out because a converter was at its end."""
    integration_error_coulomb: NotNegative | None = None
    """Of charges integrated from waveforms: the largest change of one if every second sample is left out."""
    rms: float
    largest: float
    column_mean: list[float | None]
    """One a column (a bit line, if those were the data); None where it has no data."""
    column_rms: list[float | None]
    row_slope: list[float | None]
    """By how much the mean residual of a vector grows with a row's input, from none to a full one."""


class SetStatistics(_Residuals):
    """One of several data sets."""

    name: str
    n_observation: Annotated[int, Field(ge=1)]
    scatter: NotNegative
    """By which the set's outputs are weighted: their standard deviation about the fit, in `unit`."""


class TiedValue(Section):
    """A parameter that is `ratio` times the fitted parameter `source`."""

    source: str
    ratio: float
    value: float


class MeasuredStatistics(_Residuals):
    """What a fit to the user's own data tells beyond `FitStatistics`; residuals are those of the first data set."""

    value: list[float]
    """Of every fitted parameter, also of those that are values of the tile; order of `fitted`, as are the next four."""
    interval_low: list[float | None]
    """95 %, Student's t; None where a parameter is at its bound."""
    interval_high: list[float | None]
    resampled_low: list[float | None]
    """95 %, by resampling the outputs."""
    resampled_high: list[float | None]
    fixed: dict[str, float]
    tied: dict[str, TiedValue] = Field(default_factory=dict)
    at_bound: list[str]
    hardly_separated: list[Annotated[tuple[str, str, float], Field(strict=False)]]
    """Pairs of parameters with a correlation close to +-1."""
    sets: list[SetStatistics] = Field(default_factory=list)
    """Where there were several data sets: each, the first one too."""


class FitStatistics(Section):
    """How a fit came out. Order of `standard_error` and `correlation` is that of `fitted`."""

    fitted: list[str]
    standard_error: list[NotNegative | None]
    """In the unit of each parameter; None where the data gave none (a parameter at its bound)."""
    correlation: list[list[float | None]]
    n_observation: Annotated[int, Field(ge=1)]
    residual_rms_coulomb: NotNegative
    residual_max_coulomb: NotNegative
    residual_max_percent_of_largest_charge: NotNegative
    """Of the largest |charge| of a bit line in the experiment."""
    selection: ModelSelection | None = None
    """Whether fewer parameters would do; None in models of earlier versions."""
    measured: MeasuredStatistics | None = None

    @model_validator(mode="after")
    def _lengths_agree(self) -> Self:
        n = len(self.fitted)
        if len(self.standard_error) != n or [len(row) for row in self.correlation] != [n] * n:
            raise ValueError(f"standard_error and correlation must have the {n} entries of fitted")
        return self

"""The range in which a model's parameters were calibrated, and how far outside a use of it lies."""

import warnings
from typing import Annotated, Self

from pydantic import Field, model_validator

from tilemodel.config.operands import Conductances
from tilemodel.config.section import NotNegative, Positive, Section
from tilemodel.config.tile import TileConfig

__all__ = ["OutsideRangeWarning", "ValidityRange"]

# A range's end is inside
_ROUNDING = 1e-9


class OutsideRangeWarning(UserWarning):
    """A model is used where it was not calibrated."""


class ValidityRange(Section):
    """What the experiment behind a model covered.

    Conductances and rows outside warn. Temperature, supply and all else of the technology must be the calibrated
    tile's (`CompactModel.check_technology` refuses other values); they stand here to be read.
    """

    g_min_siemens: NotNegative
    g_max_siemens: Positive
    n_row_max: int = Field(ge=1)
    """Rows of the largest tile of the experiment. Fewer are no extrapolation: every row loads a line alike."""
    v_read_min_volt: Positive
    v_read_max_volt: Positive
    temperature_celsius: float
    supply_factor: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for low, high in (("g_min_siemens", "g_max_siemens"), ("v_read_min_volt", "v_read_max_volt")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} must not be larger than {high}")
        return self

    @classmethod
    def of_experiment(cls, tile: TileConfig, n_row: list[int], v_read_volt: list[float]) -> Self:
        """The range of an experiment over the whole range of `tile`'s conductances; one entry a condition."""
        return cls(
            g_min_siemens=tile.conductance.g_min_siemens,
            g_max_siemens=tile.conductance.g_max_siemens,
            n_row_max=max(n_row),
            v_read_min_volt=min(v_read_volt),
            v_read_max_volt=max(v_read_volt),
            temperature_celsius=tile.conditions.temperature_celsius,
            supply_factor=tile.conditions.supply_factor,
        )

    def outside(self, conductances: Conductances) -> list[str]:
        """In which ways a tile of `conductances` lies outside, each with its distance; empty cells are none."""
        found = []
        for name, values in conductances.arrays().items():
            used = values[values > 0]
            if not used.size:
                continue
            low, high = float(used.min()), float(used.max())
            if low < self.g_min_siemens * (1 - _ROUNDING):
                found.append(
                    f"{name} falls to {low:g} siemens, {low / self.g_min_siemens:.3g} times the smallest conductance "
                    f"that was calibrated ({self.g_min_siemens:g})"
                )
            if high > self.g_max_siemens * (1 + _ROUNDING):
                found.append(
                    f"{name} rises to {high:g} siemens, {high / self.g_max_siemens:.3g} times the largest conductance "
                    f"that was calibrated ({self.g_max_siemens:g})"
                )
        n_row = len(conductances.g_plus)
        if n_row > self.n_row_max:
            found.append(
                f"the tile has {n_row} rows, {n_row / self.n_row_max:.3g} times the most that were calibrated "
                f"({self.n_row_max})"
            )
        return found

    def warn_outside(self, conductances: Conductances, *, stacklevel: int) -> None:
        """One `OutsideRangeWarning` with everything in which a use lies outside."""
        found = self.outside(conductances)
        if found:
            warnings.warn(
                f"outside the calibrated range, where the model's error is not known: {'; '.join(found)}",
                OutsideRangeWarning,
                stacklevel=stacklevel + 1,
            )

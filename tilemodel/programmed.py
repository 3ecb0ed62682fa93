"""What every kind of programmed tile gives: charges of its bit lines, and their currents tick by tick."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.passes import Pass

__all__ = ["LineCharges", "LineCurrents", "ProgrammedTile"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LineCharges:
    """Charges of a pass and a bound of what is approximated in them; signs as the tile counts charge."""

    charge_coulomb: FloatArray
    """[n_vec, n_line]"""
    error_bound_coulomb: FloatArray
    """[n_vec, n_line], >= 0"""


@dataclass(frozen=True, kw_only=True)
class LineCurrents:
    """Settled clamp currents at rest (entry 0) and during each tick, and the lines' conductance then."""

    current_ampere: FloatArray
    """[n_vec, 1 + n_tick_max, n_line]"""
    conductance_siemens: FloatArray
    """[n_vec, 1 + n_tick_max, n_line]"""
    released_coulomb: FloatArray
    """Charge beyond the settled currents at the pulses' common start, then at the end of each tick (edges of bent
    cells, capacitors, access devices that close), [n_vec, 1 + n_tick_max, n_line]."""
    capacitance_farad: FloatArray
    """Of the lines at rest as seen from their clamps, [n_line]."""
    is_linear: bool
    """Whether currents follow the clamps' voltages in proportion, however far these move."""
    error_bound_coulomb: FloatArray
    """Of the charge that all this adds up to, [n_vec, n_line]."""


class ProgrammedTile(Protocol):
    """A tile with its conductances written."""

    def charges(self, drive: Pass) -> LineCharges:
        """Charges of one pass under an ideal integration."""
        ...

    def currents(self, drive: Pass) -> LineCurrents:
        """Currents of one pass."""
        ...

    def rest_current_ampere(self) -> FloatArray:
        """Currents without a pulse, [n_line]."""
        ...

"""Gated bit lines at a wanted accuracy: exact, or lumped as coarsely as the accuracy allows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.solvers.gated import gated_charges
from tilemodel.solvers.lumped import LumpedLines, lump_lines, lumped_charges

__all__ = ["Accuracy", "GatedCircuit", "GatedLines"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Accuracy = float | None
"""Largest error wanted, as a fraction of the batch's largest ideal |charge| of a column; None: exact."""

# Rows a segment and pulse ends within a group, from coarse to fine
_LEVELS = (
    (64, 64),
    (32, 32),
    (32, 16),
    (24, 16),
    (24, 12),
    (16, 12),
    (16, 8),
    (8, 8),
    (8, 4),
    (4, 4),
    (4, 2),
    (2, 1),
)
# Below this accuracy single precision's rounding counts
_SINGLE_PRECISION = 1e-4


@dataclass(frozen=True, kw_only=True)
class GatedCircuit:
    """What the lines have in common."""

    c_pulse_farad: float
    r_ohm: float
    r_end_ohm: float
    c_farad: float
    v_read_volt: float
    t_lsb_second: float
    lines_per_column: int

    def arguments(self) -> dict[str, float]:
        """As the solvers name them."""
        names = ("c_pulse_farad", "r_ohm", "r_end_ohm", "c_farad", "v_read_volt", "t_lsb_second")
        return {name: getattr(self, name) for name in names}


class GatedLines:
    """Bit lines read at one end, row 0 farthest from it.

    `g` is the active cells' conductance at full voltage [siemens], `curvature` [siemens/volt] and `pulse_charge`
    [coulomb] as in `tilemodel.solvers.gated`; each [n_row, n_line].
    """

    def __init__(
        self,
        g: FloatArray,
        curvature: FloatArray,
        pulse_charge: FloatArray,
        circuit: GatedCircuit,
        accuracy: Accuracy,
        n_tick_max: int,
    ) -> None:
        self._g, self._curvature, self._pulse, self._circuit = g, curvature, pulse_charge, circuit
        self._accuracy = accuracy
        self._lumps: dict[int, LumpedLines] = {}
        self._first_level = 0
        if accuracy is not None:
            self._first_level = self._level_for(accuracy, _spread_ticks(len(g), n_tick_max))

    def charges(self, n_tick: IntArray, allowed_coulomb: float | None) -> tuple[FloatArray, FloatArray]:
        """Charges and the estimated error of lumping [coulomb], each [n_vec, n_line], for `n_tick` [n_vec, n_row].

        Vectors of which a column's estimate exceeds `allowed_coulomb` are computed again, finer, at last exactly;
        None: all are computed exactly.
        """
        charge = np.empty((len(n_tick), self._g.shape[1]))
        error = np.zeros_like(charge)
        pending = np.arange(len(n_tick))
        if allowed_coulomb is not None:
            for level in range(self._first_level, len(_LEVELS)):
                charge[pending], error[pending] = self._lumped(n_tick[pending], level)
                pending = pending[self._of_columns(error[pending]).max(axis=1) > allowed_coulomb]
                if not len(pending):
                    return charge, error
        charge[pending] = gated_charges(
            n_tick[pending],
            self._g,
            curvature=self._curvature,
            pulse_charge=self._pulse,
            **self._circuit.arguments(),
        )
        error[pending] = 0.0
        return charge, error

    def _level_for(self, accuracy: float, n_tick: IntArray) -> int:
        """The coarsest level that is accurate enough for `n_tick`."""
        ideal = n_tick.astype(np.float64) @ self._g * self._circuit.v_read_volt * self._circuit.t_lsb_second
        allowed = accuracy * np.abs(self._differences(ideal)).max(initial=0.0)
        for level in range(len(_LEVELS)):
            _, error = self._lumped(n_tick, level)
            if self._of_columns(error).max() <= allowed:
                return level
        return len(_LEVELS)

    def _lumped(self, n_tick: IntArray, level: int) -> tuple[FloatArray, FloatArray]:
        n_row_segment, n_row_group = _LEVELS[level]
        if n_row_segment not in self._lumps:
            single = self._accuracy is not None and self._accuracy >= _SINGLE_PRECISION
            self._lumps[n_row_segment] = lump_lines(
                self._g, self._curvature, self._pulse, n_row_segment, np.float32 if single else np.float64
            )
        lines = self._lumps[n_row_segment]
        result = lumped_charges(n_tick, lines, n_row_group=n_row_group, **self._circuit.arguments())
        return result.charge, result.time_error + result.space_error + result.rounding_error

    def _differences(self, of_lines: FloatArray) -> FloatArray:
        if self._circuit.lines_per_column == 1:
            return of_lines
        difference: FloatArray = of_lines[:, 0::2] - of_lines[:, 1::2]
        return difference

    def _of_columns(self, error: FloatArray) -> FloatArray:
        summed: FloatArray = error.reshape(len(error), -1, self._circuit.lines_per_column).sum(axis=2)
        return summed


def _spread_ticks(n_row: int, n_tick_max: int) -> IntArray:
    """One vector whose pulses end evenly, in an order without pattern (multiples of the golden section)."""
    return (np.arange(1, n_row + 1) * 0.6180339887498949 % 1.0 * (n_tick_max + 1)).astype(np.int64)[np.newaxis]

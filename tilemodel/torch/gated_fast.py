"""Gated tiles of a layer by mean states (`tilemodel.solvers.mean_states`), as coarsely as an accuracy allows.

Coarser lumpings are held against the finest on a few vectors of each batch. Derivation and errors: docs/mean_states.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.gated_1t1r import cell_conductance
from tilemodel.parameters import GatedParameters
from tilemodel.solvers.mean_states import CellNoise, Lumping, MeanStates
from tilemodel.torch.geometry import Geometry

__all__ = ["FINEST_ACCURACY", "FastTiles", "active_cells"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Real = NDArray[np.floating[Any]]

FINEST_ACCURACY = 5e-4
"""What mean states are good for: the finest that others are compared with err by about 1e-4 of full scale."""

# From coarse to fine, and what each is compared with
_LEVELS = (
    ((Lumping(128, 6), Lumping(64, 6), Lumping(64, 8), Lumping(64, 12)), Lumping(32, 16)),
    ((Lumping(32, 12), Lumping(32, 16)), Lumping(16, 32)),
)
_FOR_GRADIENT = Lumping(64, 6)
# For read noise, in whose variance this errs by less than a percent where wires take half of it
_SEGMENTS_FOR_NOISE, _GROUPS_FOR_NOISE = 8, 6
# Vectors compared: half those with the most ticks, whose wires drop most, the others evenly from the batch
_N_COMPARED = 8
# The largest error of a batch over that of the vectors compared
_MARGIN = 1.5
# w^2 (1 - w) is at most this: what a cell's curvature adds is weighted with it
_CURVATURE = 4.0 / 27.0
# A line's drop with all pulses on, over its mean over a window: at most about this
_PEAK_DROP = 2.0


class FastTiles:
    """Lines of a layer with its memory elements `g` [K, n_row, L] [siemens] written, in arithmetic of their type."""

    def __init__(self, geometry: Geometry, g: Real) -> None:
        self.written = g
        self._geometry, self._parameters = geometry, geometry.parameters
        assert isinstance(self._parameters, GatedParameters)
        north = geometry.line_constants()["north"].astype(bool)
        self._ends = [(lines, step) for lines, step in ((~north, 1), (north, -1)) if lines.any()]
        self._active, self._slope = active_cells(geometry, g.astype(np.float64))
        r, r_end, real = self._parameters.r_bit_line_ohm, geometry.r_end_ohm, g.dtype.type
        self._lines = [
            [MeanStates(active[::step, lines], r, r_end, real) for lines, step in self._ends] for active in self._active
        ]
        self._per_end = self._charges_of_ends(g)

    def charges(self, k: int, ticks: IntArray, accuracy: float) -> Real | None:
        """Charges [coulomb] [n_vec, L] of tile row `k` for `ticks` [n_vec, n_row] >= 0; None where no lumping will do.

        `accuracy` is a fraction of the largest ideal |charge| of a column among the vectors compared.
        """
        compared = ticks[_compared(ticks)]
        for lumpings, finest in _LEVELS:
            fine, ideal = self._solved(k, compared, finest)
            allowed = accuracy * self._largest_column(ideal) - self._left_out(k, fine, ideal)
            for lumping in lumpings:
                rough, _ = self._solved(k, compared, lumping)
                if _MARGIN * self._largest_column(rough - fine) <= allowed:
                    return self._with_ends(k, ticks, *self._solved(k, ticks, lumping))
        return None

    def gradient(self, k: int, ticks: IntArray, pull: Real) -> tuple[Real, Real]:
        """Of sum(pull * charges), `pull` [n_vec, L]: by ticks [n_vec, n_row] and by memory elements [n_row, L]."""
        tile = self._geometry.tile
        by_ticks, by_g = np.zeros(ticks.shape, pull.dtype), np.empty_like(self._active[k], dtype=pull.dtype)
        unit = tile.v_read_volt * tile.drive.t_lsb_second
        for (lines, step), solver in zip(self._ends, self._lines[k], strict=True):
            of_ticks, of_g = solver.gradient(ticks[:, ::step], pull[:, lines] * unit, _FOR_GRADIENT)
            by_ticks += of_ticks[:, ::step]
            by_g[:, lines] = of_g[::step]
        return by_ticks, by_g * self._slope[k].astype(pull.dtype)

    def covariances(self, k: int, ticks: IntArray, pairs: IntArray, of_ticks: Real, of_cells: Real) -> Real:
        """Of the charges a volt and tick between passes, [n_pair, n_vec, L], of `ticks` [n_pass, n_vec, n_row].

        Covariances of the memory elements' means are `pairs`, `of_ticks` and `of_cells` as those of `CellNoise`.
        """
        result = np.zeros((len(pairs), ticks.shape[1], of_cells.shape[-1]), dtype=self.written.dtype)
        slope, at_end = np.where(self.written[k] > 0, self._slope[k], 0.0), self._slope_of_ends(k)
        lumping = Lumping(max(1, min(len(slope) // _SEGMENTS_FOR_NOISE, 64)), _GROUPS_FOR_NOISE)
        for (lines, step), solver in zip(self._ends, self._lines[k], strict=True):
            noise = CellNoise(
                pairs=pairs,
                of_ticks=of_ticks,
                of_cells=of_cells[:, ::step, lines],
                slope=slope[::step, lines],
                at_end=at_end[::step, lines],
            )
            result[:, :, lines] = solver.covariances(ticks[..., ::step], noise, lumping)
        return result

    def _slope_of_ends(self, k: int) -> FloatArray:
        """Of a pulse's end across the whole voltage by the memory element, a volt and tick, [n_row, L]."""
        p, tile, g = self._parameters, self._geometry.tile, self.written[k]
        assert isinstance(p, GatedParameters)
        slope = p.q_pulse_coulomb_per_siemens + 2.0 * p.q_pulse_coulomb_per_siemens2 * g
        unit = tile.v_read_volt * tile.drive.t_lsb_second
        result: FloatArray = np.where(g > 0, slope / unit, 0.0)
        return result

    def _solved(self, k: int, ticks: IntArray, lumping: Lumping) -> tuple[Real, Real]:
        """Conduction a volt and tick, with wires and without, [n_vec, L]."""
        both = np.empty((2, len(ticks), self._active.shape[2]), dtype=self.written.dtype)
        for (lines, step), solver in zip(self._ends, self._lines[k], strict=True):
            if len(self._ends) == 1:
                return solver.charges(ticks[:, ::step], lumping)
            both[:, :, lines] = solver.charges(ticks[:, ::step], lumping)
        return both[0], both[1]

    def _with_ends(self, k: int, ticks: IntArray, charge: Real, ideal: Real) -> Real:
        """In coulomb, with what pulses release at their ends: weighted as conduction is, in the mean."""
        tile = self._geometry.tile
        result: Real = charge * charge.dtype.type(tile.v_read_volt * tile.drive.t_lsb_second)
        if self._per_end is not None:
            ends = (ticks > 0).astype(charge.dtype) @ self._per_end[k]
            result += ends * np.divide(charge, ideal, out=np.ones_like(charge), where=ideal > 0)
        return result

    def _charges_of_ends(self, g: Real) -> Real | None:
        """Of a pulse's end across the whole voltage [coulomb], as `g`; None if there is none."""
        p = self._parameters
        assert isinstance(p, GatedParameters)
        stray = p.c_pulse_farad * self._geometry.tile.v_read_volt
        if not any((p.q_pulse_coulomb, p.q_pulse_coulomb_per_siemens, p.q_pulse_coulomb_per_siemens2, stray)):
            return None
        charge = p.q_pulse_coulomb + g * (p.q_pulse_coulomb_per_siemens + g * p.q_pulse_coulomb_per_siemens2)
        result: Real = np.where(g > 0, charge + stray, 0.0).astype(g.dtype)
        return result

    def _left_out(self, k: int, charge: Real, ideal: Real) -> float:
        """What curved access devices and the lines' capacitors add at most, about, a volt and tick.

        Of the capacitors' squared jumps (docs/gated_1t1r.md) the first, of all rows by the line's drop, is nearly all.
        """
        tile, p = self._geometry.tile, self._parameters
        assert isinstance(p, GatedParameters)
        bend = abs(p.r_access_slope_ohm_per_ampere) * float(self._active[k].max()) ** 2 * tile.v_read_volt
        drop = min(_PEAK_DROP * float((1.0 - charge / np.maximum(ideal, 1e-30)).max(initial=0.0)), 1.0)
        capacitors = 0.5 * tile.wires_in_use.c_bit_line_farad * tile.array.n_row * drop**2 / tile.drive.t_lsb_second
        return _CURVATURE * bend * float(ideal.max(initial=0.0)) + capacitors

    def _largest_column(self, of_lines: Real) -> float:
        difference = of_lines[:, 0::2] - of_lines[:, 1::2] if self._geometry.tile.lines_per_column == 2 else of_lines
        return float(np.abs(difference).max(initial=0.0))


def active_cells(geometry: Geometry, g: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Conductance of active cells at full voltage and its derivative by the memory element's, as `g` [..., L]."""
    parameters = geometry.parameters
    assert isinstance(parameters, GatedParameters)
    curvature, v = parameters.r_access_slope_ohm_per_ampere, geometry.tile.v_read_volt
    factor = np.tile(geometry.chip.access_resistance_factor, geometry.n_tile_out)[:, : g.shape[-1]]
    active = cell_conductance(g, parameters.r_access_ohm * factor, curvature, v)
    # of 1 / active = 1 / g + r + curvature * v * active
    ratio = np.divide(active, g, out=np.ones_like(g), where=g > 0)
    return active, ratio**2 / (1.0 + curvature * v * active**2)


def _compared(ticks: IntArray) -> IntArray:
    half = _N_COMPARED // 2
    most = np.argsort(-ticks.sum(axis=1), kind="stable")[:half]
    evenly = np.linspace(0, len(ticks) - 1, half).astype(np.int64) if len(ticks) else most
    return np.unique(np.concatenate([most, evenly]))

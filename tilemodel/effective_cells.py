"""What each cell of a tile adds to its column, as a function of all conductances: what compensation inverts.

Differences of conductances are in units of the range g_max - g_min, so that a plain weight is its own difference.
"""

from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.cell import RailQuadCell
from tilemodel.config.layout import cell_layout, lines_read_north
from tilemodel.config.mismatch import draw_chip
from tilemodel.config.operands import Conductances, conductances_from_weights
from tilemodel.config.tile import TileConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.linear import LinearTile
from tilemodel.parameters import DrivenParameters, GatedParameters
from tilemodel.solvers.ladder import transfer_adjoint, transfer_to_clamp

__all__ = ["EffectiveCells", "GatedCells", "LinearCells"]

FloatArray = NDArray[np.float64]

# Empty cells are taken at this share of the range, so that theirs of the current is known
_EMPTY = 1e-12


class EffectiveCells(Protocol):
    """The cells of a tile, G+ and G- of each weight."""

    @property
    def g_min_siemens(self) -> float: ...
    @property
    def range_siemens(self) -> float: ...
    def matrix(self, conductances: Conductances) -> FloatArray:
        """Effective matrix in weights, [n_row, n_col]."""
        ...

    def differences(self, conductances: Conductances, target: FloatArray) -> FloatArray:
        """Differences with which the shares of `conductances` give `target`, both [n_row, n_col]."""
        ...

    def conductances(self, differences: FloatArray) -> Conductances:
        """Of differences from -1 to 1, [n_row, n_col], the smaller of a pair at `g_min_siemens`."""
        ...

    def with_pairs(self, g_plus: FloatArray, g_minus: FloatArray) -> Conductances:
        """Of both cells of each weight."""
        ...


class _Cells:
    """What all kinds of cells have in common; `_pair` is the kind's own."""

    def __init__(self, tile: TileConfig) -> None:
        self.tile = tile
        self.g_min_siemens = tile.conductance.g_min_siemens
        self.range_siemens = tile.conductance.g_max_siemens - tile.conductance.g_min_siemens

    def _pair(self, conductances: Conductances) -> tuple[FloatArray, FloatArray]:
        """Current [ampere] per siemens of G+ and of G-, each positive, [n_row, n_col]."""
        raise NotImplementedError

    def _unit_ampere(self) -> float:
        """Of a weight 1 without wires."""
        return self.tile.v_read_volt * self.range_siemens

    def matrix(self, conductances: Conductances) -> FloatArray:
        plus, minus = self._pair(conductances)
        result: FloatArray = (plus * conductances.g_plus - minus * conductances.g_minus) / self._unit_ampere()
        return result

    def differences(self, conductances: Conductances, target: FloatArray) -> FloatArray:
        plus, minus = self._pair(conductances)
        need = target * self._unit_ampere() - (plus - minus) * self.g_min_siemens
        result: FloatArray = need / np.where(need >= 0, plus, minus) / self.range_siemens
        return result

    def conductances(self, differences: FloatArray) -> Conductances:
        return conductances_from_weights(self.tile, differences)

    def with_pairs(self, g_plus: FloatArray, g_minus: FloatArray) -> Conductances:
        if isinstance(self.tile.cell, RailQuadCell):
            return Conductances(g_plus=g_plus, g_minus=g_minus, g_minor_plus=g_plus, g_minor_minus=g_minus)
        return Conductances(g_plus=g_plus, g_minus=g_minus)


class LinearCells(_Cells):
    """Cells that always conduct: the effective matrix is exact."""

    def __init__(self, tile: TileConfig, parameters: DrivenParameters) -> None:
        super().__init__(tile)
        self._parameters = parameters
        self._chip = draw_chip(tile)
        self.has_gradient = parameters.r_row_ohm == 0 and tile.wires.r_driver_ohm == 0
        """Whether rows are ideal, and so the columns apart."""
        self.shares_by_sums = self.has_gradient and tile.lines_per_column == 1
        """Whether the shares depend on G+ + G- alone."""

    def _unit_ampere(self) -> float:
        significance = self.tile.cell.significance if isinstance(self.tile.cell, RailQuadCell) else None
        return super()._unit_ampere() * (1.0 if significance is None else 1.0 + 1.0 / significance)

    def _pair(self, conductances: Conductances) -> tuple[FloatArray, FloatArray]:
        layout = cell_layout(self.tile, conductances)
        g = np.maximum(layout.g_siemens, _EMPTY * self.range_siemens)
        cells = LinearTile(self.tile, replace(layout, g_siemens=g), self._chip, self._parameters)
        share = np.abs(cells.cell_ampere) / g
        if self.tile.lines_per_column == 2:
            return share[0, :, 0::2], share[0, :, 1::2]
        return share[0::2].sum(axis=0), share[1::2].sum(axis=0)

    def differences_of(self, conductances: Conductances) -> FloatArray:
        """The differences that `conductances` have."""
        result: FloatArray = (conductances.g_plus - conductances.g_minus) / self.range_siemens
        return result

    def descent(self, conductances: Conductances, target: FloatArray) -> FloatArray:
        """Gradient of half the squared error of the matrix by the differences, over each cell's own curvature.

        The shares' dependence on all cells of a line comes by the ladder's adjoint: one solution for all cells.
        """
        plus, minus = self._pair(conductances)
        unit = self._unit_ampere()
        error = self.matrix(conductances) - target
        layout = cell_layout(self.tile, conductances)
        swing = np.array(layout.swing_volt) * (self._parameters.v_read_volt / self.tile.v_read_volt)
        of_line = error if self.tile.lines_per_column == 1 else _both_signs(error)
        factor = self._parameters.g_factor
        # a row's two cells change the line's conductance alike, whatever their signs
        pull = np.einsum("k,kil->il", swing, layout.g_siemens) * factor * of_line / unit
        spread = self._adjoint(layout.g_siemens.sum(axis=0) * factor, pull) * factor
        n_cell = len(swing) // 2 if self.tile.lines_per_column == 1 else 1
        by_plus, by_minus = (spread[:, 0::2], spread[:, 1::2]) if self.tile.lines_per_column == 2 else (spread, spread)
        positive = conductances.g_plus >= conductances.g_minus
        own = np.where(positive, plus, minus) / unit
        gradient = own * error + np.where(positive, by_plus, -by_minus) * n_cell
        result: FloatArray = gradient / (own**2 * self.range_siemens)
        return result

    def _adjoint(self, total: FloatArray, pull: FloatArray) -> FloatArray:
        north = lines_read_north(self.tile)
        r, r_end = self._parameters.r_bit_line_ohm, end_resistance_ohm(self.tile)
        ordered, pulled = (np.where(north, values[::-1], values) for values in (total, pull))
        transfer, _ = transfer_to_clamp(ordered, r, r_end)
        gradient = transfer_adjoint(ordered, transfer, pulled, r, r_end)
        result: FloatArray = np.where(north, gradient[::-1], gradient)
        return result


class GatedCells(_Cells):
    """1T1R cells around an operating point: every line's other cells conduct for their share of the time."""

    def __init__(self, tile: TileConfig, parameters: GatedParameters, activity: FloatArray) -> None:
        super().__init__(tile)
        self._parameters, self._activity = parameters, activity[:, np.newaxis]
        self._access = parameters.r_access_ohm * draw_chip(tile).access_resistance_factor

    def _pair(self, conductances: Conductances) -> tuple[FloatArray, FloatArray]:
        # numba takes half a second that linear tiles need not pay
        from tilemodel.gated_1t1r import cell_conductance

        tile, parameters, v = self.tile, self._parameters, self.tile.v_read_volt
        memory = np.maximum(cell_layout(tile, conductances).g_siemens[0], _EMPTY * self.range_siemens)
        active = cell_conductance(memory, self._access, parameters.r_access_slope_ohm_per_ampere, v)
        north = lines_read_north(tile)
        mean = self._activity * active
        ordered = np.where(north, mean[::-1], mean)
        transfer, _ = transfer_to_clamp(ordered, parameters.r_bit_line_ohm, end_resistance_ohm(tile))
        share = v * active / memory * np.where(north, transfer[::-1], transfer)
        return share[:, 0::2], share[:, 1::2]


def _both_signs(error: FloatArray) -> FloatArray:
    """Of columns to their lines: as it is for G+, negative for G-."""
    result: FloatArray = np.stack([error, -error], axis=-1).reshape(len(error), -1)
    return result

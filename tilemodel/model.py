"""The fast tile model: the cheapest exact way for the network that the tile is."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, line_conductances, line_count, lines_read_north
from tilemodel.config.tile import RailPairCell, TileConfig
from tilemodel.output import TileOutput, tile_output
from tilemodel.parameters import GatedParameters, RailPairParameters, parameters_from_tile
from tilemodel.solvers.ladder import transfer_to_clamp
from tilemodel.solvers.settling import settling_time_bound_second
from tilemodel.version import VERSION

__all__ = ["TileModel", "ideal_charge"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class _ProgrammedTile(Protocol):
    """A tile with its conductances written: ticks [n_vec, n_row] to charges [n_vec, n_line]."""

    def charges(self, ticks: IntArray) -> FloatArray: ...


class TileModel:
    """A tile programmed with `conductances`, ready to multiply.

    `parameters` default to what the tile file states; a calibrated tile gives its fitted ones
    (`CompactModel.tile_model`). Raises `InputError` for a tile that the model does not cover: transistors
    without calibration, parameters of another cell, a window or tick too short for the bit line to settle.
    """

    def __init__(
        self,
        tile: TileConfig,
        conductances: Conductances,
        parameters: RailPairParameters | GatedParameters | None = None,
    ) -> None:
        self.tile = tile
        self.conductances = conductances
        self.parameters = parameters if parameters is not None else parameters_from_tile(tile)
        expected = (tile.array.n_row, tile.array.n_col)
        if conductances.g_plus.shape != expected:
            raise InputError(
                f"conductances: expected [n_row, n_col] = {list(expected)}, got {list(conductances.g_plus.shape)}"
            )
        _refuse_unsettled(tile, self.parameters.r_bit_line_ohm)
        self._programmed: _ProgrammedTile
        if isinstance(self.parameters, RailPairParameters) and isinstance(tile.cell, RailPairCell):
            self._programmed = RailPairTile(tile, conductances, self.parameters)
        elif isinstance(self.parameters, GatedParameters) and not isinstance(tile.cell, RailPairCell):
            self._programmed = GatedTile(tile, conductances, self.parameters)
        else:
            raise InputError(
                f"parameters of a {self.parameters.kind} tile were given to the {tile.cell.kind} tile {tile.name}"
            )

    def charges(self, ticks: IntArray) -> FloatArray:
        """Charge of every bit line [coulomb], [n_vec, n_line], for `ticks` [n_vec, n_row]."""
        if ticks.ndim != 2 or ticks.shape[1] != self.tile.array.n_row:
            raise InputError(f"ticks: expected [n_vec, n_row = {self.tile.array.n_row}], got {list(ticks.shape)}")
        return self._programmed.charges(ticks)

    def mvm(self, ticks: IntArray) -> TileOutput:
        """Charges and codes of a batch `ticks` [n_vec, n_row] (`ticks_from_inputs` makes and checks them)."""
        provenance: dict[str, Any] = {
            "engine": f"tilemodel {VERSION}",
            "conductances_sha256": self.conductances.sha256(),
            "parameters": self.parameters.model_dump(mode="json"),
        }
        return tile_output(self.tile, self.charges(ticks), provenance)


class RailPairTile:
    """q = x W_eff + offset: exact for any wire resistance and capacitance (docs/rail_pair.md)."""

    def __init__(self, tile: TileConfig, conductances: Conductances, parameters: RailPairParameters) -> None:
        assert isinstance(tile.cell, RailPairCell)
        north = lines_read_north(tile)
        total = _far_end_first(conductances.g_plus + conductances.g_minus, north)
        transfer, y_in = transfer_to_clamp(total, parameters.r_bit_line_ohm)
        difference = conductances.g_plus - conductances.g_minus
        self.w_eff_coulomb_per_tick: FloatArray = (
            difference * _far_end_first(transfer, north) * (parameters.v_read_volt * tile.pwm.t_lsb_second)
        )
        """[n_row, n_col]"""
        y_clamp = y_in
        self.offset_coulomb: FloatArray = y_clamp * (
            (tile.cell.v_common_volt - parameters.v_clamp_volt) * tile.t_window_second
        )
        """[n_col], the clamp's deviation from the common voltage through the whole line for the whole window."""

    def charges(self, ticks: IntArray) -> FloatArray:
        result: FloatArray = ticks.astype(np.float64) @ self.w_eff_coulomb_per_tick + self.offset_coulomb
        return result


class GatedTile:
    """Event by event (docs/gated_1t1r.md)."""

    def __init__(self, tile: TileConfig, conductances: Conductances, parameters: GatedParameters) -> None:
        self._tile, self._parameters = tile, parameters
        self._north = lines_read_north(tile)
        g_memory = line_conductances(tile, conductances)
        self._g = cell_conductance(g_memory, parameters, tile.v_read_volt)
        self._curvature = parameters.r_access_slope_ohm_per_ampere * self._g**3
        self._pulse = (
            parameters.q_pulse_coulomb
            + parameters.q_pulse_coulomb_per_siemens * g_memory
            + parameters.q_pulse_coulomb_per_siemens2 * g_memory**2
        )

    def charges(self, ticks: IntArray) -> FloatArray:
        from tilemodel.solvers.gated import gated_charges  # numba: half a second that rail_pair need not pay

        tile, parameters = self._tile, self._parameters
        charge = np.empty((len(ticks), line_count(tile)))
        for lines, step in ((~self._north, 1), (self._north, -1)):
            if not lines.any():
                continue
            charge[:, lines] = gated_charges(
                ticks[:, ::step],
                self._g[::step, lines],
                curvature=self._curvature[::step, lines],
                pulse_charge=self._pulse[::step, lines],
                c_pulse_farad=parameters.c_pulse_farad,
                r_ohm=parameters.r_bit_line_ohm,
                c_farad=tile.wires.c_bit_line_farad,
                v_read_volt=tile.v_read_volt,
                t_lsb_second=tile.pwm.t_lsb_second,
            )
        return charge


def cell_conductance(g_memory: FloatArray, parameters: GatedParameters, v_volt: float) -> FloatArray:
    """Conductance of active cells at the voltage `v_volt`: i = v / (1/G + r_access + slope i), solved for i / v."""
    slope = parameters.r_access_slope_ohm_per_ampere
    linear = g_memory / (1.0 + g_memory * parameters.r_access_ohm)
    # slope i^2 + (1/linear) i - v = 0, written without cancellation
    result: FloatArray = 2.0 * linear / (1.0 + np.sqrt(1.0 + 4.0 * slope * linear**2 * v_volt))
    return result


def ideal_charge(tile: TileConfig, conductances: Conductances, ticks: IntArray) -> FloatArray:
    """The ideal MAC [coulomb], [n_vec, n_col]: no wires, no access device, no clamp offset."""
    per_tick = (conductances.g_plus - conductances.g_minus) * (tile.v_read_volt * tile.pwm.t_lsb_second)
    result: FloatArray = ticks.astype(np.float64) @ per_tick
    return result


def _far_end_first(per_cell: FloatArray, north: NDArray[np.bool_]) -> FloatArray:
    """Reverse the rows of lines read at their north end (and, applied again, back)."""
    return np.where(north, per_cell[::-1], per_cell)


def _refuse_unsettled(tile: TileConfig, r_bit_line_ohm: float) -> None:
    needed = settling_time_bound_second(tile.array.n_row, r_bit_line_ohm, tile.wires.c_bit_line_farad)
    if tile.read_out.t_tail_second < needed:
        raise InputError(
            f"tile {tile.name} [read_out]: t_tail_second = {tile.read_out.t_tail_second:g} may cut the tail; "
            f"the model needs at least {needed:.3g} s for {tile.array.n_row} rows"
        )
    if not isinstance(tile.cell, RailPairCell) and tile.pwm.t_lsb_second < needed:
        raise InputError(
            f"tile {tile.name} [pwm]: t_lsb_second = {tile.pwm.t_lsb_second:g} is too short for the bit line to settle "
            f"between pulse ends; the model needs at least {needed:.3g} s for {tile.array.n_row} rows"
        )

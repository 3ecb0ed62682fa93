"""The fast tile model: the cheapest exact way for the network that the tile is."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, check_conductances, check_ticks, ticks_sha256
from tilemodel.config.tile import RailPairCell, TileConfig
from tilemodel.gated_1t1r import GatedTile
from tilemodel.output import TileOutput, tile_output
from tilemodel.parameters import GatedParameters, RailPairParameters, parameters_from_tile
from tilemodel.rail_pair import RailPairTile
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
        check_conductances(tile, conductances)
        _refuse_unsettled(tile, self.parameters.r_bit_line_ohm)
        self._programmed: _ProgrammedTile
        if isinstance(self.parameters, RailPairParameters) and isinstance(tile.cell, RailPairCell):
            self._programmed = RailPairTile(tile, tile.cell, conductances, self.parameters)
        elif isinstance(self.parameters, GatedParameters) and not isinstance(tile.cell, RailPairCell):
            self._programmed = GatedTile(tile, conductances, self.parameters)
        else:
            raise InputError(
                f"parameters of a {self.parameters.kind} tile were given to the {tile.cell.kind} tile {tile.name}"
            )

    def charges(self, ticks: IntArray) -> FloatArray:
        """Charge of every bit line [coulomb], [n_vec, n_line], for `ticks` [n_vec, n_row].

        Raises `InputError` for anything but integers that the tile can apply (`ticks_from_inputs` makes them).
        """
        check_ticks(self.tile, ticks)
        charges = self._programmed.charges(ticks)
        if not np.isfinite(charges).all():
            raise InputError(f"tile {self.tile.name}: its parameters are so large that charges are not finite")
        return charges

    def mvm(self, ticks: IntArray) -> TileOutput:
        """Charges and codes of a batch `ticks` [n_vec, n_row]; raises as `charges`."""
        provenance: dict[str, Any] = {
            "engine": f"tilemodel {VERSION}",
            "conductances_sha256": self.conductances.sha256(),
            "ticks_sha256": ticks_sha256(ticks),
            "parameters": self.parameters.model_dump(mode="json"),
        }
        return tile_output(self.tile, self.charges(ticks), provenance)


def ideal_charge(tile: TileConfig, conductances: Conductances, ticks: IntArray) -> FloatArray:
    """The ideal MAC [coulomb], [n_vec, n_col]: no wires, no access device, no clamp offset."""
    per_tick = (conductances.g_plus - conductances.g_minus) * (tile.v_read_volt * tile.pwm.t_lsb_second)
    result: FloatArray = ticks.astype(np.float64) @ per_tick
    return result


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

"""The fast tile model: the cheapest exact way for the network that the tile is."""

from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tilemodel.code_product import CodeProduct, is_code_product
from tilemodel.config.cell import GatedCell, LinearDevice
from tilemodel.config.errors import InputError
from tilemodel.config.layout import CellLayout, cell_layout
from tilemodel.config.mismatch import ChipDraw, draw_chip
from tilemodel.config.operands import Conductances, check_conductances, check_ticks, combine_lines, ticks_sha256
from tilemodel.config.passes import Pass, tile_passes
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import PassOutput, converter_bank, read_pass
from tilemodel.coverage import refuse_uncovered
from tilemodel.linear import LinearTile
from tilemodel.output import TileOutput, tile_output
from tilemodel.parameters import AnyParameters, DrivenParameters, GatedParameters, parameters_from_tile
from tilemodel.programmed import LineCurrents, ProgrammedTile
from tilemodel.ramp_read_out import RampReadOutParameters
from tilemodel.version import VERSION

__all__ = ["TileModel", "ideal_charge", "ideal_line_current_ampere"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class TileModel:
    """A tile programmed with `conductances`, ready to multiply.

    `parameters` default to what the tile file states; a calibrated tile gives its fitted ones, and what their fit
    left unexplained as `error_bound_coulomb_per_row` of a bit line (`CompactModel.tile_model`); `read_out` is the
    fitted law of a transistor-level read-out. `accuracy` is the error that may be traded for speed, as a fraction of
    the batch's largest ideal |charge|: gated tiles are then lumped (docs/lumped.md), the others are exact at their
    price anyway. Raises `InputError` for a tile that the model does not cover (`tilemodel.coverage`): transistors
    without calibration, parameters of another cell, a window or tick too short for the wires to settle, combinations
    without a solver; and for an `accuracy` outside 0 to 0.1.
    """

    def __init__(
        self,
        tile: TileConfig,
        conductances: Conductances,
        parameters: AnyParameters | None = None,
        *,
        read_out: RampReadOutParameters | None = None,
        error_bound_coulomb_per_row: float = 0.0,
        accuracy: float | Literal["exact"] = "exact",
    ) -> None:
        self.tile = tile
        self.conductances = conductances
        self.parameters = parameters if parameters is not None else parameters_from_tile(tile)
        check_conductances(tile, conductances)
        refuse_uncovered(tile, self.parameters, read_out)
        check_accuracy(accuracy)
        self.accuracy = accuracy
        self._read_out = read_out
        self._fit_bound = error_bound_coulomb_per_row * tile.array.n_row
        self._chip = draw_chip(tile)
        self._bank = converter_bank(tile)
        cells = cell_layout(tile, conductances)
        self._programmed = _programmed(tile, cells, self._chip, self.parameters, accuracy)
        self._products: dict[type[np.floating], CodeProduct] = {}

    @property
    def solver(self) -> str:
        """How the tile is solved: `linear` (effective matrix), `gated` (one pass an event) or `network`."""
        return {"LinearTile": "linear", "GatedTile": "gated"}.get(type(self._programmed).__name__, "network")

    @property
    def programmed(self) -> ProgrammedTile:
        """The tile with its conductances written, as its solver wants them."""
        return self._programmed

    @cached_property
    def _conductances_sha256(self) -> str:
        return self.conductances.sha256()

    def programmed_with(self, conductances: Conductances) -> "TileModel":
        """The same tile and parameters with other conductances."""
        bound = self._fit_bound / self.tile.array.n_row
        return TileModel(
            self.tile,
            conductances,
            self.parameters,
            read_out=self._read_out,
            error_bound_coulomb_per_row=bound,
            accuracy=self.accuracy,
        )

    def passes(self, ticks: IntArray) -> list[PassOutput]:
        """What every pass of `ticks` [n_vec, n_row] gives, before the converters.

        Raises `InputError` for anything but integers that the tile can apply (`ticks_from_inputs` makes them).
        """
        check_ticks(self.tile, ticks)
        drives = tile_passes(self.tile, ticks)
        programmed = self._within_accuracy(ticks, drives)
        outputs = [read_pass(self.tile, self._chip, self._bank, programmed, drive, self._read_out) for drive in drives]
        if not all(np.isfinite(output.charge_line_coulomb.sum()) for output in outputs):
            raise InputError(f"tile {self.tile.name}: its parameters are so large that charges are not finite")
        return outputs

    def _within_accuracy(self, ticks: IntArray, drives: list[Pass]) -> ProgrammedTile:
        """The programmed tile, lumped so that all passes together keep to the accuracy."""
        if self.accuracy == "exact":
            return self._programmed
        # numba takes half a second that exact linear tiles need not pay
        from tilemodel.gated_1t1r import GatedTile

        if not isinstance(self._programmed, GatedTile):
            return self._programmed
        full_scale = float(np.abs(ticks.astype(np.float64) @ self._ideal_coulomb_per_tick).max(initial=0.0))
        weight = sum(abs(drive.factor) for drive in drives)
        return self._programmed.within(self.accuracy * full_scale / weight)

    @cached_property
    def _ideal_coulomb_per_tick(self) -> FloatArray:
        return ideal_coulomb_per_tick(self.tile, self.conductances)

    def currents(self, drive: Pass) -> LineCurrents:
        """Settled clamp currents tick by tick, under ideal clamps."""
        return self._programmed.currents(drive)

    def charges(self, ticks: IntArray) -> FloatArray:
        """Charge of every bit line [coulomb], [n_vec, n_line], for `ticks` [n_vec, n_row]; raises as `passes`."""
        return _sum([output.drive.factor * output.charge_line_coulomb for output in self.passes(ticks)])

    def codes(self, ticks: IntArray, dtype: type[np.floating] = np.float64) -> IntArray:
        """Codes alone, [n_vec, n_col], the quickest way; raises as `passes`, and for an ideal converter.

        A linear tile whose converters are linear costs one product in `dtype` and its rounding. float32 takes half
        the time and puts levels that lie within its rounding of a step on the other side. All others ignore `dtype`.
        """
        product = self._products.get(dtype)
        if product is None:
            if not (isinstance(self._programmed, LinearTile) and is_code_product(self.tile, self._bank)):
                code = self.mvm(ticks).code
                if code is None:
                    raise InputError(f"tile {self.tile.name}: an ideal converter has no codes; give [adc] another kind")
                return code
            product = self._products[dtype] = CodeProduct(self.tile, self._programmed, self._bank, dtype)
        if not product.takes(ticks):
            check_ticks(self.tile, ticks)  # says why
        return product(ticks)

    def mvm(self, ticks: IntArray) -> TileOutput:
        """Charges and codes of a batch `ticks` [n_vec, n_row]; raises as `passes`."""
        return self.converted(ticks, self.passes(ticks))

    def converted(self, ticks: IntArray, outputs: list[PassOutput], **provenance_of_noise: Any) -> TileOutput:
        """Charges and codes of passes of `ticks`, as `passes` gives them or with noise added."""
        provenance: dict[str, Any] = {
            "engine": f"tilemodel {VERSION}",
            "solver": self.solver,
            "accuracy": self.accuracy,
            "conductances_sha256": self._conductances_sha256,
            "ticks_sha256": ticks_sha256(ticks),
            "parameters": self.parameters.model_dump(mode="json"),
            "read_out": None if self._read_out is None else self._read_out.model_dump(mode="json"),
            **provenance_of_noise,
        }
        bound = _sum([abs(output.drive.factor) * (output.error_bound_coulomb + self._fit_bound) for output in outputs])
        return tile_output(self.tile, outputs, provenance, error_bound_line_coulomb=bound)


def ideal_line_current_ampere(tile: TileConfig, conductances: Conductances) -> FloatArray:
    """Current a row of pulse height 1 adds without wires, access device or offset, [n_row, n_line]."""
    cells = cell_layout(tile, conductances)
    if tile.is_gated:
        gated: FloatArray = cells.g_siemens[0] * tile.v_read_volt
        return gated
    driven: FloatArray = np.einsum("k,kil->il", np.array(cells.swing_volt), cells.g_siemens)
    return driven


def ideal_charge(tile: TileConfig, conductances: Conductances, ticks: IntArray) -> FloatArray:
    """The ideal MAC [coulomb], [n_vec, n_col]: no wires, no access device, no curvature, no clamp offset."""
    result: FloatArray = ticks.astype(np.float64) @ ideal_coulomb_per_tick(tile, conductances)
    return result


def ideal_coulomb_per_tick(tile: TileConfig, conductances: Conductances) -> FloatArray:
    """What a tick on a row adds to the ideal MAC [coulomb], [n_row, n_col]."""
    ratio = getattr(tile.read_out.circuit, "ratio", 1.0)
    per_tick: FloatArray = combine_lines(tile, ideal_line_current_ampere(tile, conductances))
    return ratio * tile.drive.t_lsb_second * per_tick


def check_accuracy(accuracy: float | Literal["exact"]) -> None:
    """Raise `InputError` unless `accuracy` is "exact" or lies above 0 and below 0.1."""
    if accuracy != "exact" and not (isinstance(accuracy, float | int) and 0 < accuracy < 0.1):
        raise InputError(f"accuracy: expected 'exact' or a fraction of full scale between 0 and 0.1, got {accuracy!r}")


def _programmed(
    tile: TileConfig,
    cells: CellLayout,
    chip: ChipDraw,
    parameters: AnyParameters,
    accuracy: float | Literal["exact"],
) -> ProgrammedTile:
    """The cheapest exact way: effective matrix, one pass an event, or relaxation; lumped if `accuracy` allows."""
    if isinstance(parameters, DrivenParameters) and parameters.is_ohmic:
        return LinearTile(tile, cells, chip, parameters)
    # numba takes half a second that linear tiles need not pay
    from tilemodel.gated_1t1r import GatedTile
    from tilemodel.network import NetworkTile

    ideal_rails = tile.wires.r_row_ohm == 0 and tile.wires.r_driver_ohm == 0
    equal = ideal_rails and not chip.clamp_offset_volt.any()
    ohmic = isinstance(tile.cell.device, LinearDevice) and tile.cell.device.polarity_asymmetry == 0
    if isinstance(tile.cell, GatedCell) and isinstance(parameters, GatedParameters) and ohmic and equal:
        return GatedTile(tile, cells, chip, parameters, None if accuracy == "exact" else accuracy)
    return NetworkTile(tile, cells, chip, parameters)


def _sum(parts: list[FloatArray]) -> FloatArray:
    total: FloatArray = np.sum(parts, axis=0)
    return total

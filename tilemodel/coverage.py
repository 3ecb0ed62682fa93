"""What the fast model does not cover, refused with its reason."""

from tilemodel.config.cell import GatedCell, GatedPairCell, LinearDevice
from tilemodel.config.errors import InputError
from tilemodel.config.read_out import IdealClamp, IntegratorReadOut, MirrorReadOut, ResistiveClamp, Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import converter_bank
from tilemodel.ends import end_resistance_ohm
from tilemodel.parameters import AnyParameters, DrivenParameters, GatedParameters
from tilemodel.ramp_read_out import RampReadOutParameters
from tilemodel.solvers.settling import settling_time_bound_second

__all__ = ["refuse_outside_layers", "refuse_uncovered"]


def refuse_uncovered(
    tile: TileConfig, parameters: AnyParameters, read_out: RampReadOutParameters | None = None
) -> None:
    """Raise `InputError` for a tile, or parameters, that no part of the model covers."""
    expected = tile.cell.kind if isinstance(tile.cell, GatedCell | GatedPairCell) else "driven"
    if parameters.kind != expected:
        raise InputError(f"parameters of a {parameters.kind} tile were given to the {tile.cell.kind} tile {tile.name}")
    _refuse_read_out(tile)
    if isinstance(tile.read_out.circuit, Sky130RampReadOut) and read_out is None:
        raise InputError(
            f"tile {tile.name}: the fast model does not know the read-out's clamp and converter; "
            "run `tilemodel calibrate TILE.toml -o MODEL.json` once and give MODEL.json"
        )
    if tile.read_out.window == "cut":
        _refuse_cut_window(tile, parameters)
    else:
        _refuse_unsettled(tile, parameters.r_bit_line_ohm)
    if tile.is_gated:
        _refuse_short_ticks(tile, parameters.r_bit_line_ohm)


def _rails_resist(tile: TileConfig) -> bool:
    return tile.wires.r_row_ohm > 0 or tile.wires.r_driver_ohm > 0


def refuse_outside_layers(tile: TileConfig, parameters: AnyParameters) -> None:
    """Raise `InputError` for a tile that the layers of `tilemodel.torch` do not cover (docs/torch.md)."""
    ohmic = isinstance(tile.cell.device, LinearDevice) and tile.cell.device.polarity_asymmetry == 0
    driven = isinstance(parameters, DrivenParameters) and parameters.is_ohmic
    if not (driven or (isinstance(parameters, GatedParameters) and ohmic)):
        raise InputError(f"tile {tile.name}: tilemodel.torch covers linear tiles and gated_1t1r with Ohmic elements")
    if not driven and _rails_resist(tile):
        raise InputError(
            f"tile {tile.name}: tilemodel.torch needs ideal rows where cells are gated; set r_row_ohm and "
            "r_driver_ohm to 0"
        )
    if not isinstance(tile.read_out.circuit, IdealClamp | ResistiveClamp) or tile.read_out.window != "settled":
        raise InputError(
            f"tile {tile.name}: tilemodel.torch covers read-outs of kind 'ideal' and 'resistive' with a settled window"
        )
    if not driven and tile.mismatch is not None and tile.mismatch.clamp_offset_sigma_volt:
        raise InputError(f"tile {tile.name}: tilemodel.torch needs clamps that agree where cells are gated")
    if tile.drive.sign == "unsigned":
        raise InputError(
            f"tile {tile.name}: drive.sign = 'unsigned' takes no negative inputs, which networks have; use "
            "'two_phase' or, with driven rows, 'polarity'"
        )


def _refuse_read_out(tile: TileConfig) -> None:
    circuit = tile.read_out.circuit
    if isinstance(circuit, Sky130RampReadOut) and _rails_resist(tile):
        raise InputError(
            f"tile {tile.name} [read_out.circuit]: transistor-level clamps act on each other through row conductors "
            "with resistance, which the model does not cover; set r_row_ohm and r_driver_ohm to 0"
        )
    if isinstance(circuit, IntegratorReadOut) and _rails_resist(tile):
        raise InputError(
            f"tile {tile.name} [read_out.circuit]: an integrator's virtual grounds act on each other through row "
            "conductors with resistance, which the model does not cover; set r_row_ohm and r_driver_ohm to 0, or take "
            "a resistive clamp"
        )
    voltage = isinstance(circuit, IntegratorReadOut | MirrorReadOut)
    if voltage and converter_bank(tile).input == "current":
        raise InputError(
            f"tile {tile.name} [adc]: an oscillator with i_half_ampere takes the bit line's current, not the charge "
            f"of a {circuit.kind} read-out; take an ideal or resistive clamp, or leave i_half_ampere out"
        )


def _refuse_cut_window(tile: TileConfig, parameters: AnyParameters) -> None:
    circuit = tile.read_out.circuit
    linear = isinstance(parameters, DrivenParameters) and parameters.is_ohmic
    if not linear or _rails_resist(tile):
        raise InputError(
            f"tile {tile.name} [read_out]: window = 'cut' is covered for driven, Ohmic cells on ideal row conductors; "
            "set window = 'settled' and give t_tail_second the time that it needs"
        )
    if not isinstance(circuit, IdealClamp | ResistiveClamp) or converter_bank(tile).input == "current":
        raise InputError(
            f"tile {tile.name} [read_out]: window = 'cut' is covered for the charge into a clamp; set window = "
            f"'settled' with a {circuit.kind} read-out and this converter"
        )


def settling_need_second(tile: TileConfig, r_bit_line_ohm: float) -> float:
    """Time that the tile's wires need to settle [s]."""
    wires, array = tile.wires_in_use, tile.array
    n_line = array.n_col * tile.lines_per_column
    bit_line = settling_time_bound_second(array.n_row, r_bit_line_ohm, wires.c_bit_line_farad, end_resistance_ohm(tile))
    row = settling_time_bound_second(n_line, wires.r_row_ohm, wires.c_row_farad, wires.r_driver_ohm)
    return max(bit_line, row)


def _refuse_unsettled(tile: TileConfig, r_bit_line_ohm: float) -> None:
    needed = settling_need_second(tile, r_bit_line_ohm)
    if tile.read_out.t_tail_second < needed:
        raise InputError(
            f"tile {tile.name} [read_out]: t_tail_second = {tile.read_out.t_tail_second:g} may cut the tail; "
            f"the model needs at least {needed:.3g} s for {tile.array.n_row} rows, or window = 'cut'"
        )


def _refuse_short_ticks(tile: TileConfig, r_bit_line_ohm: float) -> None:
    needed = settling_need_second(tile, r_bit_line_ohm)
    if tile.drive.t_lsb_second < needed:
        raise InputError(
            f"tile {tile.name} [drive]: t_lsb_second = {tile.drive.t_lsb_second:g} is too short for wires to settle "
            f"between pulse ends; the model needs at least {needed:.3g} s for {tile.array.n_row} rows"
        )

"""A tile with all but one of its non-idealities taken away, as a `TileModel` of its own."""

from typing import Any, Literal

from tilemodel.config.adc import IdealAdc
from tilemodel.config.cell import GatedCell, LinearDevice, SubcktDevice
from tilemodel.config.operands import Conductances
from tilemodel.config.read_out import IdealClamp, MirrorReadOut, ReadOutCircuit, ReadOutConfig, ResistiveClamp
from tilemodel.config.tile import TileConfig
from tilemodel.config.wires import WireConfig
from tilemodel.model import TileModel
from tilemodel.parameters import AnyParameters, DrivenParameters

__all__ = ["Part", "parts_of", "settled_and_cut", "tables_with_only", "tile_with_only", "with_tables"]

Part = Literal["wires", "access", "driver", "clamp", "device", "adc"]

_SEGMENTS = ("r_bit_line_ohm", "r_row_ohm", "r_terminal_ohm")
_CAPACITANCES = ("c_bit_line_farad", "c_row_farad")


def parts_of(tile: TileConfig, parameters: AnyParameters) -> list[Part]:
    """The parts in which `tile` is not ideal, each of which `tile_with_only` can switch on alone."""
    wires, clamp = _wire_values(tile.wires, parameters), tile.read_out
    present: dict[Part, bool] = {
        "wires": any(wires[name] > 0 for name in _SEGMENTS),
        "access": tile.is_gated,
        "driver": tile.wires.r_driver_ohm > 0,
        "clamp": _ideal_read_out(tile).model_copy(update=_timing(clamp)) != clamp,
        "device": _bends(tile, parameters),
        "adc": not isinstance(tile.adc, IdealAdc),
    }
    return [part for part, is_there in present.items() if is_there]


def tile_with_only(
    tile: TileConfig, conductances: Conductances, parameters: AnyParameters, part: Part | None
) -> TileModel:
    """`tables_with_only` of the tile, programmed."""
    variant, left = tables_with_only(tile, parameters, part)
    return TileModel(variant, conductances, left)


def tables_with_only(
    tile: TileConfig, parameters: AnyParameters, part: Part | None
) -> tuple[TileConfig, AnyParameters]:
    """`tile` with `part` as it is and everything else ideal (all of it for None), and its parameters.

    Ideal: wires, drivers and access devices without resistance, capacitance or charges; Ohmic devices; a clamp at
    the common voltage that takes all charge (a mirror keeps its ratio); no converter; no mismatch.
    """
    variant = with_tables(
        tile,
        wires=_wires(tile, part),
        cell=tile.cell if part == "device" else _ohmic(tile),
        read_out=tile.read_out.model_copy(update={"window": "settled"}) if part == "clamp" else _ideal_read_out(tile),
        adc=tile.adc if part == "adc" else IdealAdc(kind="ideal"),
        mismatch=None,
    )
    return variant, _parameters(tile, parameters, part)


def settled_and_cut(
    tile: TileConfig, conductances: Conductances, parameters: AnyParameters
) -> tuple[TileModel, TileModel]:
    """The analog tile whose window holds the whole tail, and as it is; both without converter and mismatch.

    Without capacitance a linear tile gives the charge that a window of any length >= the tail gives: the same clamp
    offset is integrated for the same time.
    """
    cut = with_tables(tile, adc=IdealAdc(kind="ideal"), mismatch=None)
    settled = with_tables(
        cut,
        wires=tile.wires.model_copy(update=dict.fromkeys(_CAPACITANCES, 0.0)),
        read_out=tile.read_out.model_copy(update={"window": "settled"}),
    )
    return TileModel(settled, conductances, parameters), TileModel(cut, conductances, parameters)


def with_tables(tile: TileConfig, **tables: Any) -> TileConfig:
    """`tile` with other tables, validated again. (A copy would keep what the old tile has cached.)"""
    return TileConfig(**{**{name: getattr(tile, name) for name in TileConfig.model_fields}, **tables})


def _wire_values(wires: WireConfig, parameters: AnyParameters) -> dict[str, float]:
    """Resistances [ohm], the calibrated ones where there are any."""
    values: dict[str, float] = {name: getattr(wires, name) for name in _SEGMENTS}
    return values | {name: getattr(parameters, name) for name in _SEGMENTS if hasattr(parameters, name)}


def _wires(tile: TileConfig, part: Part | None) -> WireConfig:
    """Where the window cuts the tail, wires come without capacitance: the cut is a contribution of its own."""
    off = {"r_driver_ohm", *_SEGMENTS, *_CAPACITANCES}
    if part == "wires":
        off -= {*_SEGMENTS, *(() if tile.read_out.window == "cut" else _CAPACITANCES)}
    elif part == "driver":
        off -= {"r_driver_ohm"}
    return tile.wires.model_copy(update=dict.fromkeys(off, 0.0))


def _bends(tile: TileConfig, parameters: AnyParameters) -> bool:
    """Whether memory elements are other than the resistors that they are programmed as."""
    device = tile.cell.device
    if isinstance(parameters, DrivenParameters):
        return not parameters.is_ohmic or parameters.g_factor != 1 or isinstance(device, SubcktDevice)
    return not isinstance(device, LinearDevice) or device.polarity_asymmetry > 0


def _ohmic(tile: TileConfig) -> Any:
    return tile.cell.model_copy(update={"device": LinearDevice(kind="linear", polarity_asymmetry=0.0)})


def _ideal_read_out(tile: TileConfig) -> ReadOutConfig:
    """An ideal clamp; the voltage of a `gated_1t1r` tile's clamp is its read voltage and stays."""
    read_out, cell = tile.read_out, tile.cell
    circuit: ReadOutCircuit = IdealClamp(kind="ideal")
    if isinstance(read_out.circuit, MirrorReadOut):
        circuit = read_out.circuit.model_copy(update={"r_clamp_ohm": 0.0})
    elif isinstance(read_out.circuit, ResistiveClamp) and read_out.circuit.r_clamp_ohm == 0:
        circuit = read_out.circuit
    v_clamp = read_out.v_clamp_volt if isinstance(cell, GatedCell) else cell.v_common_volt
    return read_out.model_copy(update={"window": "settled", "circuit": circuit, "v_clamp_volt": v_clamp})


def _timing(read_out: ReadOutConfig) -> dict[str, object]:
    return {"window": read_out.window, "t_tail_second": read_out.t_tail_second}


def _parameters(tile: TileConfig, parameters: AnyParameters, part: Part | None) -> AnyParameters:
    """The real values of `part`; else no resistance, no charge, the tile file's voltages."""
    if isinstance(parameters, DrivenParameters):
        ideal: dict[Part, dict[str, Any]] = {
            "wires": {"r_bit_line_ohm": 0.0, "r_row_ohm": 0.0},
            "clamp": {"v_read_volt": tile.v_read_volt, "v_clamp_volt": _ideal_read_out(tile).v_clamp_volt},
            "device": {"g_factor": 1.0, "device_curvature_per_volt2": 0.0, "polarity_asymmetry": 0.0},
        }
        off = {key: value for name, values in ideal.items() if name != part for key, value in values.items()}
        return parameters.model_copy(update=off)
    names = set(type(parameters).model_fields) - {"kind"}
    if part == "access":
        names = {"r_bit_line_ohm"}
    elif part == "wires":
        names -= {"r_bit_line_ohm"}
    return parameters.model_copy(update=dict.fromkeys(names, 0.0))

"""The model less one quantity, for what a target cannot represent."""

from collections.abc import Callable, Iterator
from typing import Any

from tilemodel.config.adc import LINE_KEYS, LinearAdc, lines_differ
from tilemodel.config.cell import LinearDevice
from tilemodel.config.read_out import IdealClamp, ResistiveClamp
from tilemodel.config.tile import TileConfig
from tilemodel.exports.probe import NOISE_KINDS, Probe
from tilemodel.exports.target import Loss
from tilemodel.parameters import AnyParameters, DrivenParameters
from tilemodel.variants import with_tables

__all__ = ["losses"]

Without = Callable[[TileConfig, AnyParameters], tuple[TileConfig, AnyParameters, str] | None]


def losses(probe: Probe, done: dict[str, str]) -> tuple[Loss, ...]:
    """A `Loss` for each quantity of `done` (what the target does with it) that the model has.

    Quantities: `row wires`, `row drivers`, `line ends`, `device`, `access`, `window`, `mismatch`, `adc`, `adc law` (a
    linear converter's gain, offset and INL), `adc lines` (values of each line's own), and the tables of `[noise]`.
    """
    return (*_of_circuit(probe, done), *_of_noise(probe, done), *_of_converter(probe, done))


def _of_circuit(probe: Probe, done: dict[str, str]) -> Iterator[Loss]:
    for quantity, without in _WITHOUT.items():
        if quantity not in done:
            continue
        variant = without(probe.tile, probe.model.parameters)
        if variant is not None:
            tile, parameters, value = variant
            errors = probe.errors_without(tile, parameters)
            yield Loss(quantity=quantity, value=value, done=done[quantity], errors=errors)


def _of_noise(probe: Probe, done: dict[str, str]) -> Iterator[Loss]:
    noise = probe.tile.noise
    for kind in NOISE_KINDS:
        table = None if noise is None else getattr(noise, kind)
        if table is not None and kind in done:
            what = getattr(table, "kind", "")
            value = f"[noise.{kind}]" + (f", {what}" if what else "")
            errors = probe.errors_of_noise([kind])
            yield Loss(quantity=f"noise: {kind}", value=value, done=done[kind], errors=errors)


def _of_converter(probe: Probe, done: dict[str, str]) -> Iterator[Loss]:
    adc = probe.tile.adc
    if "adc" in done and adc.kind != "ideal":
        yield Loss(quantity="converter", value=f"[adc] {adc.kind}", done=done["adc"], errors=None)
    if "adc law" in done and isinstance(adc, LinearAdc) and (adc.gain != 1 or adc.offset_lsb != 0 or any(adc.inl_lsb)):
        value = f"gain {adc.gain:g}, offset {adc.offset_lsb:g} LSB, {len(adc.inl_lsb)} knots of INL"
        yield Loss(quantity="converter gain, offset, INL", value=value, done=done["adc law"], errors=None)
    if "adc lines" in done and lines_differ(adc):
        value = "[adc] " + ", ".join(key for key in LINE_KEYS if getattr(adc, key, ()))
        yield Loss(quantity="converters that differ", value=value, done=done["adc lines"], errors=None)


def _row_wires(tile: TileConfig, parameters: AnyParameters) -> tuple[TileConfig, AnyParameters, str] | None:
    fitted = isinstance(parameters, DrivenParameters)
    r_ohm = parameters.r_row_ohm if isinstance(parameters, DrivenParameters) else tile.wires_in_use.r_row_ohm
    if r_ohm == 0:
        return None
    wires = tile.wires.model_copy(update={"r_row_ohm": 0.0})
    bare = parameters.model_copy(update={"r_row_ohm": 0.0}) if fitted else parameters
    return with_tables(tile, wires=wires), bare, f"{r_ohm:g} ohm a cell"


def _row_drivers(tile: TileConfig, parameters: AnyParameters) -> tuple[TileConfig, AnyParameters, str] | None:
    r_ohm = tile.wires.r_driver_ohm
    if r_ohm == 0:
        return None
    return with_tables(tile, wires=tile.wires.model_copy(update={"r_driver_ohm": 0.0})), parameters, f"{r_ohm:g} ohm"


def _line_ends(tile: TileConfig, parameters: AnyParameters) -> tuple[TileConfig, AnyParameters, str] | None:
    clamp = tile.read_out.circuit
    r_clamp = clamp.r_clamp_ohm if isinstance(clamp, ResistiveClamp) else 0.0
    total = r_clamp + tile.wires.r_terminal_ohm
    if total == 0:
        return None
    read_out = tile.read_out
    if isinstance(clamp, ResistiveClamp):
        read_out = read_out.model_copy(update={"circuit": IdealClamp(kind="ideal")})
    wires = tile.wires.model_copy(update={"r_terminal_ohm": 0.0})
    return with_tables(tile, wires=wires, read_out=read_out), parameters, f"{total:g} ohm a bit line"


def _device(tile: TileConfig, parameters: AnyParameters) -> tuple[TileConfig, AnyParameters, str] | None:
    ohmic = LinearDevice(kind="linear", polarity_asymmetry=0.0)
    straight: dict[str, Any] = {"g_factor": 1.0, "device_curvature_per_volt2": 0.0, "polarity_asymmetry": 0.0}
    if isinstance(parameters, DrivenParameters):
        if parameters.is_ohmic and parameters.g_factor == 1:
            return None
        bare: AnyParameters = parameters.model_copy(update=straight)
        value = (
            f"curvature {parameters.device_curvature_per_volt2:g} / V^2, factor {parameters.g_factor:g}, "
            f"asymmetry {parameters.polarity_asymmetry:g}"
        )
    else:
        if tile.cell.device == ohmic:
            return None
        bare, value = parameters, f"[cell.device] {tile.cell.device.kind}"
    return with_tables(tile, cell=tile.cell.model_copy(update={"device": ohmic})), bare, value


def _access(tile: TileConfig, parameters: AnyParameters) -> tuple[TileConfig, AnyParameters, str] | None:
    if isinstance(parameters, DrivenParameters):
        return None
    names = set(type(parameters).model_fields) - {"kind", "r_bit_line_ohm"}
    values = ", ".join(f"{name} {getattr(parameters, name):.4g}" for name in sorted(names) if getattr(parameters, name))
    return tile, parameters.model_copy(update=dict.fromkeys(names, 0.0)), values


def _window(tile: TileConfig, parameters: AnyParameters) -> tuple[TileConfig, AnyParameters, str] | None:
    if tile.read_out.window != "cut":
        return None
    settled = tile.read_out.model_copy(update={"window": "settled"})
    no_capacitance = tile.wires.model_copy(update={"c_bit_line_farad": 0.0, "c_row_farad": 0.0})
    value = f"tail of {tile.read_out.t_tail_second:g} s, cut"
    return with_tables(tile, read_out=settled, wires=no_capacitance), parameters, value


def _mismatch(tile: TileConfig, parameters: AnyParameters) -> tuple[TileConfig, AnyParameters, str] | None:
    if tile.mismatch is None:
        return None
    return with_tables(tile, mismatch=None), parameters, f"[mismatch], seed {tile.mismatch.seed}"


_WITHOUT: dict[str, Without] = {
    "row wires": _row_wires,
    "row drivers": _row_drivers,
    "line ends": _line_ends,
    "device": _device,
    "access": _access,
    "window": _window,
    "mismatch": _mismatch,
}

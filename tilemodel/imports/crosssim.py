"""CrossSim 3.2's parameters: its balanced core, one pass of the inputs, resistive wires, a rounding converter.

Names and defaults are those of its `CrossSimParameters`. Of the classes that our export adds (`TileDevice`, `TileADC`)
the values are those of its `crosssim_tile.json`.
"""

from collections.abc import Mapping
from typing import Any

from tilemodel.config.errors import InputError
from tilemodel.imports.configuration import Configuration, Quantizer
from tilemodel.imports.values import Values

__all__ = ["from_crosssim"]

_SOURCE = "CrossSim 3.2"
_CALIBRATED = 1
_ADC, _DEVICE = "TileADC", "TileDevice"
_WEIGHTS = "core.mapping.weights"
_INPUTS = "core.mapping.inputs.mvm"


def from_crosssim(content: Mapping[str, Any], classes: Mapping[str, Any] | None = None) -> Configuration:
    """Read a whole or partial configuration; `classes`: the values of our classes, where it names them.

    Raises `InputError` naming a setting that cannot be computed here.
    """
    values = Values(content)
    added = _added(values, classes)
    _refuse_others(values)
    one_line = bool(values.get("core.balanced.interleaved_posneg", False))
    r_row, r_bit, r_end = _wires(values)
    if one_line and r_row > 0:
        raise InputError("xbar.array.parasitics.Rp_row: interleaved arrays with row wires cannot be computed here")
    g_max = 1 / values.number("xbar.device.Rmin", 1000.0, lowest=1e-6)
    infinite = bool(values.get("xbar.device.infinite_on_off_ratio", False))
    g_min = 0.0 if infinite else 1 / values.number("xbar.device.Rmax", 10000.0, lowest=1e-6)
    if g_min >= g_max:
        raise InputError(f"xbar.device: Rmax ({1 / g_min:g} ohm) must be larger than Rmin ({1 / g_max:g} ohm)")
    return Configuration(
        source=_SOURCE,
        one_line=one_line,
        g_min_siemens=g_min,
        g_max_siemens=g_max,
        stretch_weights=_stretches(values),
        r_bit_line_ohm=r_bit,
        r_row_ohm=r_row,
        r_terminal_ohm=r_end,
        both_ends=False,
        half_last_segment=False,
        clamp_offset_volt=None if added is None else added.number("clamp_offset_volt", 0.0),
        clamp_share=0.0 if added is None else added.number("clamp_share", 0.0),
        input_bits=_input_bits(values),
        converter=_converter(values) if added is None else _added_converter(added),
        subtract_before_converter=one_line or bool(values.get("core.balanced.subtract_current_in_xbar", True)),
        programming_sigma=_sigma(values, "programming_error"),
        read_sigma=_sigma(values, "read_noise"),
        defaults=tuple(values.defaults),
    )


def _added(values: Values, classes: Mapping[str, Any] | None) -> Values | None:
    """The values of `TileADC`; None for CrossSim's own converters."""
    place = "xbar.adc.mvm.model"
    if values.get(place, "IdealADC") != _ADC:
        return None
    if classes is None:
        raise InputError(f"{place} = {_ADC!r}: its values are missing; keep crosssim_tile.json of the export beside it")
    return Values(classes)


def _added_converter(added: Values) -> Quantizer | None:
    """`TileADC` as levels at equal steps. Raises `InputError` for any other of its laws."""
    if added.get("converter", None) is None:
        return None
    kind = added.refuse_unless("converter.kind", None, "linear", "cco")
    for name in ("level_offset", "inl", "phase", "curve_per_cycle", "odd"):
        if added.has(f"converter.{name}") and added.get(f"converter.{name}", 0):
            raise InputError(f"crosssim_tile.json: converter.{name} cannot be computed here; only equal steps from 0")
    per_output = added.number("converter.code_per_output", 0.0, lowest=1e-300)
    added.refuse_unless("converter.level_per_output", per_output, per_output)
    smallest, largest = (int(added.number(f"converter.{name}", 0.0)) for name in ("smallest", "largest"))
    return Quantizer(
        lowest=smallest / per_output,
        highest=largest / per_output,
        n_step=largest - smallest,
        rounding="nearest" if kind == "linear" else "toward_zero",
    )


def _refuse_others(values: Values) -> None:
    values.refuse_unless("core.style", 1, 1)
    values.refuse_unless("core.balanced.style", 1, 1)
    values.refuse_unless("core.complex_matrix", False, False)
    values.refuse_unless("xbar.dac.mvm.input_bitslicing", False, False)
    values.refuse_unless("xbar.array.Icol_max", 0, 0)
    values.refuse_unless("xbar.array.parasitics.current_from_input", True, True)
    values.refuse_unless("xbar.device.cell_bits", 0, 0)
    values.refuse_unless("xbar.device.nonlinear_IV.enable", False, False)
    values.refuse_unless("xbar.device.drift_error.enable", False, False)


def _stretches(values: Values) -> bool:
    percentile = values.get(f"{_WEIGHTS}.percentile", None if values.has(f"{_WEIGHTS}.max") else 1.0)
    if percentile is not None:
        if percentile != 1:
            raise InputError(f"{_WEIGHTS}.percentile = {percentile!r}: cannot be computed here; only 1")
        return True
    values.refuse_unless(f"{_WEIGHTS}.max", 1.0, 1, 1.0)
    values.refuse_unless(f"{_WEIGHTS}.min", -1.0, -1, -1.0)
    return False


def _wires(values: Values) -> tuple[float, float, float]:
    place = "xbar.array.parasitics"
    if not values.get(f"{place}.enable", False):
        return 0.0, 0.0, 0.0
    row, column, end = (
        values.number(f"{place}.{name}", 0.0, lowest=0.0) for name in ("Rp_row", "Rp_col", "Rp_col_terminal")
    )
    if values.number(f"{place}.Rp_row_terminal", 0.0) != 0:
        raise InputError(f"{place}.Rp_row_terminal: lies in the wrong place in CrossSim 3.2; set it to 0")
    if row == column == 0:
        return 0.0, 0.0, 0.0  # it leaves out the ends too then
    return row, column, end


def _input_bits(values: Values) -> int | None:
    for name, default in (("percentile", None), ("min", -1.0), ("max", 1.0)):
        values.refuse_unless(f"{_INPUTS}.{name}", default, default)
    model = values.refuse_unless("xbar.dac.mvm.model", "IdealDAC", "IdealDAC", "SignMagnitudeDAC")
    bits = int(values.number("xbar.dac.mvm.bits", 0, lowest=0))
    return None if model == "IdealDAC" or bits == 0 else bits


def _converter(values: Values) -> Quantizer | None:
    place = "xbar.adc.mvm"
    model = values.refuse_unless(f"{place}.model", "IdealADC", "IdealADC", "QuantizerADC", "SignMagnitudeADC")
    bits = int(values.number(f"{place}.bits", 0, lowest=0))
    if model == "IdealADC" or bits == 0:
        return None
    values.refuse_unless(f"{place}.stochastic_rounding", False, False)
    values.refuse_unless(f"{place}.adc_range_option", _CALIBRATED, _CALIBRATED)
    limits = values.get(f"{place}.calibrated_range", [])
    if not (isinstance(limits, list) and len(limits) == 2 and limits[0] < limits[1]):
        raise InputError(f"{place}.calibrated_range: expected [lowest, highest], got {limits!r}")
    n_step = 2**bits - (2 if model == "SignMagnitudeADC" else 1)
    return Quantizer(lowest=float(limits[0]), highest=float(limits[1]), n_step=n_step, rounding="nearest")


def _sigma(values: Values, name: str) -> float:
    place = f"xbar.device.{name}"
    if not values.get(f"{place}.enable", False):
        return 0.0
    values.refuse_unless(f"{place}.model", "IdealDevice", "NormalIndependentDevice", _DEVICE)
    return values.number(f"{place}.magnitude", 0.0, lowest=0.0)

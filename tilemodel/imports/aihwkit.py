"""aihwkit's `forward` parameters with IR drop, and the conductances of its noise model's converter."""

from collections.abc import Mapping
from math import log2
from typing import Any

from tilemodel.config.errors import InputError
from tilemodel.imports.configuration import Configuration, Quantizer
from tilemodel.imports.values import Values

__all__ = ["from_aihwkit"]

_SOURCE = "aihwkit 1.1"
_V_COMMON, _V_READ = 0.4, 0.2  # hard-coded there [volt]
_TICK_SECOND = 1e-9


def from_aihwkit(content: Mapping[str, Any]) -> Configuration:
    """Read our aihwkit.json or an `rpu_config` as plain values. Raises `InputError` for what is not computed here."""
    values = Values(content)
    values.refuse_unless("forward.mv_type", "ONE_PASS", "ONE_PASS", "AnalogMVType.ONE_PASS", "OnePass")
    values.refuse_unless("forward.ir_drop", 0.0, 0, 1)
    if values.get("forward.is_perfect", False):
        raise InputError("forward.is_perfect: there is nothing to check in a perfect product")
    g_max = 1e-6 * values.number("conductance.g_max_microsiemens", 25.0, lowest=1e-9)
    g_min = 1e-6 * values.number("conductance.g_min_microsiemens", 0.0, lowest=0.0)
    input_bits = _input_bits(values)
    has_wires = values.number("forward.ir_drop", 0.0) > 0
    ours = values.has("line.r_end_ohm")  # the tile of our export ends its lines as the tile does
    clamp = values.number("forward.ir_drop_v_read", _V_COMMON) if has_wires else _V_COMMON
    return Configuration(
        source=_SOURCE,
        one_line=True,
        g_min_siemens=g_min,
        g_max_siemens=g_max,
        stretch_weights=True,
        r_bit_line_ohm=values.number("forward.ir_drop_rs", 0.15, lowest=0.0) if has_wires else 0.0,
        r_row_ohm=0.0,
        r_terminal_ohm=values.number("line.r_end_ohm", 0.0, lowest=0.0) if ours and has_wires else 0.0,
        both_ends=True,
        half_last_segment=not ours,
        clamp_offset_volt=clamp - _V_COMMON,
        clamp_share=(clamp - _V_COMMON) / _V_READ * _window_ratio(input_bits),
        input_bits=input_bits,
        converter=_converter(values, g_max - g_min, g_max, input_bits) if has_wires else None,
        subtract_before_converter=True,
        programming_sigma=0.0,
        read_sigma=0.0,
        defaults=tuple(values.defaults),
    )


def _window_ratio(input_bits: int | None) -> float:
    """It integrates for the longest pulse and one tick."""
    n_tick = 127 if input_bits is None else 2 ** (input_bits - 1) - 1
    return (n_tick + 1) / n_tick


def _input_bits(values: Values) -> int | None:
    resolution = values.number("forward.inp_res", 1 / 126)
    if resolution <= 0:
        return None
    steps = 1 / resolution if resolution < 1 else resolution
    bits = log2(steps + 2)
    if abs(bits - round(bits)) > 1e-6:
        raise InputError(f"forward.inp_res: expected 1 / (2**bits - 2), got {resolution!r}")
    return round(bits)


def _converter(values: Values, span: float, g_max: float, input_bits: int | None) -> Quantizer | None:
    """Its oscillators count cycles of f = `adc_frequency` GHz at 100 uA in whole numbers, toward zero."""
    if not values.get("forward.adc_quantization", True):
        resolution, bound = values.number("forward.out_res", -1.0), values.number("forward.out_bound", -1.0)
        if resolution <= 0 or bound <= 0:
            return None
        n_step = round(1 / resolution if resolution < 1 else resolution)
        largest = bound * span / g_max
        return Quantizer(lowest=-largest, highest=largest, n_step=n_step, rounding="nearest")
    if input_bits is None:
        raise InputError("forward.inp_res: without a resolution there is no longest pulse to count over")
    hertz_per_ampere = values.number("forward.adc_frequency", 6.24, lowest=1e-9) * 1e9 / 100e-6
    n_tick = 2 ** (input_bits - 1) - 1
    step = 1 / (hertz_per_ampere * g_max * _V_READ * n_tick * _TICK_SECOND)
    n_half = 2**40
    if values.has("oscillator.count_max"):  # the tile of our export
        n_half = int(values.number("oscillator.count_max", n_half, lowest=1))
        values.refuse_unless("oscillator.phase_cycle", 0.0, 0)
    return Quantizer(lowest=-n_half * step, highest=n_half * step, n_step=2 * n_half, rounding="toward_zero")

"""Converters: the charge of a bit line to a code, one converter a line; a column's codes are combined digitally.

The laws are derived in docs/converters.md.
"""

from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from tilemodel.config.adc import LINE_KEYS, AdcConfig, CcoAdc, IdealAdc, LinearAdc, QuantizingAdc, RampAdc, SarAdc
from tilemodel.config.conditions import MismatchConfig
from tilemodel.config.errors import InputError
from tilemodel.config.section import Section

__all__ = ["STREAM", "ConverterBank", "largest_code", "lsb_coulomb", "quantize", "ramp_levels"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

STREAM = 0xADC
"""What this module adds to a chip's seed, so that no other module draws the same numbers."""


class ConverterBank:
    """The converters of `n_line` bit lines: one design, `adc`, with its lines' own values and the mismatch of a seed.

    `signed` converters take charges of both signs (`rail_pair`), the others none below 0 (`gated_1t1r`).
    Without values of their own and `mismatch` all lines are alike. Raises `InputError` where a draw leaves no
    converter, and where `adc` has values of another number of lines.
    """

    def __init__(self, adc: AdcConfig, mismatch: MismatchConfig | None, n_line: int, signed: bool) -> None:
        self.adc = adc
        self.n_line = n_line
        self.signed = signed
        # One child stream a quantity: none moves when another is switched on or when lines are added at the end
        streams = np.random.default_rng([0 if mismatch is None else mismatch.seed, STREAM]).spawn(3)
        deviates = [stream.standard_normal for stream in streams]
        self.gain_line: FloatArray = _of_lines(adc, "gain_line", n_line, 1.0)
        """[n_line], 1 where all are alike."""
        self.offset_line_lsb: FloatArray = _of_lines(adc, "offset_line_lsb", n_line, 0.0)
        """[n_line], beyond that of all; cycles for a CCO."""
        self._inl_line_lsb = _of_lines(adc, "inl_line_lsb", n_line, 0.0)
        unit_sigma = 0.0
        if mismatch is not None:
            self.gain_line = self.gain_line * (1 + mismatch.adc_gain_sigma * deviates[0](n_line))
            self.offset_line_lsb = self.offset_line_lsb + mismatch.adc_offset_sigma_lsb * deviates[1](n_line)
            unit_sigma = mismatch.adc_unit_capacitor_sigma
        _refuse_unless_positive(self.gain_line, "adc_gain_sigma", "a converter's gain")
        self.bit_weight_lsb: FloatArray | None = None
        """[n_line, adc_bits] of a SAR converter, least significant bit first."""
        if isinstance(adc, SarAdc):
            self.bit_weight_lsb = _bit_weights(adc.adc_bits, unit_sigma, deviates[2]((n_line, adc.adc_bits + 1)))

    @cached_property
    def input(self) -> Literal["charge", "current"]:
        """What the codes depend on: "current" is the whole waveform, through `rate_hertz`."""
        nonlinear = isinstance(self.adc, CcoAdc) and self.adc.i_half_ampere is not None
        return "current" if nonlinear else "charge"

    @cached_property
    def largest_code(self) -> int:
        """Upper end of the range. Raises `InputError` for an ideal converter, like everything about codes."""
        adc = self._quantizing()
        if isinstance(adc, CcoAdc):
            return adc.count_max
        return int(2 ** (adc.adc_bits - 1) - 1) if self.signed else int(2**adc.adc_bits - 1)

    @cached_property
    def smallest_code(self) -> int:
        """Lower end of the range."""
        adc = self._quantizing()
        if not self.signed:
            return 0
        return -self.largest_code - (0 if isinstance(adc, LinearAdc | CcoAdc) else 1)

    @cached_property
    def lsb_coulomb(self) -> float:
        """Charge of one code step before gain, mismatch and compression [coulomb].

        linear: the largest code lies at full scale. ramp, sar: the codes' steps fill the range up to full scale.
        """
        adc = self._quantizing()
        if isinstance(adc, CcoAdc):
            return 1.0 / adc.f_hertz_per_ampere
        return adc.charge_full_scale_coulomb / (self.largest_code + (0 if isinstance(adc, LinearAdc) else 1))

    def codes(self, charge_line_coulomb: FloatArray) -> IntArray | None:
        """Codes of charges [..., n_line]; None for an ideal converter.

        Raises `InputError` for an oscillator that is not linear: its code is no function of the charge.
        """
        if isinstance(self.adc, IdealAdc):
            return None
        if self.input == "current":
            raise InputError(
                "an oscillator with i_half_ampere counts by its current's waveform: integrate rate_hertz "
                "over the window and pass the cycles to codes_of_cycles, or leave i_half_ampere out"
            )
        gain, lsb, shift = self.level_law()
        return self.codes_of_levels(gain * charge_line_coulomb / lsb + shift)

    def level_law(self) -> tuple[FloatArray, float, FloatArray]:
        """`gain` [n_line], `lsb`, `shift` [n_line]: level = gain * charge / lsb + shift [LSB; cycles for a CCO]."""
        adc = self._quantizing()
        if isinstance(adc, CcoAdc):
            return self.gain_line * adc.f_hertz_per_ampere, 1.0, self.offset_line_lsb
        gain = self.gain_line * getattr(adc, "gain", 1.0)
        return gain, self.lsb_coulomb, adc.offset_lsb + self.offset_line_lsb

    def codes_of_levels(self, level: FloatArray) -> IntArray:
        """Codes of levels [..., n_line] by `level_law`; may overwrite `level`."""
        adc = self._quantizing()
        if isinstance(adc, CcoAdc):
            return self._counted(adc, level)
        if isinstance(adc, LinearAdc):
            return self._rounded(level)
        counts = level - self.smallest_code  # a bipolar range is an unsigned one, shifted by half of it
        if isinstance(adc, RampAdc):
            return np.searchsorted(ramp_levels(adc), counts, side="right").astype(np.int64) + self.smallest_code
        assert self.bit_weight_lsb is not None
        return _successive_approximation(self.bit_weight_lsb, counts) + self.smallest_code

    def rate_hertz(self, current_ampere: FloatArray) -> FloatArray:
        """Signed frequency at currents [..., n_line]: k I / (1 + |I| / i_half), times the line's gain [hertz].

        Raises `InputError` for a converter without an oscillator.
        """
        rate, i_half = self.rate_law()
        return rate * current_ampere / (1 + np.abs(current_ampere) / i_half)

    def rate_law(self) -> tuple[FloatArray, float]:
        """Slope of `rate_hertz` at small currents [hertz/ampere], [n_line], and `i_half_ampere` (infinite: linear)."""
        adc = self._oscillator()
        half = np.inf if adc.i_half_ampere is None else adc.i_half_ampere
        return self.gain_line * adc.f_hertz_per_ampere, half

    def codes_of_cycles(self, cycles: FloatArray) -> IntArray:
        """Codes of the integral of `rate_hertz` over the window, [..., n_line]: floor(magnitude + phase) with its sign.

        The offset of the lines is added here. Raises `InputError` for a converter without an oscillator.
        """
        return self._counted(self._oscillator(), cycles + self.offset_line_lsb)

    def saturated(self, codes: IntArray) -> BoolArray:
        """Where `codes` lie at an end of the range; an unsigned converter's 0 is no saturation."""
        at_top = codes >= self.largest_code
        return at_top | (codes <= self.smallest_code) if self.signed else at_top

    def with_inl(self, level: FloatArray) -> FloatArray:
        """What a linear converter rounds, of levels [..., n_line]: the INL added [LSB]."""
        inl_lsb = getattr(self.adc, "inl_lsb", ())
        if inl_lsb:
            codes = np.linspace(self.smallest_code, self.largest_code, len(inl_lsb))
            return np.asarray(level + np.interp(level, codes, inl_lsb))
        if self._inl_line_lsb.ndim == 1:
            return level
        n_step = self._inl_line_lsb.shape[1] - 1
        place = (level - self.smallest_code) * (n_step / (self.largest_code - self.smallest_code))
        place = place.clip(0, n_step)
        knot = np.minimum(place.astype(np.int64), n_step - 1)
        line = np.arange(self.n_line)
        low, high = self._inl_line_lsb[line, knot], self._inl_line_lsb[line, knot + 1]
        return np.asarray(level + low + (high - low) * (place - knot))

    def _rounded(self, level: FloatArray) -> IntArray:
        level = self.with_inl(level)
        return _integers(np.rint(level, out=level), self.smallest_code, self.largest_code)

    def _counted(self, adc: CcoAdc, cycles: FloatArray) -> IntArray:
        if adc.phase_cycle == 0:
            counted = np.trunc(cycles, out=cycles)
        else:
            counted = np.copysign(np.floor(np.abs(cycles) + adc.phase_cycle), cycles)
        return _integers(counted, self.smallest_code, adc.count_max)

    def _quantizing(self) -> QuantizingAdc:
        if isinstance(self.adc, IdealAdc):
            raise InputError("an ideal converter has no codes; give [adc] another kind")
        return self.adc

    def _oscillator(self) -> CcoAdc:
        if not isinstance(self.adc, CcoAdc):
            raise InputError(f"a converter of kind {self.adc.kind!r} has no oscillator; give it charges (codes)")
        return self.adc


def _of_lines(adc: AdcConfig, key: str, n_line: int, alike: float) -> FloatArray:
    """The lines' own values [n_line] or [n_line, n_knot], `alike` for each where there are none."""
    values = getattr(adc, key, ())
    if not values:
        return np.full(n_line, alike)
    if len(values) != n_line:
        raise InputError(f"adc.{key} has {len(values)} values, and there are {n_line} bit lines; give one a line")
    return np.array(values, dtype=np.float64)


def _integers(level: FloatArray, smallest: int, largest: int) -> IntArray:
    """Whole numbers `level` within the range, as 32-bit integers where they fit: processors convert those at once."""
    limited = level.clip(smallest, largest, out=level)
    return limited.astype(np.int32).astype(np.int64)


def _bit_weights(n_bit: int, unit_sigma: float, deviate: FloatArray) -> FloatArray:
    """Weights [n_line, n_bit] in LSB of 2^b unit capacitors each, of `deviate` [n_line, n_bit + 1].

    The last deviate is that of the terminating unit, which makes the total 2^n_bit units.
    """
    unit = np.append(2.0 ** np.arange(n_bit), 1.0)
    ratio = 1 + unit_sigma / np.sqrt(unit) * deviate
    _refuse_unless_positive(ratio, "adc_unit_capacitor_sigma", "a capacitor")
    capacitor = unit * ratio
    weight: FloatArray = 2.0**n_bit * capacitor[:, :-1] / capacitor.sum(axis=1, keepdims=True)
    return weight


def _successive_approximation(weight_lsb: FloatArray, counts: FloatArray) -> IntArray:
    """Codes of `counts` [..., n_line] by weights [n_line, n_bit], largest first: a bit stays set if the sum fits."""
    total = np.zeros_like(counts)
    code = np.zeros(counts.shape, dtype=np.int64)
    for bit in reversed(range(weight_lsb.shape[1])):
        trial = total + weight_lsb[:, bit]
        stays = trial <= counts
        total = np.where(stays, trial, total)
        code |= stays.astype(np.int64) << bit
    return code


def ramp_levels(adc: RampAdc) -> FloatArray:
    """The ramp at clock edges 1 ... 2^bits - 1 [LSB from the range's lower end]."""
    n_period = 2**adc.adc_bits
    time = np.arange(1, n_period) / n_period
    level: FloatArray = n_period * time * (1 + 4 * adc.ramp_curvature * (1 - time))
    return level


def _refuse_unless_positive(values: FloatArray, key: str, what: str) -> None:
    if (values <= 0).any():
        raise InputError(f"mismatch.{key} is so large that {what} came out as {values.min():.3g} of nominal; lower it")


# For callers that have no bank yet, and for the sections of `tilemodel.config.tile` of version 0.1
_SINCE_VERSION_1: dict[str, dict[str, object]] = {"linear": {"inl_lsb": ()}, "cco": {"phase_cycle": 0.0}}
_ADC: TypeAdapter[AdcConfig] = TypeAdapter(AdcConfig)


def _single(adc: Section, signed: bool) -> ConverterBank:
    values = {key: value for key, value in adc.model_dump().items() if key not in LINE_KEYS}
    return ConverterBank(_ADC.validate_python(_SINCE_VERSION_1.get(values["kind"], {}) | values), None, 1, signed)


def quantize(adc: Section, charge_line_coulomb: FloatArray, *, signed: bool) -> IntArray | None:
    """Codes of charges of any shape by a converter without mismatch or its line's own values; None for an ideal one."""
    codes = _single(adc, signed).codes(np.asarray(charge_line_coulomb)[..., np.newaxis])
    return None if codes is None else codes[..., 0]


def largest_code(adc: Section, *, signed: bool) -> int:
    """`ConverterBank.largest_code` of the converter."""
    return _single(adc, signed).largest_code


def lsb_coulomb(adc: Section, *, signed: bool) -> float:
    """`ConverterBank.lsb_coulomb` of the converter [coulomb]."""
    return _single(adc, signed).lsb_coulomb

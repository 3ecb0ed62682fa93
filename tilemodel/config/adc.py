"""Converters: what the table `[adc]` of a tile file describes, one section a kind; the laws are in `tilemodel.adc`."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, ValidationInfo, field_validator, model_serializer

from tilemodel.config.section import Charge, Fraction, Section

__all__ = [
    "LINE_KEYS",
    "AdcConfig",
    "CcoAdc",
    "IdealAdc",
    "LinearAdc",
    "QuantizingAdc",
    "RampAdc",
    "SarAdc",
    "lines_differ",
    "without_lines",
]

Gain = Annotated[float, Field(gt=1e-6, lt=1e6)]
Lsb = Annotated[float, Field(ge=-1e9, le=1e9)]
Knots = Annotated[tuple[Lsb, ...], Field(strict=False, max_length=65536)]

LINE_KEYS = ("gain_line", "offset_line_lsb", "inl_line_lsb")
"""Keys with a value for each bit line; () = all lines alike, and such a key is in no hash and no file."""


class _LineConverter(Section):
    """What may differ from one bit line's converter to the next, beside the mismatch that a seed draws."""

    offset_line_lsb: Annotated[tuple[Lsb, ...], Field(strict=False)] = ()
    """Added to the offset of all; cycles for a CCO."""

    @model_serializer(mode="wrap")
    def _without_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = write(self)
        return {key: value for key, value in content.items() if key not in LINE_KEYS or value}


class _LineGainConverter(_LineConverter):
    """Converters whose gain may differ too."""

    gain_line: Annotated[tuple[Gain, ...], Field(strict=False)] = ()
    """Factors on the gain of all; for a CCO on its whole frequency."""


class IdealAdc(Section):
    """No converter: charges only."""

    kind: Literal["ideal"]


class LinearAdc(_LineGainConverter):
    """Rounding converter of a bit line's charge with gain, offset and INL, saturating at its range."""

    kind: Literal["linear"]
    adc_bits: int = Field(ge=2, le=24)
    charge_full_scale_coulomb: Charge
    gain: Gain
    offset_lsb: Lsb
    inl_lsb: Knots
    """What is added to the code at equally spaced codes from the smallest to the largest, linear between; () = none."""
    inl_line_lsb: Annotated[tuple[Knots, ...], Field(strict=False)] = ()
    """The same for each line, in place of `inl_lsb`."""

    @field_validator("inl_lsb")
    @classmethod
    def _monotone(cls, knots: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if len(knots) == 1:
            raise ValueError("inl_lsb needs a value at both ends of the range at least, or none at all")
        _refuse_falling("inl_lsb", knots, info)
        return knots

    @field_validator("inl_line_lsb")
    @classmethod
    def _alike_and_monotone(
        cls, lines: tuple[tuple[float, ...], ...], info: ValidationInfo
    ) -> tuple[tuple[float, ...], ...]:
        if lines and info.data.get("inl_lsb"):
            raise ValueError("inl_line_lsb takes the place of inl_lsb; set inl_lsb = [] or leave inl_line_lsb out")
        if len({len(knots) for knots in lines}) > 1 or any(len(knots) < 2 for knots in lines):
            raise ValueError("inl_line_lsb needs as many values on every line, two at least: at both ends of the range")
        for line, knots in enumerate(lines):
            _refuse_falling(f"inl_line_lsb[{line}]", knots, info)
        return lines


class CcoAdc(_LineGainConverter):
    """Current-controlled oscillator and counter; see `ConverterBank.rate_hertz` for its frequency."""

    kind: Literal["cco"]
    f_hertz_per_ampere: Annotated[float, Field(ge=1.0, le=1e24)]
    """Slope of the frequency at small currents."""
    i_half_ampere: Annotated[float, Field(ge=1e-15, le=1e6)] | None = None
    """Current at which the frequency is half of what that slope would give; absent (TOML has no null) = linear."""
    phase_cycle: Fraction
    """Share of its first cycle that the oscillator has done when the counter starts."""
    count_max: int = Field(ge=1, le=2**40)


class RampAdc(_LineGainConverter):
    """Single slope: the charge on a capacitor is compared with a ramp, a counter counts the clock periods."""

    kind: Literal["ramp"]
    adc_bits: int = Field(ge=2, le=16)
    charge_full_scale_coulomb: Charge
    gain: Gain
    """Nominal slope of the ramp over its real one."""
    ramp_curvature: Annotated[float, Field(gt=-0.25, lt=0.25)]
    """How far the ramp lies above its end-point line at half time, as a fraction of its span."""
    offset_lsb: Lsb
    """Of the comparator."""


class SarAdc(_LineConverter):
    """Successive approximation with binary-weighted capacitors, whose mismatch `MismatchConfig` gives."""

    kind: Literal["sar"]
    adc_bits: int = Field(ge=2, le=24)
    charge_full_scale_coulomb: Charge
    offset_lsb: Lsb
    """Of the comparator."""


QuantizingAdc = LinearAdc | CcoAdc | RampAdc | SarAdc
AdcConfig = Annotated[IdealAdc | LinearAdc | CcoAdc | RampAdc | SarAdc, Field(discriminator="kind")]


def lines_differ(adc: AdcConfig) -> bool:
    """Whether a bit line's converter has values of its own, mismatch aside."""
    return any(getattr(adc, key, ()) for key in LINE_KEYS)


def without_lines(adc: AdcConfig) -> AdcConfig:
    """The converter as all lines have it, their own values left out."""
    return adc.model_copy(update={key: () for key in LINE_KEYS if key in type(adc).model_fields})


def _refuse_falling(name: str, knots: Sequence[float], info: ValidationInfo) -> None:
    bits = info.data.get("adc_bits")
    if len(knots) < 2 or bits is None:
        return
    spacing = (2**bits - 2) / (len(knots) - 1)  # of a signed converter, the narrower one
    if min(high - low for low, high in pairwise(knots)) <= -spacing:
        raise ValueError(
            f"{name} falls by {spacing:g} LSB or more between neighbouring knots, which are {spacing:g} codes "
            "apart: the code would fall while the charge rises; give fewer knots or a smoother INL"
        )

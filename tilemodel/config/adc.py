"""Converters: what the table `[adc]` of a tile file describes, one section a kind; the laws are in `tilemodel.adc`."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from tilemodel.config.section import Charge, Fraction, Section

__all__ = ["AdcConfig", "CcoAdc", "IdealAdc", "LinearAdc", "QuantizingAdc", "RampAdc", "SarAdc"]

Gain = Annotated[float, Field(gt=1e-6, lt=1e6)]
Lsb = Annotated[float, Field(ge=-1e9, le=1e9)]


class IdealAdc(Section):
    """No converter: charges only."""

    kind: Literal["ideal"]


class LinearAdc(Section):
    """Rounding converter of a bit line's charge with gain, offset and INL, saturating at its range."""

    kind: Literal["linear"]
    adc_bits: int = Field(ge=2, le=24)
    charge_full_scale_coulomb: Charge
    gain: Gain
    offset_lsb: Lsb
    inl_lsb: Annotated[tuple[Lsb, ...], Field(strict=False, max_length=65536)]
    """What is added to the code at equally spaced codes from the smallest to the largest, linear between; () = none."""

    @field_validator("inl_lsb")
    @classmethod
    def _monotone(cls, knots: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        if len(knots) == 1:
            raise ValueError("inl_lsb needs a value at both ends of the range at least, or none at all")
        bits = info.data.get("adc_bits")
        if len(knots) < 2 or bits is None:
            return knots
        spacing = (2**bits - 2) / (len(knots) - 1)  # of a signed converter, the narrower one
        if min(high - low for low, high in pairwise(knots)) <= -spacing:
            raise ValueError(
                f"inl_lsb falls by {spacing:g} LSB or more between neighbouring knots, which are {spacing:g} codes "
                "apart: the code would fall while the charge rises; give fewer knots or a smoother INL"
            )
        return knots


class CcoAdc(Section):
    """Current-controlled oscillator and counter; see `ConverterBank.rate_hertz` for its frequency."""

    kind: Literal["cco"]
    f_hertz_per_ampere: Annotated[float, Field(ge=1.0, le=1e24)]
    """Slope of the frequency at small currents."""
    i_half_ampere: Annotated[float, Field(ge=1e-15, le=1e6)] | None = None
    """Current at which the frequency is half of what that slope would give; absent (TOML has no null) = linear."""
    phase_cycle: Fraction
    """Share of its first cycle that the oscillator has done when the counter starts."""
    count_max: int = Field(ge=1, le=2**40)


class RampAdc(Section):
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


class SarAdc(Section):
    """Successive approximation with binary-weighted capacitors, whose mismatch `MismatchConfig` gives."""

    kind: Literal["sar"]
    adc_bits: int = Field(ge=2, le=24)
    charge_full_scale_coulomb: Charge
    offset_lsb: Lsb
    """Of the comparator."""


QuantizingAdc = LinearAdc | CcoAdc | RampAdc | SarAdc
AdcConfig = Annotated[IdealAdc | LinearAdc | CcoAdc | RampAdc | SarAdc, Field(discriminator="kind")]

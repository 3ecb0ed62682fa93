"""What a tile is operated under: temperature, supply, wire corner, and the mismatch of its devices."""

from typing import Annotated

from pydantic import Field

from tilemodel.config.section import NotNegative, Section

__all__ = ["ConditionsConfig", "MismatchConfig"]


class ConditionsConfig(Section):
    """Temperature, supply and wire corner, the same for the whole tile; left out, the nominal ones."""

    temperature_celsius: Annotated[float, Field(ge=-100, le=250)] = 27.0
    supply_factor: Annotated[float, Field(ge=0.5, le=1.5)] = 1.0
    """Multiplies the word lines' active voltage."""
    wire_resistance_factor: Annotated[float, Field(gt=0, le=10)] = 1.0
    wire_capacitance_factor: Annotated[float, Field(gt=0, le=10)] = 1.0


class MismatchConfig(Section):
    """Standard deviations of what differs from device to device; `seed` draws one chip.

    All are normal deviates; 0 switches one off.
    """

    seed: int = Field(ge=0)
    access_resistance_sigma: NotNegative
    """Of each cell's access resistance, as a fraction of it."""
    clamp_offset_sigma_volt: NotNegative
    """Of each bit line's clamp voltage."""
    mirror_ratio_sigma: NotNegative
    """Of each bit line's mirror, as a fraction of its ratio."""
    adc_gain_sigma: NotNegative
    """Of each converter's gain, as a fraction of it."""
    adc_offset_sigma_lsb: NotNegative
    adc_unit_capacitor_sigma: NotNegative
    """Of a unit capacitor in a successive-approximation converter, as a fraction of it."""

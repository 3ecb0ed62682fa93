"""The wires of a tile: bit lines, row conductors, their ends and their temperature coefficient."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from tilemodel.config.section import Farads, ResistanceOrZero, Section

__all__ = ["WireConfig"]


class WireConfig(Section):
    """Resistance and capacitance a cell of bit lines and row conductors, and what their ends add.

    A bit line has one segment on the read-out side of every cell, then `r_terminal_ohm`, then the read-out. A row
    conductor (source rail, source line or row wire) is fed through `r_driver_ohm` and has one segment on the driven
    side of every cell, and one more behind the last cell if both ends are driven.
    """

    r_bit_line_ohm: ResistanceOrZero
    c_bit_line_farad: Farads
    r_row_ohm: ResistanceOrZero
    c_row_farad: Farads
    r_terminal_ohm: ResistanceOrZero
    r_driver_ohm: ResistanceOrZero
    row_driven_end: Literal["west", "east", "both"]
    temperature_coefficient_per_kelvin: Annotated[float, Field(ge=-0.01, le=0.01)]
    """Relative change of the segments' resistance."""
    reference_temperature_celsius: Annotated[float, Field(ge=-273, le=1000)]
    """At which the resistances hold."""

    @model_validator(mode="after")
    def _resolvable(self) -> "WireConfig":
        for name in ("r_bit_line_ohm", "r_row_ohm", "r_terminal_ohm", "r_driver_ohm"):
            if 0 < getattr(self, name) < 1e-3:
                raise ValueError(f"{name} must be 0 or at least 1e-3: between, circuit simulators lose digits")
        return self

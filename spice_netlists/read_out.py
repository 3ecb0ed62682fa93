"""The read-out at the end of each bit line, and how its charge is read from what a run saves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_netlists.language import Language
from spice_netlists.read_outs import RampReadOut
from spice_netlists.read_outs.behavioural import RESET_NODE, current_mirror, op_amp_integrator, reset_control
from tilemodel.config.mismatch import ChipDraw
from tilemodel.config.read_out import IntegratorReadOut, MirrorReadOut, ResistiveClamp, Sky130RampReadOut
from tilemodel.config.tile import TileConfig

__all__ = ["Sense", "pulses_end_second", "ramp_read_out", "read_out_lines", "read_out_sense", "read_out_subcircuits"]

FloatArray = NDArray[np.float64]

# The reset switches open within this fraction of the time before the first edge
_RESET_EDGE = 1e-3
# An output this close to its swing, as a fraction of it, stands at it: the limiter gives way by about as much
_AT_SWING = 1e-5


@dataclass(frozen=True, kw_only=True)
class Sense:
    """What is saved of each line, and how the charge into its clamp follows from it."""

    of_voltage: bool
    """False: the clamp source's current is integrated. True: an output's voltage at the end is scaled."""
    rest_volt: FloatArray
    """[n_line of the tile]: output without charge."""
    coulomb_per_volt: float
    ramp: RampReadOut | None = None
    """The read-out that converts itself."""
    swing_volt: float | None = None
    """How far an op-amp's output may move from rest; None: no op-amp."""

    def name(self, line: int) -> str:
        """The source whose current is saved, or the node whose voltage is."""
        return f"out{line}" if self.of_voltage else f"Vclamp{line}"

    def limited(self, sensed: FloatArray, lines: Sequence[int]) -> NDArray[np.bool_]:
        """Whether outputs of `sensed` stood at their swing at some time, [n_line of the run]."""
        if self.swing_volt is None:
            return np.zeros(len(lines), dtype=np.bool_)
        moved = np.abs(sensed - self.rest_volt[list(lines), np.newaxis])
        reached: NDArray[np.bool_] = moved.max(axis=1) >= self.swing_volt * (1 - _AT_SWING)
        return reached

    def charges(self, time_second: FloatArray, sensed: FloatArray, lines: Sequence[int]) -> FloatArray:
        """Charges [coulomb], [n_line of the run], of `sensed` [n_line of the run, n_time]."""
        if self.of_voltage:
            change: FloatArray = (sensed[:, -1] - self.rest_volt[list(lines)]) * self.coulomb_per_volt
            return change
        # the trapezoid over the solver's own points: what its trapezoidal integration conserves
        return np.asarray(np.trapezoid(sensed, time_second, axis=1))


def ramp_read_out(tile: TileConfig) -> RampReadOut | None:
    """The transistor-level read-out of the tile, if it has one."""
    circuit = tile.read_out.circuit
    if not isinstance(circuit, Sky130RampReadOut):
        return None
    return RampReadOut(
        corner=circuit.corner,
        v_clamp_volt=tile.read_out.v_clamp_volt,
        t_clock_second=circuit.t_clock_second,
        count_max=circuit.count_max,
        t_settle_second=circuit.t_settle_second,
    )


def pulses_end_second(tile: TileConfig, n_tick: int) -> float:
    """End of the longest possible pulse of a pass [s]."""
    return tile.t_window_second(n_tick) - tile.read_out.t_tail_second


def read_out_sense(tile: TileConfig, chip: ChipDraw) -> Sense:
    """How the charges of the tile's lines are read."""
    circuit = tile.read_out.circuit
    clamp = tile.read_out.v_clamp_volt + chip.clamp_offset_volt
    if isinstance(circuit, IntegratorReadOut):
        c, swing = circuit.c_integration_farad, circuit.swing_volt
        return Sense(of_voltage=True, rest_volt=clamp, coulomb_per_volt=-c, swing_volt=swing)
    if isinstance(circuit, MirrorReadOut):
        return Sense(of_voltage=True, rest_volt=np.zeros_like(clamp), coulomb_per_volt=circuit.c_integration_farad)
    return Sense(of_voltage=False, rest_volt=clamp, coulomb_per_volt=0.0, ramp=ramp_read_out(tile))


def read_out_subcircuits(tile: TileConfig) -> list[str]:
    """Sub-circuits that the tile's read-out is made of; none for a plain clamp."""
    circuit = tile.read_out.circuit
    if isinstance(circuit, IntegratorReadOut):
        return op_amp_integrator(
            gain=circuit.open_loop_gain,
            f_unity_hertz=circuit.unity_gain_hertz,
            c_int_farad=circuit.c_integration_farad,
            v_clamp_volt=tile.read_out.v_clamp_volt,
            v_swing_volt=circuit.swing_volt,
            r_reset_ohm=circuit.r_reset_ohm,
        )
    if isinstance(circuit, MirrorReadOut):
        return current_mirror(
            ratio=circuit.ratio,
            c_int_farad=circuit.c_integration_farad,
            v_clamp_volt=tile.read_out.v_clamp_volt,
            v_rest_volt=0.0,
            r_reset_ohm=circuit.r_reset_ohm,
            r_clamp_ohm=circuit.r_clamp_ohm,
        )
    ramp = ramp_read_out(tile)
    return [] if ramp is None else [ramp.text]


def read_out_lines(
    language: Language, tile: TileConfig, chip: ChipDraw, lines: Sequence[int], n_tick_max: int
) -> Iterator[str]:
    """The read-outs of `lines`, at the nodes `c<line>`, for a pass whose longest pulse has `n_tick_max` ticks."""
    circuit = tile.read_out.circuit
    ramp = ramp_read_out(tile)
    if ramp is not None:
        start = tile.drive.t_start_second
        yield from ramp.control_lines(t_start_second=start, t_end_second=pulses_end_second(tile, n_tick_max))
        for line in lines:
            yield from ramp.line_lines(line)
        return
    yield language.comment(f"Read-outs: {circuit.kind}")
    if isinstance(circuit, IntegratorReadOut | MirrorReadOut):
        t_open = tile.t_reset_open_second
        yield reset_control(t_open_second=t_open, t_fall_second=_RESET_EDGE * t_open)
        for line in lines:
            varied = {"dv": float(chip.clamp_offset_volt[line])}
            if isinstance(circuit, MirrorReadOut):
                varied["k"] = float(chip.mirror_ratio_factor[line])
                name = "current_mirror"
            else:
                name = "op_amp_integrator"
            yield language.instance(f"Xread{line}", (f"c{line}", f"out{line}", RESET_NODE), name, varied)
        return
    resistance = circuit.r_clamp_ohm if isinstance(circuit, ResistiveClamp) else 0.0
    for line in lines:
        node = f"c{line}"
        if resistance > 0:
            node = f"v{line}"
            yield language.resistor(f"Rclamp{line}", f"c{line}", node, resistance)
        volt = tile.read_out.v_clamp_volt + float(chip.clamp_offset_volt[line])
        yield language.dc_source(f"Vclamp{line}", node, volt)

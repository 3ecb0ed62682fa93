"""Row drivers: one voltage source a rail or word line, a trapezoidal pulse of |x| ticks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.tile import PwmConfig, RailPairCell

__all__ = ["rail_drivers", "word_line_drivers"]


def rail_drivers(pwm: PwmConfig, cell: RailPairCell, ticks: NDArray[np.int64]) -> Iterator[str]:
    """Two sources a row: x > 0 lifts the rail of G+ and lowers that of G-, x < 0 the reverse."""
    yield "* Source rails: rp<row> feeds G+, rm<row> feeds G-; both rest at the common voltage"
    for row, x in enumerate(ticks.tolist()):
        swing = cell.v_read_volt if x > 0 else -cell.v_read_volt
        yield f"Vrp{row} rp{row} 0 {_pulse(pwm, abs(x), cell.v_common_volt, cell.v_common_volt + swing)}"
        yield f"Vrm{row} rm{row} 0 {_pulse(pwm, abs(x), cell.v_common_volt, cell.v_common_volt - swing)}"


def word_line_drivers(pwm: PwmConfig, ticks: NDArray[np.int64], v_gate_volt: float) -> Iterator[str]:
    """One source a row, from 0 V to the gate voltage for x ticks."""
    yield "* Word lines"
    for row, x in enumerate(ticks.tolist()):
        yield f"Vwl{row} wl{row} 0 {_pulse(pwm, x, 0.0, v_gate_volt)}"


def _pulse(pwm: PwmConfig, n_tick: int, rest_volt: float, active_volt: float) -> str:
    if n_tick == 0:
        return f"DC {rest_volt!r}"
    rise, edge = pwm.t_start_second, pwm.t_edge_second
    fall = rise + n_tick * pwm.t_lsb_second
    if n_tick == 1 and edge == pwm.t_lsb_second:  # a triangle: PWL times must increase
        corners = [(rise, rest_volt), (rise + edge, active_volt), (fall + edge, rest_volt)]
    else:
        corners = [(rise, rest_volt), (rise + edge, active_volt), (fall, active_volt), (fall + edge, rest_volt)]
    return f"PWL(0 {rest_volt!r} " + " ".join(f"{t:.12g} {v:.12g}" for t, v in corners) + ")"

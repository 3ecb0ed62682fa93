"""Clamp, integrator and ramp converter in SKY130 transistors: netlist lines, and how the code is read.

The circuit is `sky130_ramp.cir`. Its capacitor is held at reset until just before the window, takes the mirrored
line current during the window and `t_settle_second` after it, and is then discharged by a constant current. A counter
counts the clock's periods until the comparator trips. Nodes common to all lines are `ro_*`; line n has `c<n>` (the
tile's end), `ro_bl<n>` and `ro_out<n>`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spice_netlists.errors import SimulatorError
from spice_netlists.pdk import sky130_model_file
from tilemodel.config.errors import InputError

__all__ = ["RampReadOut"]

_V_SUPPLY = 1.8
_V_LOW = 0.3
_V_CASCODE = 0.9
_T_EDGE = 0.2e-9
# From the release of the capacitor's reset to the window
_T_RELEASE = 0.6e-9
# From the mirror's cut-off to the ramp
_T_HOLD = 20e-9


@dataclass(frozen=True, kw_only=True)
class RampReadOut:
    """The read-out of every bit line of a deck. Voltages and sizes belong to the circuit; only these may be chosen."""

    corner: Literal["tt", "ff", "ss", "sf", "fs"] = "tt"
    v_clamp_volt: float = 0.2
    """Where the bit line is held."""
    t_clock_second: float = 4e-9
    """Period of the counter's clock."""
    count_max: int = 400
    """The counter stops here."""
    t_settle_second: float = 100e-9
    """How long after the window the capacitor still takes current, so that the mirror settles."""

    name = "read_out_sky130_ramp"
    pins = ("bl", "vref", "vlow", "vcasc", "vdd", "gint", "reset", "ramp", "out")

    def __post_init__(self) -> None:
        if self.count_max < 1 or not (self.t_clock_second > 0 and self.t_settle_second >= _T_EDGE):
            raise InputError(
                f"read-out: count_max {self.count_max}, t_clock_second {self.t_clock_second!r} and t_settle_second "
                f"{self.t_settle_second!r} must be positive, the last at least {_T_EDGE:g} s"
            )

    @property
    def text(self) -> str:
        """The sub-circuit."""
        return Path(__file__).with_name("sky130_ramp.cir").read_text().rstrip("\n")

    @property
    def model_files(self) -> tuple[Path, ...]:
        """What the deck includes."""
        return (sky130_model_file(self.corner),)

    def ramp_start_second(self, t_end_second: float) -> float:
        """When the counter starts, for a window that ends at `t_end_second`."""
        return t_end_second + self.t_settle_second + _T_HOLD

    def t_stop_second(self, t_end_second: float) -> float:
        """When the conversion has ended, whatever the charge: how long the deck must run."""
        return self.ramp_start_second(t_end_second) + (self.count_max + 1) * self.t_clock_second

    def control_lines(self, *, t_start_second: float, t_end_second: float) -> list[str]:
        """Sources that all lines share. Raises `InputError` where the window leaves no time for the reset's release."""
        release = t_start_second - _T_RELEASE
        if release <= 0 or t_end_second <= t_start_second:
            raise InputError(
                f"read-out: the window from {t_start_second:g} to {t_end_second:g} s must start later than "
                f"{_T_RELEASE:g} s and end after that"
            )
        hold, ramp = t_end_second + self.t_settle_second, self.ramp_start_second(t_end_second)
        return [
            "* Read-out: supply, bias voltages, phases",
            f"Vro_vdd ro_vdd 0 DC {_V_SUPPLY!r}",
            f"Vro_ref ro_ref 0 DC {self.v_clamp_volt!r}",
            f"Vro_low ro_low 0 DC {_V_LOW!r}",
            f"Vro_casc ro_casc 0 DC {_V_CASCODE!r}",
            f"Vro_int ro_int 0 {_step(hold, _V_CASCODE, _V_SUPPLY)}",
            f"Vro_reset ro_reset 0 {_step(release, _V_SUPPLY, 0.0)}",
            f"Vro_ramp ro_ramp 0 {_step(ramp, 0.0, _V_SUPPLY)}",
        ]

    def line_lines(self, line: int) -> list[str]:
        """The read-out of a bit line, behind an ammeter that has the name of the ideal clamp."""
        shared = "ro_ref ro_low ro_casc ro_vdd ro_int ro_reset ro_ramp"
        return [
            f"Vclamp{line} c{line} ro_bl{line} DC 0",
            f"Xro{line} ro_bl{line} {shared} ro_out{line} {self.name}",
        ]

    def saved_vector(self, line: int) -> str:
        """The vector from which the code of `line` is read; a deck saves it."""
        return f"v(ro_out{line})"

    def trip_second(
        self, time_second: NDArray[np.float64], out_volt: NDArray[np.float64], *, t_end_second: float
    ) -> float:
        """From the ramp's start to the comparator's trip; infinite if it does not trip.

        Raises `SimulatorError` where the waveform ends before the conversion, or the comparator's output is
        high before the ramp: the capacitor is then below the threshold and the code means nothing.
        """
        start = self.ramp_start_second(t_end_second)
        stop = self.t_stop_second(t_end_second)
        if time_second[-1] < stop * (1 - 1e-9):
            raise SimulatorError(f"the conversion takes until {stop:g} s; the run ended at {time_second[-1]:g} s")
        if np.interp(start, time_second, out_volt) > _V_SUPPLY / 2:
            raise SimulatorError("the read-out's capacitor is below the threshold when the ramp starts")
        after = int(np.searchsorted(time_second, start))
        high = np.flatnonzero(out_volt[after:] >= _V_SUPPLY / 2)
        if high.size == 0:
            return np.inf
        first = after + int(high[0])
        around = slice(first - 1, first + 1)
        return float(np.interp(_V_SUPPLY / 2, out_volt[around], time_second[around]) - start)

    def code_from_waveforms(
        self, time_second: NDArray[np.float64], out_volt: NDArray[np.float64], *, t_end_second: float
    ) -> int:
        """Whole clock periods from the ramp's start to the trip, at most `count_max`."""
        trip = self.trip_second(time_second, out_volt, t_end_second=t_end_second)
        return int(min(trip / self.t_clock_second, self.count_max))


def _step(at: float, before: float, after: float) -> str:
    return f"PWL(0 {before!r} {at:.12g} {before!r} {at + _T_EDGE:.12g} {after!r})"

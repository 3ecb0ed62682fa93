"""What is taken of a batch's waveforms, run by run as they come: charges, cycles, trips, what the tail left."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_netlists.deck import Deck
from spice_netlists.process import Waveforms
from spice_netlists.read_out import pulses_end_second
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.passes import Pass
from tilemodel.config.tile import SimulatorConfig, TileConfig

__all__ = ["PassResult", "Rate", "Readings"]

FloatArray = NDArray[np.float64]
Rate = Callable[[FloatArray, Sequence[int]], FloatArray]
"""Frequency of oscillators [hertz] at the currents [ampere] of given lines, both [..., n_line of the run]."""

# A larger fraction of the current left at the end of the window means that the window cuts the tail
_RESIDUAL_LIMIT = 1e-3
# Currents this many times the solver's tolerance count as signal
_SIGNAL_OVER_ABSTOL = 1e3


@dataclass(frozen=True, kw_only=True)
class PassResult:
    """What one pass gave, all vectors."""

    drive: Pass
    charge_line_coulomb: FloatArray
    """[n_vec, n_line], what the converters see."""
    cycle_line: FloatArray | None
    """[n_vec, n_line]: cycles of the converters' oscillators, where a rate was given."""
    code_line: NDArray[np.int64] | None = None
    """[n_vec, n_line]: of read-outs that convert themselves."""
    limited_line: NDArray[np.bool_] | None = None
    """[n_vec, n_line]: whether op-amps stood at their swing."""
    trip_line_second: FloatArray | None = None
    """[n_vec, n_line]: from the ramp's start to the trip, of such read-outs; infinite without a trip."""


class Readings:
    """The readings of a batch: runs are numbered passes first, then vectors, then groups of columns."""

    def __init__(
        self,
        tile: TileConfig,
        simulator: SimulatorConfig,
        passes: Sequence[Pass],
        n_vec: int,
        n_group: int,
        rate: Rate | None,
    ) -> None:
        self._tile, self._simulator, self._rate = tile, simulator, rate
        self._drives, self._n_vec, self._n_group = list(passes), n_vec, n_group
        shape = (len(self._drives), n_vec, line_count(tile))
        self._charge = np.empty(shape)
        self._cycles = None if rate is None else np.empty(shape)
        self._trip: FloatArray | None = None
        self._code: NDArray[np.int64] | None = None
        self._limited = np.zeros(shape, dtype=np.bool_)
        self._sampled = False
        self._largest, self._left = 0.0, 0.0

    def take(self, place: int, deck: Deck, waveforms: Waveforms) -> None:
        """Read the run number `place`; of `deck` all but its text is needed."""
        index, vector = divmod(place // self._n_group, self._n_vec)
        lines = list(deck.lines)
        time, sensed = waveforms.time_second, waveforms.sensed
        self._charge[index, vector, lines] = deck.charge_sign * deck.sense.charges(time, sensed, lines)
        self._limited[index, vector, lines] = deck.sense.limited(sensed, lines)
        if self._cycles is not None and self._rate is not None:
            frequency = self._rate(deck.charge_sign * sensed.T, lines)
            self._cycles[index, vector, lines] = np.trapezoid(frequency, time, axis=0)
        self._take_conversions(index, vector, deck, waveforms)
        self._take_tail(deck, waveforms)

    def _take_conversions(self, index: int, vector: int, deck: Deck, waveforms: Waveforms) -> None:
        ramp = deck.sense.ramp
        if ramp is None:
            return
        if self._trip is None or self._code is None:
            self._trip, self._code = np.empty(self._charge.shape), np.empty(self._charge.shape, dtype=np.int64)
        t_end = pulses_end_second(self._tile, self._drives[index].n_tick_max)
        time = waveforms.time_second
        for line, volt in zip(deck.lines, waveforms.outputs_volt, strict=True):
            self._trip[index, vector, line] = ramp.trip_second(time, volt, t_end_second=t_end)
            self._code[index, vector, line] = ramp.code_from_waveforms(time, volt, t_end_second=t_end)

    def _take_tail(self, deck: Deck, run: Waveforms) -> None:
        if deck.sense.of_voltage or deck.sense.ramp is not None:
            self._sampled = True
            return
        self._largest = max(self._largest, float(np.abs(run.sensed - run.sensed[:, :1]).max()))
        since = deck.t_stop_second - self._tile.read_out.t_tail_second / 4
        self._left = max(self._left, _current_left(run, since))

    def passes(self) -> tuple[PassResult, ...]:
        """The readings by pass, once all runs are taken."""
        return tuple(
            PassResult(
                drive=drive,
                charge_line_coulomb=self._charge[index],
                cycle_line=None if self._cycles is None else self._cycles[index],
                code_line=None if self._code is None else self._code[index],
                limited_line=self._limited[index],
                trip_line_second=None if self._trip is None else self._trip[index],
            )
            for index, drive in enumerate(self._drives)
        )

    def residual_fraction(self) -> float | None:
        """How much of the largest signal is left at the end, None where outputs are sampled.

        Raises `InputError` if the window cuts the tail and must not.
        """
        if self._sampled:
            return None
        if self._largest < _SIGNAL_OVER_ABSTOL * self._simulator.abstol_ampere:  # at rest: the solver's noise
            return 0.0
        fraction = self._left / self._largest
        read_out = self._tile.read_out
        if read_out.window == "settled" and fraction > _RESIDUAL_LIMIT:
            raise InputError(
                f"tile {self._tile.name} [read_out]: {100 * fraction:.2g} % of the largest current still flows "
                f"at the end of the window; raise t_tail_second ({read_out.t_tail_second:g} s), or set "
                "window = 'cut' if it is meant to"
            )
        return fraction


def _current_left(run: Waveforms, since_second: float) -> float:
    """Largest mean change of a line's current since its start, over the end of the window (a mean: trapezoids ring)."""
    late = run.time_second >= min(since_second, run.time_second[-2])
    time, change = run.time_second[late], (run.sensed - run.sensed[:, :1])[:, late]
    return float(np.abs(np.trapezoid(change, time, axis=1)).max() / (time[-1] - time[0]))

"""Waveforms of clamp currents to charges: each line's current integrated over the window of each pass."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.passes import Pass, tile_passes
from tilemodel.config.read_out import IdealClamp, ResistiveClamp
from tilemodel.config.tile import TileConfig

__all__ = ["WindowCharges", "charge_in_window", "charges_of_waveforms", "waveform_passes"]

FloatArray = NDArray[np.float64]

# Of the window: what times written with some digits less may miss at its ends
_END_TOLERANCE = 1e-9
# Samples inside a window, fewer than which would say nothing of their error
_FEWEST = 4


@dataclass(frozen=True, kw_only=True)
class WindowCharges:
    """Charges of lines, and how finely their waveforms were sampled."""

    charge_line_coulomb: FloatArray
    """[n_vec, n_line], passes added up with their factors; NaN where nothing was measured."""
    error_coulomb: float
    """Largest change of a charge if every second sample is left out: beyond the error of smooth waveforms, which is a
    third of it."""


def waveform_passes(tile: TileConfig, ticks: NDArray[np.int64], where: str) -> list[Pass]:
    """The passes of `ticks`; `InputError` for a read-out whose charge is not the integral of the clamp's current."""
    if not isinstance(tile.read_out.circuit, IdealClamp | ResistiveClamp):
        raise InputError(
            f"{where}: waveforms are integrated for read-outs of kind 'ideal' and 'resistive', not "
            f"{tile.read_out.circuit.kind}; give the charges at its output"
        )
    return tile_passes(tile, ticks)


def charges_of_waveforms(
    tile: TileConfig, ticks: NDArray[np.int64], time_second: FloatArray, current_ampere: FloatArray, where: str
) -> WindowCharges:
    """Integrate `current_ampere` [n_vec, n_line, n_time], with several passes [n_vec, n_pass, n_line, n_time].

    `time_second` [n_time] counts from the opening of each pass's window. NaN over a whole waveform: not measured.
    Raises `InputError` for other shapes, and as `charge_in_window`.
    """
    passes = waveform_passes(tile, ticks, where)
    time, current = np.asarray(time_second, dtype=np.float64), np.asarray(current_ampere, dtype=np.float64)
    if time.ndim != 1:
        raise InputError(f"{where}: time_second: expected [n_time], got {list(time.shape)}")
    n_vec, n_pass, n_line = len(ticks), len(passes), line_count(tile)
    axes, shape = "[n_vec, n_line, n_time]", [n_vec, n_line, time.size]
    if n_pass > 1:
        axes, shape = "[n_vec, n_pass, n_line, n_time]", [n_vec, n_pass, n_line, time.size]
    if list(current.shape) != shape:
        raise InputError(f"{where}: current_ampere: expected {axes} = {shape}, got {list(current.shape)}")
    total, error = np.zeros((2, n_vec, n_line))
    for index, drive in enumerate(passes):
        of_pass = current if n_pass == 1 else current[:, index]
        window = tile.t_window_second(drive.n_tick_max)
        charge, change = charge_in_window(time, of_pass, window, where)
        total, error = total + drive.factor * charge, error + abs(drive.factor) * change
    return WindowCharges(charge_line_coulomb=total, error_coulomb=float(np.nanmax(error, initial=0.0)))


def charge_in_window(
    time: FloatArray, current: FloatArray, t_window_second: float, where: str
) -> tuple[FloatArray, FloatArray]:
    """Integral of `current` [..., n_time] over [0, t_window_second], and its change with every second sample, [...].

    Trapezoids, with the window's ends between samples by straight lines. Raises `InputError` for times that do not
    rise or do not cover the window, infinite currents, and NaN in a part of a waveform.
    """
    _check_times(time, t_window_second, where)
    gap = np.isnan(current)
    partly = gap.any(axis=-1) & ~gap.all(axis=-1)
    if np.isinf(current).any() or partly.any():
        kind = "nan in a part of a waveform" if partly.any() else "infinite values"
        raise InputError(f"{where}: current_ampere holds {kind}; give numbers, or nan over all times of a waveform")
    inside = (time > 0) & (time < t_window_second)
    ends = [_at(time, current, end) for end in (0.0, t_window_second)]
    within = np.concatenate([[0.0], time[inside], [t_window_second]])
    sampled = np.concatenate([ends[0], current[..., inside], ends[1]], axis=-1)
    charge: FloatArray = np.trapezoid(sampled, within, axis=-1)
    coarse = np.unique(np.append(np.arange(0, within.size, 2), within.size - 1))
    change: FloatArray = np.abs(np.trapezoid(sampled[..., coarse], within[coarse], axis=-1) - charge)
    return charge, change


def _check_times(time: FloatArray, t_window_second: float, where: str) -> None:
    if not np.isfinite(time).all():
        raise InputError(f"{where}: time_second holds values that are no numbers")
    if np.any(np.diff(time) <= 0):
        place = int(np.argmax(np.diff(time) <= 0))
        raise InputError(
            f"{where}: time_second must rise, but {time[place]:.9g} is followed by {time[place + 1]:.9g} s; sort the "
            "samples and leave repeated ones out"
        )
    reach = _END_TOLERANCE * t_window_second
    n_inside = int(((time > 0) & (time < t_window_second)).sum())
    if n_inside < _FEWEST or time[0] > reach or time[-1] < t_window_second - reach:
        covered = f"{time[0]:.9g} to {time[-1]:.9g} s" if time.size else "nothing"
        raise InputError(
            f"{where}: time_second covers {covered}, {n_inside} samples inside the window of 0 to "
            f"{t_window_second:.9g} s, which must be covered, by {_FEWEST} samples at least; time 0 is its opening, "
            "t_start_second before the pulses"
        )


def _at(time: FloatArray, current: FloatArray, instant: float) -> FloatArray:
    """The current at `instant`, [..., 1]; the first or last sample where it lies beyond them."""
    above = int(np.clip(np.searchsorted(time, instant), 1, time.size - 1))
    share = np.clip((instant - time[above - 1]) / (time[above] - time[above - 1]), 0.0, 1.0)
    value: FloatArray = (1 - share) * current[..., above - 1 : above] + share * current[..., above : above + 1]
    return value

"""A pass in time: clamp currents and the charge so far, from the settled currents tick by tick.

Between edges a current is that of its tick; over an edge it goes to the next in a straight line, as the drivers do, and
what the edge releases beyond that flows evenly. Wires settle at once: what their capacitors delay is left out, and has
no part in the charge of a settled window.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.drive import DriveConfig
from tilemodel.config.errors import InputError
from tilemodel.programmed import LineCurrents

__all__ = ["TimeCourse", "time_course"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class TimeCourse:
    """One vector in one pass, all lines, at given times."""

    current_ampere: FloatArray
    """[n_time, n_line]"""
    charge_coulomb: FloatArray
    """Since time 0, [n_time, n_line]."""


def time_course(drive: DriveConfig, currents: LineCurrents, vector: int, time_second: FloatArray) -> TimeCourse:
    """Currents and charges at `time_second` [n_time], rising from 0 or later, of one `vector` of a pass's `currents`.

    Raises `InputError` for times that do not rise.
    """
    if time_second.ndim != 1 or np.any(np.diff(time_second) < 0) or np.any(time_second < 0):
        raise InputError("time_course: expected times [n_time] that rise from 0 or later")
    settled, released = currents.current_ampere[vector], currents.released_coulomb[vector]
    begin = drive.t_start_second + drive.t_lsb_second * np.arange(len(released))
    level = np.concatenate([settled, settled[:1]])  # the last edge leads back to rest
    corner = np.stack([begin, begin + drive.t_edge_second], axis=1).ravel()
    at_corner = np.stack([level[:-1], level[1:]], axis=1).reshape(len(corner), -1)
    at_edge = np.clip((time_second[:, np.newaxis] - begin) / drive.t_edge_second, 0.0, 1.0)
    on_edge = (time_second[:, np.newaxis] > begin) & (time_second[:, np.newaxis] < begin + drive.t_edge_second)
    current = _interpolated(time_second, corner, at_corner)
    knots = np.concatenate([[0.0], corner, time_second])
    order = np.argsort(knots, kind="stable")
    through = _interpolated(knots[order], corner, at_corner)
    steps = np.diff(knots[order])[:, np.newaxis] * (through[1:] + through[:-1]) / 2
    so_far = np.empty((len(knots), settled.shape[1]))
    so_far[order] = np.concatenate([np.zeros((1, settled.shape[1])), np.cumsum(steps, axis=0)])
    return TimeCourse(
        current_ampere=current + on_edge @ released / drive.t_edge_second,
        charge_coulomb=so_far[1 + len(corner) :] + at_edge @ released,
    )


def _interpolated(time: FloatArray, corner: FloatArray, values: FloatArray) -> FloatArray:
    """Straight lines through `values` [n_corner, n_line] at `corner`, the ends held; [n_time, n_line]."""
    return np.stack([np.interp(time, corner, line) for line in values.T], axis=1)

"""One output in time: SPICE's current, the fast model's own, and how the error of the charge builds up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spice_netlists.batch import vector_waveforms
from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck
from spice_netlists.process import Waveforms
from spice_netlists.runs import Runner
from tilemodel.config.passes import tile_passes
from tilemodel.config.read_out import IdealClamp, ResistiveClamp
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel
from tilemodel.time_course import time_course

__all__ = ["Transient", "no_transient", "transient_of"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Transient:
    """A column's current in one pass of one vector, at SPICE's time points; G+ less G- where it has two bit lines."""

    vector: int
    column: int
    pass_index: int
    n_pass: int
    time_second: FloatArray
    """[n_time], as are the others."""
    spice_ampere: FloatArray
    model_ampere: FloatArray
    residual_coulomb: FloatArray
    """Charge so far of the model, less SPICE's."""


def no_transient(tile: TileConfig) -> str | None:
    """Why outputs of `tile` have no course in time to compare, None where they have one."""
    circuit = tile.read_out.circuit
    if not isinstance(circuit, IdealClamp | ResistiveClamp):
        return f"behind a {circuit.kind} read-out the fast model gives outputs at the window's end only"
    if tile.read_out.window == "cut":
        return "in a window that cuts the tail the fast model gives charges at its end only"
    return None


def transient_of(
    model: TileModel,
    ticks: IntArray,
    vector: int,
    column: int,
    *,
    runner: Runner,
    cell: CellCircuit | None = None,
) -> Transient | None:
    """The output of `vector` in `ticks` [n_vec, n_row] at `column`; of several passes the one that errs most.

    None where `no_transient` gives a reason. SPICE's waveforms come from the runner's store, or are simulated again.
    """
    tile = model.tile
    if no_transient(tile) is not None:
        return None
    one = ticks[vector : vector + 1]
    runs = vector_waveforms(tile, model.conductances, one[0], column=column, runner=runner, cell=cell)
    lines = [column * tile.lines_per_column + k for k in range(tile.lines_per_column)]
    found, passes = [], tile_passes(tile, one)
    for index, (drive, (deck, run)) in enumerate(zip(passes, runs, strict=True)):
        spice = _difference(_line_currents(deck, run, lines))
        course = time_course(tile.drive, model.currents(drive), 0, run.time_second)
        residual = _difference(course.charge_coulomb[:, lines]) - _charge_so_far(run.time_second, spice)
        transient = Transient(
            vector=vector,
            column=column,
            pass_index=index,
            n_pass=len(passes),
            time_second=run.time_second,
            spice_ampere=spice,
            model_ampere=_difference(course.current_ampere[:, lines]),
            residual_coulomb=residual,
        )
        found.append((abs(drive.factor * residual[-1]), -index, transient))
    return max(found)[2]


def _line_currents(deck: Deck, run: Waveforms, lines: list[int]) -> FloatArray:
    """[n_time, len(lines)], signs as the tile counts charge."""
    places = [deck.lines.index(line) for line in lines]
    currents: FloatArray = deck.charge_sign * run.sensed[places].T
    return currents


def _difference(of_lines: FloatArray) -> FloatArray:
    """[n_time, 1 or 2] -> [n_time]: of two lines the first less the second."""
    difference: FloatArray = of_lines[:, 0] if of_lines.shape[1] == 1 else of_lines[:, 0] - of_lines[:, 1]
    return difference


def _charge_so_far(time: FloatArray, current: FloatArray) -> FloatArray:
    """The trapezoid over SPICE's own points, as its charges are taken."""
    steps = np.diff(time) * (current[1:] + current[:-1]) / 2
    return np.concatenate([[0.0], np.cumsum(steps)])

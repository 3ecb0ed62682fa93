"""Conductances whose effective matrix is the wanted one: IR drop taken back when the tile is programmed.

Every cell adds current to its column in proportion to its conductance and to a share that depends, through the
wires, on all cells of the tile. Given the shares, the conductances follow; given the conductances, the shares. That is
a fixed point, and a contraction by about the IR drop. Derivation and limits: docs/compensation.md.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilemodel.config.cell import LinearDevice
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, conductances_from_weights
from tilemodel.config.passes import tile_passes
from tilemodel.config.tile import TileConfig
from tilemodel.effective_cells import EffectiveCells, GatedCells, LinearCells
from tilemodel.parameters import AnyParameters, DrivenParameters, GatedParameters, parameters_from_tile

__all__ = ["Compensation", "Sums", "compensate", "operating_activity"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Sums = Literal["free", "held"]
"""free: the smaller conductance of a pair stays at `g_min_siemens`. held: G+ + G- stays as without compensation."""

_MAX_ROUND = 100
# Change of the conductances at which the rounds end, of their range: rounding of a column's ladder
_CONVERGED = 1e-15
# The same where cells are clipped, whose least squares are flat around their minimum
_CONVERGED_CLIPPED = 1e-9
# A cell at the end of its range counts as clipped if more than this is left, of the largest weight
_LEFT = 1e-9


@dataclass(frozen=True, kw_only=True)
class Compensation:
    """Conductances, and how near their effective matrix comes to the weights times `scale`."""

    conductances: Conductances
    scale: FloatArray
    """Of each column, [n_col]: what the tile gives is to be divided by it."""
    residual: FloatArray
    """Effective matrix less scale * weights, in weights, [n_row, n_col]."""
    residual_rms: float
    """Root of the residual's mean square, of that of scale * weights."""
    uncompensated_rms: float
    """The same of the conductances that `conductances_from_weights` gives, with scale 1."""
    headroom: FloatArray
    """Of each column, [n_col]: the range over the largest difference of conductances wanted; below 1 some clip."""
    clipped: NDArray[np.bool_]
    """Where the range ends before the wanted conductance, [n_row, n_col]."""
    n_round: int


def compensate(
    weights: ArrayLike,
    tile: TileConfig,
    *,
    parameters: AnyParameters | None = None,
    scale: float | Literal["fit"] = 1.0,
    sums: Sums = "free",
    activity: ArrayLike | None = None,
    tolerance: float = _CONVERGED,
) -> Compensation:
    """Conductances with which `tile` multiplies by `weights` [n_row, n_col] in [-1, 1] times `scale`.

    `scale` = "fit" takes the largest one, at most 1, that keeps a column within its range. `parameters` default to
    what the tile file states. Cells that clip are met by least squares where rows are ideal. A gated tile is
    compensated for `activity`, the share of time in which a row is on while another one is: a number or [n_row], as
    `operating_activity` gives it. Rounds end where no conductance changes by more than `tolerance` of its range.

    Raises `InputError` for weights, scales, activities or tolerances out of range, for sums held where they mean
    nothing, and for tiles that are neither linear nor gated 1T1R cells with Ohmic elements.
    """
    plain = conductances_from_weights(tile, weights)
    cells = _cells(tile, parameters if parameters is not None else parameters_from_tile(tile), activity)
    if scale != "fit" and not (isinstance(scale, int | float) and 0 < scale <= 1):
        raise InputError(f"scale: expected 'fit' or a number above 0 and up to 1, got {scale!r}")
    if sums == "held" and not (isinstance(cells, LinearCells) and cells.shares_by_sums):
        raise InputError(
            f"tile {tile.name}: sums = 'held' applies to G+ and G- on one bit line with ideal rows; use sums = 'free'"
        )
    if not 0 <= tolerance < 1:
        raise InputError(f"tolerance: expected 0 up to below 1, of a conductance's range, got {tolerance!r}")
    target = np.asarray(weights, dtype=np.float64)
    first = np.full(target.shape[1], 1.0 if scale == "fit" else float(scale))
    if sums == "held":
        found, used, wanted, n_round = _held(cells, plain, target, first, scale == "fit")
    else:
        found, used, wanted, n_round = _free(cells, plain, target, first, scale == "fit", tolerance)
    if sums == "free" and (np.abs(wanted) > 1).any() and isinstance(cells, LinearCells) and cells.has_gradient:
        found, n_more = _least_squares(cells, found, used * target)
        n_round += n_more
    return _result(cells, plain, found, target, used, wanted, n_round)


def operating_activity(tile: TileConfig, ticks: IntArray) -> FloatArray:
    """Share of the other rows' pulses during which each row is on too, [n_row], of a batch `ticks` [n_vec, n_row].

    Pulses of a pass start together: rows of n and m ticks share min(n, m) of them. Passes count with their factors.
    """
    shared, total = np.zeros(tile.array.n_row), 0.0
    for drive in tile_passes(tile, ticks):
        n_tick = drive.n_tick
        later = np.stack([(n_tick > t).sum(axis=1) for t in range(drive.n_tick_max)], axis=1)
        area = np.pad(np.cumsum(later, axis=1), ((0, 0), (1, 0)))
        shared += abs(drive.factor) * np.take_along_axis(area, n_tick, axis=1).sum(axis=0)
        total += abs(drive.factor) * float(n_tick.sum())
    return np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)


Rounds = tuple[Conductances, FloatArray, FloatArray, int]


def _free(
    cells: EffectiveCells, plain: Conductances, target: FloatArray, scale: FloatArray, fit: bool, tolerance: float
) -> Rounds:
    """Rounds of shares and conductances: those found, the scale, the differences wanted (of the range), rounds."""
    found, n_round, change = plain, 0, np.inf
    while change > tolerance * cells.range_siemens and n_round < _MAX_ROUND:
        n_round += 1
        wanted = cells.differences(found, scale * target)
        if fit:
            largest = np.abs(wanted).max(axis=0)
            scale = np.minimum(1.0, np.divide(scale, largest, out=np.ones_like(scale), where=largest > 0))
            wanted = cells.differences(found, scale * target)
        moved = cells.conductances(np.clip(wanted, -1.0, 1.0))
        change = max(np.abs(moved.g_plus - found.g_plus).max(), np.abs(moved.g_minus - found.g_minus).max())
        found = moved
    return found, scale, wanted, n_round


def _held(cells: EffectiveCells, plain: Conductances, target: FloatArray, scale: FloatArray, fit: bool) -> Rounds:
    """With the sums held the shares stay: one solution, clipped cell by cell."""
    wanted = cells.differences(plain, target)
    total = plain.g_plus + plain.g_minus
    room = (total - 2 * cells.g_min_siemens) / cells.range_siemens
    if fit:
        fits = np.divide(room, np.abs(wanted), out=np.ones_like(room), where=target != 0).min(axis=0)
        scale = np.minimum(1.0, fits)
    difference = np.clip(scale * wanted, -room, room) * cells.range_siemens
    lowest = cells.g_min_siemens  # rounding must not take a cell below it
    found = cells.with_pairs(np.maximum((total + difference) / 2, lowest), np.maximum((total - difference) / 2, lowest))
    needed = np.divide(scale * wanted, room, out=np.zeros_like(room), where=room > 0)
    return found, scale, needed, 1


def _least_squares(cells: LinearCells, found: Conductances, target: FloatArray) -> tuple[Conductances, int]:
    """Projected descent of |effective matrix - target|^2 within the range, its steps scaled by the cells' shares."""
    difference, n_round, change = cells.differences_of(found), 0, np.inf
    while change > _CONVERGED_CLIPPED and n_round < _MAX_ROUND:
        n_round += 1
        moved = np.clip(difference - cells.descent(found, target), -1.0, 1.0)
        change = float(np.abs(moved - difference).max())
        difference, found = moved, cells.conductances(moved)
    return found, n_round


def _result(
    cells: EffectiveCells,
    plain: Conductances,
    found: Conductances,
    target: FloatArray,
    scale: FloatArray,
    wanted: FloatArray,
    n_round: int,
) -> Compensation:
    residual = cells.matrix(found) - scale * target
    largest = np.abs(wanted).max(axis=0)
    headroom = np.divide(1.0, largest, out=np.full_like(largest, np.inf), where=largest > 0)
    left = np.abs(residual) > _LEFT * max(float(np.abs(target).max()), np.finfo(float).tiny)
    return Compensation(
        conductances=found,
        scale=scale,
        residual=residual,
        residual_rms=_relative_rms(residual, scale * target),
        uncompensated_rms=_relative_rms(cells.matrix(plain) - target, target),
        headroom=headroom,
        clipped=(np.abs(wanted) > 1) & left,
        n_round=n_round,
    )


def _relative_rms(error: FloatArray, reference: FloatArray) -> float:
    whole = float(np.sqrt(np.mean(reference**2)))
    return float(np.sqrt(np.mean(error**2))) / whole if whole > 0 else 0.0


def _cells(tile: TileConfig, parameters: AnyParameters, activity: ArrayLike | None) -> EffectiveCells:
    """How the tile's cells act, or an `InputError`."""
    if isinstance(parameters, DrivenParameters) and parameters.is_ohmic:
        if activity is not None:
            raise InputError(f"tile {tile.name}: activity is for gated cells; the cells of this one always conduct")
        return LinearCells(tile, parameters)
    ohmic = isinstance(tile.cell.device, LinearDevice) and tile.cell.device.polarity_asymmetry == 0
    if not (isinstance(parameters, GatedParameters) and ohmic):
        raise InputError(
            f"tile {tile.name}: only linear tiles and gated_1t1r cells with Ohmic elements can be compensated"
        )
    if activity is None:
        raise InputError(
            f"tile {tile.name}: gated cells are compensated for an operating point; give activity, a number from 0 to "
            "1 or operating_activity(tile, ticks)"
        )
    share = np.asarray(activity, dtype=np.float64)
    if share.shape not in ((), (tile.array.n_row,)) or not np.all((share >= 0) & (share <= 1)):
        raise InputError(f"activity: expected a number or [n_row] from 0 to 1, got {activity!r}")
    return GatedCells(tile, parameters, np.broadcast_to(share, (tile.array.n_row,)))

"""What the competitors share: types, the check of what is installed, and a rail_pair tile's lines."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.cell import LinearDevice, RailPairCell
from tilemodel.config.layout import lines_read_north
from tilemodel.config.operands import Conductances, check_conductances
from tilemodel.config.read_out import IdealClamp
from tilemodel.config.tile import TileConfig

__all__ = [
    "Charges",
    "Currents",
    "FloatArray",
    "IntArray",
    "Matmul",
    "RailPairLines",
    "in_blocks",
    "not_importable",
    "rail_pair_charges",
    "rail_pair_lines",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Charges = Callable[[IntArray], FloatArray]
"""Ticks [n_vec, n_row] to line charges [coulomb], [n_vec, n_line]."""
Currents = Callable[[FloatArray], FloatArray]
"""Driver voltages [volt], [n_vec, n_row], to clamp currents [ampere], [n_vec, n_line]."""


@dataclass(frozen=True, kw_only=True)
class Matmul:
    """A programmed matrix product: `multiply(operand(x))` is x [n_vec, n_row] times the matrix [n_row, n_line]."""

    operand: Callable[[FloatArray], Any]
    """Into the library's own array and dtype; not part of the product's time."""
    multiply: Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class RailPairLines:
    """A linear rail_pair tile with every bit line turned so that its clamp lies behind the last row."""

    g_plus: FloatArray
    """[siemens], [n_row, n_line]"""
    g_minus: FloatArray
    """[siemens], [n_row, n_line]"""
    north: NDArray[np.bool_]
    """Lines that were turned, [n_line]."""
    r_bit_line_ohm: float
    rest_volt: float
    """The rails' common voltage above the clamps'."""


def not_importable(module: str, remedy: str) -> str | None:
    """None if `module` can be imported, else why not, and `remedy`."""
    try:
        import_module(module)
    except Exception as error:  # a library that is not found, but also one that is broken
        missing = isinstance(error, ModuleNotFoundError) and error.name == module.partition(".")[0]
        return f"not installed: {remedy}" if missing else f"{module} does not import ({error}): {remedy}"
    return None


def rail_pair_lines(tile: TileConfig, conductances: Conductances) -> RailPairLines:
    """The lines of a linear rail_pair tile; raises `ValueError` for a tile that is more than that."""
    check_conductances(tile, conductances)
    wires = tile.wires_in_use
    unsupported = {
        f"cells of kind {tile.cell.kind}": not isinstance(tile.cell, RailPairCell),
        "non-linear memory elements": not _ohmic(tile),
        "rails or drivers with resistance": wires.r_row_ohm > 0 or wires.r_driver_ohm > 0,
        "a terminal resistance": wires.r_terminal_ohm > 0,
        "a read-out other than an ideal clamp": not isinstance(tile.read_out.circuit, IdealClamp),
        "a window that cuts the tail": tile.read_out.window == "cut",
        "several passes": tile.drive.coding in ("split", "bit_wise") or tile.drive.sign == "two_phase",
        "mismatch": tile.mismatch is not None,
    }
    found = [what for what, there in unsupported.items() if there]
    if found:
        raise ValueError(f"tile {tile.name}: this competitor does rail pairs on ideal rails only, not {found[0]}")
    north = lines_read_north(tile)
    plus, minus = (np.where(north, g[::-1], g) for g in (conductances.g_plus, conductances.g_minus))
    assert isinstance(tile.cell, RailPairCell)
    return RailPairLines(
        g_plus=plus,
        g_minus=minus,
        north=north,
        r_bit_line_ohm=wires.r_bit_line_ohm,
        rest_volt=tile.cell.v_common_volt - tile.read_out.v_clamp_volt,
    )


def rail_pair_charges(tile: TileConfig, signal: Currents, rest_ampere: FloatArray) -> Charges:
    """Charges by superposition over time, from a solver of currents.

    `signal` takes the rails' deviation from the common voltage [volt], [n_vec, n_row], with clamps at the common
    voltage; `rest_ampere` [n_line] is what the clamps' deviation drives. Pulses of any length add up as if each were
    of full length and lower height, so one solution a vector is enough.
    """
    drive, v_read = tile.drive, tile.v_read_volt
    t_full = drive.n_tick_max * drive.t_lsb_second
    rest_coulomb = rest_ampere * tile.t_window_second(drive.n_tick_max)

    def charges(ticks: IntArray) -> FloatArray:
        v_volt = ticks.astype(np.float64) * (v_read / drive.n_tick_max)
        result: FloatArray = signal(v_volt) * t_full + rest_coulomb
        return result

    return charges


def in_blocks(solve: Callable[[NDArray[Any]], FloatArray], operands: NDArray[Any], vectors_at_once: int) -> FloatArray:
    """`solve` applied to `operands` [n_vec, n_row] in blocks of vectors, to bound memory: [n_vec, n_line]."""
    starts = range(0, len(operands), vectors_at_once)
    return np.concatenate([solve(operands[first : first + vectors_at_once]) for first in starts])


def _ohmic(tile: TileConfig) -> bool:
    device = tile.cell.device
    return isinstance(device, LinearDevice) and device.polarity_asymmetry == 0

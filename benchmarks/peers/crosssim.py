"""Sandia's CrossSim 3.2: its relaxation solvers for arrays with wire resistance.

It is not on PyPI: `CROSSSIM_PATH` names a checkout of github.com/sandialabs/cross-sim (its folder `simulator`).
Its conductances are in units of the largest, its voltages in units of the full scale, as its cores pass them.
Where it does not converge it lowers its relaxation factor, for good, and tries again: programming solves for full
inputs once, so that this search, which may take minutes, is not counted with every product.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.common import (
    Charges,
    Currents,
    FloatArray,
    RailPairLines,
    in_blocks,
    not_importable,
    rail_pair_charges,
    rail_pair_lines,
)
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig

__all__ = ["NAME", "available", "mesh", "rail_pair"]

NAME = "CrossSim"

_REMEDY = "git clone --branch v3.2.0 https://github.com/sandialabs/cross-sim, and set CROSSSIM_PATH to its folder"
_VOLTAGE_TOLERANCE, _ITERATIONS_MAX = 1e-3, 100  # its defaults: part of full scale, sweeps
# Measured fastest: its arrays of rows x lines x vectors leave the cache
_VECTORS_AT_ONCE = 1

Solve = Callable[[FloatArray], FloatArray]


def available() -> str | None:
    """None if CrossSim can be imported from `CROSSSIM_PATH`, else the reason."""
    path = os.environ.get("CROSSSIM_PATH")
    if not path:
        return f"not installed: {_REMEDY}"
    if not (Path(path) / "simulator" / "backend").is_dir():
        return f"CROSSSIM_PATH = {path!r} holds no CrossSim: {_REMEDY}"
    if path not in sys.path:
        sys.path.append(path)
    reason = not_importable("simulator.backend", _REMEDY)
    if reason is None:
        _use_numpy()  # before anything else of it is imported
        reason = not_importable("simulator", _REMEDY)
    return reason


def rail_pair(
    tile: TileConfig,
    conductances: Conductances,
    *,
    voltage_tolerance: float = _VOLTAGE_TOLERANCE,
    iterations_max: int = _ITERATIONS_MAX,
    vectors_at_once: int = _VECTORS_AT_ONCE,
) -> Charges:
    """Charges of a linear rail_pair tile: its interleaved array, one for the lines of each read-out end."""
    lines = rail_pair_lines(tile, conductances)
    settings = {"Verr_th_mvm": voltage_tolerance, "Niters_max_parasitics": iterations_max}
    groups = [
        (chosen, turned, _pair_solver(lines, chosen, tile.v_read_volt, settings))
        for chosen, turned in ((~lines.north, 1), (lines.north, -1))
        if chosen.any()
    ]

    def block(v: FloatArray) -> FloatArray:
        current = np.empty((len(v), lines.north.size))
        for chosen, turned, solve in groups:
            current[:, chosen] = solve(v[:, ::turned])
        return current

    rest = _rest_ampere(lines, settings)
    return rail_pair_charges(tile, lambda v: in_blocks(block, v, vectors_at_once), rest)


def mesh(
    g_siemens: FloatArray,
    r_row_ohm: float,
    r_bit_line_ohm: float,
    *,
    voltage_tolerance: float = _VOLTAGE_TOLERANCE,
    iterations_max: int = _ITERATIONS_MAX,
    vectors_at_once: int = _VECTORS_AT_ONCE,
) -> Currents:
    """Currents of a passive crossbar [n_row, n_line]; raises `ValueError` where it finds no solution."""
    settings = {"Verr_th_mvm": voltage_tolerance, "Niters_max_parasitics": iterations_max}
    array, g_max = _array(float(g_siemens.max()), r_row_ohm, r_bit_line_ohm, settings, interleaved=False)
    norm = np.ascontiguousarray(g_siemens.T / g_max)

    def block(v: FloatArray) -> FloatArray:
        return _solved(array, v, float(np.abs(v).max()), g_max, norm)

    block(np.ones((1, len(g_siemens))))
    return lambda v: in_blocks(block, v, vectors_at_once)


def _pair_solver(lines: RailPairLines, chosen: Any, v_full_volt: float, settings: dict[str, float]) -> Solve:
    """Currents [n_vec, n_chosen] for rail voltages [n_vec, n_row], rows from the far end."""
    plus, minus = lines.g_plus[:, chosen].T, lines.g_minus[:, chosen].T
    largest = float(max(plus.max(), minus.max()))
    array, g_max = _array(largest, 0.0, lines.r_bit_line_ohm, settings, interleaved=True)
    plus, minus = np.ascontiguousarray(plus / g_max), np.ascontiguousarray(minus / g_max)

    def solve(v: FloatArray) -> FloatArray:
        return _solved(array, v, v_full_volt, g_max, plus, minus)

    solve(np.full((1, plus.shape[1]), v_full_volt))
    return solve


def _rest_ampere(lines: RailPairLines, settings: dict[str, float]) -> FloatArray:
    """Currents for all rails at the common voltage, [n_line]."""
    total = lines.g_plus + lines.g_minus
    array, g_max = _array(float(total.max()), 0.0, lines.r_bit_line_ohm, settings, interleaved=False)
    v = np.full((1, len(total)), lines.rest_volt)
    rest: FloatArray = _solved(array, v, abs(lines.rest_volt), g_max, np.ascontiguousarray(total.T / g_max))[0]
    return rest


def _solved(array: Any, v_volt: FloatArray, v_full_volt: float, g_max_siemens: float, *norm: FloatArray) -> FloatArray:
    """Currents [ampere], [n_vec, n_line], from its solver: operands [n_row, n_vec], a vector alone [n_row]."""
    if v_full_volt == 0 or not v_volt.any():  # as its core, which leaves such inputs out
        return np.zeros((len(v_volt), len(norm[0])))
    operand = v_volt[0] / v_full_volt if len(v_volt) == 1 else np.ascontiguousarray(v_volt.T / v_full_volt)
    solution = array.iterative_solve(norm[0], operand, True, *norm[1:])
    current: FloatArray = np.atleast_2d(np.asarray(solution).T) * (v_full_volt * g_max_siemens)
    return current


def _array(
    g_max_siemens: float, r_row_ohm: float, r_bit_line_ohm: float, settings: dict[str, float], *, interleaved: bool
) -> tuple[Any, float]:
    """A solver of its, and its unit of conductance [siemens]."""
    _use_numpy()
    from simulator import CrossSimParameters
    from simulator.circuits.array import InterleavedInputSourceArray, NoninterleavedInputSourceArray

    params = CrossSimParameters()
    params.core.balanced.interleaved_posneg = interleaved
    params.xbar.device.Rmin = 1.0 / g_max_siemens
    parasitics = params.xbar.array.parasitics
    parasitics.enable, parasitics.Rp_row, parasitics.Rp_col = True, r_row_ohm, r_bit_line_ohm
    params.simulation.hide_convergence_msg = True
    for name, value in settings.items():
        setattr(params.simulation, name, value)
    kind = InterleavedInputSourceArray if interleaved else NoninterleavedInputSourceArray
    return kind(params), g_max_siemens


def _use_numpy() -> None:
    from simulator.backend import ComputeBackend

    ComputeBackend(use_gpu=False)

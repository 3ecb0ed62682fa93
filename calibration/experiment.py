"""Which circuit simulations identify the model's parameters at little SPICE time.

One small tile of the user's technology: 32 rows, 8 columns. In a gated tile each bit line holds one
conductance in all its cells, spread evenly over the range from line to line, so that what depends on the
conductance shows between lines; long and short pulses tell conduction from what each pulse's end adds; a
second clamp voltage tells what depends on the cell's voltage. In a `rail_pair` tile random conductances and
inputs do, with a vector at rest for the clamp's offset.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.operands import (
    Conductances,
    conductances_from_weights,
    random_ticks,
    random_weights,
)
from tilemodel.config.tile import GatedCell, TileConfig

__all__ = ["Condition", "design_experiment"]

_N_ROW, _N_COL = 32, 8
# Short pulses reach up to this fraction of the longest
_SHORT_FRACTION = 1 / 16
_LOW_READ_FRACTION = 0.75


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One batch of simulations of the experiment."""

    name: str
    tile: TileConfig
    conductances: Conductances
    ticks: NDArray[np.int64]
    """[n_vec, n_row]"""


def design_experiment(tile: TileConfig, rng: np.random.Generator) -> list[Condition]:
    """The conditions under which `tile`'s technology is to be simulated."""
    small = _small_tile(tile)
    if not isinstance(tile.cell, GatedCell):
        conductances = conductances_from_weights(small, random_weights(small, rng))
        ticks = np.concatenate([random_ticks(small, rng, 2), np.zeros((1, _N_ROW), dtype=np.int64)])
        return [Condition(name="random", tile=small, conductances=conductances, ticks=ticks)]
    conductances = _graded_conductances(small, rng)
    long, short = _distinct_ticks(small, rng), _short_ticks(small, rng)
    conditions = []
    for label, fraction in (("", 1.0), (", low voltage", _LOW_READ_FRACTION)):
        at_voltage = _with_read_voltage(small, tile.cell, fraction * tile.v_read_volt)
        for name, ticks in (("long pulses", long), ("short pulses", short)):
            conditions.append(Condition(name=name + label, tile=at_voltage, conductances=conductances, ticks=ticks))
    return conditions


def _small_tile(tile: TileConfig) -> TileConfig:
    array = tile.array.model_copy(update={"n_row": _N_ROW, "n_col": _N_COL})
    return tile.model_copy(update={"array": array})


def _with_read_voltage(tile: TileConfig, cell: GatedCell, v_read_volt: float) -> TileConfig:
    read_out = tile.read_out.model_copy(update={"v_clamp_volt": cell.v_source_line_volt + v_read_volt})
    return tile.model_copy(update={"read_out": read_out})


def _graded_conductances(tile: TileConfig, rng: np.random.Generator) -> Conductances:
    """Each bit line at one conductance, the lines at even steps over the range, in random order."""
    low, high = tile.conductance.g_min_siemens, tile.conductance.g_max_siemens
    levels = rng.permutation(np.linspace(low, high, 2 * _N_COL))
    rows = np.ones((_N_ROW, 1))
    return Conductances(g_plus=rows * levels[0::2], g_minus=rows * levels[1::2])


def _distinct_ticks(tile: TileConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """Pulses spread evenly from half to full length, in random order over the rows, [1, n_row]."""
    n_max = tile.pwm.n_tick_max
    ticks = np.ceil(np.linspace(n_max / 2, n_max, _N_ROW)).astype(np.int64)
    return rng.permutation(ticks)[np.newaxis, :]


def _short_ticks(tile: TileConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """Random pulses of at least one tick, [1, n_row]."""
    longest = max(1, round(_SHORT_FRACTION * tile.pwm.n_tick_max))
    return rng.integers(1, longest, (1, _N_ROW), endpoint=True)

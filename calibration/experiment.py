"""Which circuit simulations identify the model's parameters at little SPICE time.

One small tile of the user's technology: by default 32 rows and 8 columns, conventional pulses, the nominal chip. In a
gated tile each bit line holds one conductance in all its cells, spread evenly over the range from line to line, so
that what depends on the conductance shows between lines; long and short pulses tell conduction from what each pulse's
end adds; a second clamp voltage tells what depends on the cell's voltage; a 2T1R tile is driven both ways. In a tile
with driven rows random conductances and inputs do, with a vector at rest for the clamp's offset.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.adc import IdealAdc
from tilemodel.config.cell import GatedCell, GatedPairCell, SubcktDevice
from tilemodel.config.operands import (
    Conductances,
    conductances_from_weights,
    random_ticks,
    random_weights,
)
from tilemodel.config.tile import TileConfig

__all__ = ["Condition", "Design", "design_experiment", "design_read_out_experiment"]

# Short pulses reach up to this fraction of the longest
_SHORT_FRACTION = 1 / 16
# Longest pulse of each vector of a read-out's experiment, as a fraction of the longest possible
_READ_OUT_FRACTIONS = (1.0, 0.7, 0.4, 0.2)


@dataclass(frozen=True, kw_only=True)
class Design:
    """What may be chosen of an experiment; as it is unless asked."""

    n_row: int = 32
    n_col: int = 8
    n_draw: int = 1
    """How many times inputs are drawn under each condition."""
    low_read_fractions: tuple[float, ...] = (0.75,)
    """Further read voltages of a gated tile, in units of its own."""

    def __str__(self) -> str:
        voltages = " and ".join(f"{fraction:g}" for fraction in (1.0, *self.low_read_fractions))
        return f"{self.n_row} x {self.n_col}, inputs drawn {self.n_draw} x, at {voltages} of the read voltage"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One batch of simulations of the experiment."""

    name: str
    tile: TileConfig
    conductances: Conductances
    ticks: NDArray[np.int64]
    """[n_vec, n_row]"""


def design_experiment(tile: TileConfig, rng: np.random.Generator, design: Design | None = None) -> list[Condition]:
    """The conditions under which `tile`'s technology is to be simulated."""
    design = design or Design()
    small = _small_tile(tile, design)
    if not isinstance(tile.cell, GatedCell | GatedPairCell):
        conductances = conductances_from_weights(small, random_weights(small, rng))
        drawn = random_ticks(small, rng, 2 * design.n_draw)
        ticks = np.concatenate([drawn, np.zeros((1, design.n_row), dtype=np.int64)])
        random = Condition(name="random", tile=small, conductances=conductances, ticks=ticks)
        if not isinstance(tile.cell.device, SubcktDevice):
            return [random]
        # a law of conduction shows between amplitudes only
        drive = small.drive.model_copy(update={"coding": "amplitude"})
        graded = small.model_copy(update={"drive": drive})
        return [random, Condition(name="amplitudes", tile=graded, conductances=conductances, ticks=ticks)]
    conductances = _graded_conductances(small, rng)
    both_ways = isinstance(tile.cell, GatedPairCell)
    pulses = {
        name: np.concatenate([draw(small, rng, both_ways=both_ways) for _ in range(design.n_draw)])
        for name, draw in (("long pulses", _distinct_ticks), ("short pulses", _short_ticks))
    }
    return [
        Condition(
            name=name + label,
            tile=_with_clamp(small, tile.cell, fraction * tile.v_read_volt),
            conductances=conductances,
            ticks=ticks,
        )
        for label, fraction in (("", 1.0), *_low_voltages(design))
        for name, ticks in pulses.items()
    ]


def design_read_out_experiment(tile: TileConfig, rng: np.random.Generator) -> Condition:
    """What shows a transistor-level read-out: graded lines, so that currents differ, under ever shorter pulses."""
    small = _small_tile(tile, Design())
    longest = np.array(_READ_OUT_FRACTIONS)[:, np.newaxis] * tile.drive.n_tick_max
    ticks = np.rint(rng.uniform(0.0, 1.0, (len(_READ_OUT_FRACTIONS), small.array.n_row)) * longest).astype(np.int64)
    return Condition(name="read-out", tile=small, conductances=_graded_conductances(small, rng), ticks=ticks)


def _low_voltages(design: Design) -> list[tuple[str, float]]:
    """Name and fraction of each."""
    if len(design.low_read_fractions) == 1:
        return [(", low voltage", design.low_read_fractions[0])]
    return [(f", {fraction:g} of the voltage", fraction) for fraction in design.low_read_fractions]


def _small_tile(tile: TileConfig, design: Design) -> TileConfig:
    signed = "unsigned" if isinstance(tile.cell, GatedCell) else "polarity"
    return tile.model_copy(
        update={
            "array": tile.array.model_copy(update={"n_row": design.n_row, "n_col": design.n_col}),
            "drive": tile.drive.model_copy(update={"coding": "conventional", "sign": signed, "split_low_bits": None}),
            "adc": IdealAdc(kind="ideal"),
            "mismatch": None,
        }
    )


def _with_clamp(tile: TileConfig, cell: GatedCell | GatedPairCell, v_read_volt: float) -> TileConfig:
    """The read voltage changed by the clamp, the source lines staying: access devices then keep their overdrive.

    In a 2T1R tile what the cells at the upper source line lose, those at the lower one gain.
    """
    if isinstance(cell, GatedCell):
        shifted = cell.v_source_line_volt + v_read_volt
    else:
        shifted = tile.read_out.v_clamp_volt + tile.v_read_volt - v_read_volt
    return tile.model_copy(update={"read_out": tile.read_out.model_copy(update={"v_clamp_volt": shifted})})


def _graded_conductances(tile: TileConfig, rng: np.random.Generator) -> Conductances:
    """Each bit line at one conductance, the lines at even steps over the range, in random order."""
    low, high = tile.conductance.g_min_siemens, tile.conductance.g_max_siemens
    levels = rng.permutation(np.linspace(low, high, 2 * tile.array.n_col))
    rows = np.ones((tile.array.n_row, 1))
    return Conductances(g_plus=rows * levels[0::2], g_minus=rows * levels[1::2])


def _distinct_ticks(tile: TileConfig, rng: np.random.Generator, *, both_ways: bool) -> NDArray[np.int64]:
    """Pulses spread evenly from half to full length, in random order over the rows, [1 or 2, n_row]."""
    n_max = tile.drive.n_tick_max
    ticks = np.ceil(np.linspace(n_max / 2, n_max, tile.array.n_row)).astype(np.int64)
    return _signed(rng.permutation(ticks), both_ways=both_ways)


def _short_ticks(tile: TileConfig, rng: np.random.Generator, *, both_ways: bool) -> NDArray[np.int64]:
    """Random pulses of at least one tick, [1 or 2, n_row]."""
    longest = max(1, round(_SHORT_FRACTION * tile.drive.n_tick_max))
    return _signed(rng.integers(1, longest, tile.array.n_row, endpoint=True), both_ways=both_ways)


def _signed(ticks: NDArray[np.int64], *, both_ways: bool) -> NDArray[np.int64]:
    return np.stack([ticks, -ticks]) if both_ways else ticks[np.newaxis, :]

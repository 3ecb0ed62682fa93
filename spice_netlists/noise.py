"""Noisy transients: a tile's reads in ngspice with conductances that the noise process moves in time.

The process is that of the tile file (`tilemodel.noise.read_noise`): its means over successive intervals, drawn jointly
for all passes of an input. Intervals end where pulses can, so that a cell's mean over its pulse is exact.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spice_netlists.batch import Progress, run_side_by_side
from spice_netlists.deck import build_deck
from spice_netlists.engines import engine_version, run_deck
from spice_netlists.nodes import rails_resist
from spice_netlists.traces import ConductanceTraces
from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout, line_count
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances, check_ticks
from tilemodel.config.passes import Pass, tile_passes
from tilemodel.config.tile import TileConfig
from tilemodel.noise.read_noise import read_noise_process
from tilemodel.noise.telegraph import telegraph_means

__all__ = ["NoisyTransients", "simulate_noise"]

FloatArray = NDArray[np.float64]

# Copies of the tile, each with noise of its own, side by side in one deck: this many bit lines amortise its start
_LINES_PER_DECK = 64


@dataclass(frozen=True, kw_only=True)
class NoisyTransients:
    """Charges of many noisy reads of one input vector."""

    charge_line_coulomb: FloatArray
    """[n_read, n_line], the passes added up with their factors."""
    engine: str
    deck_sha256: tuple[str, ...]


def simulate_noise(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    n_read: int,
    rng: np.random.Generator,
    intervals_per_tick: int = 1,
    processes: int | None = None,
    on_done: Progress | None = None,
) -> NoisyTransients:
    """Read `ticks` [1, n_row] through the tile `n_read` times, each time with conductances drawn anew from `rng`.

    Raises `InputError` for a tile without read noise and for cells that are not Ohmic and driven, `SimulatorError` or
    `SimulatorMissingError`.
    """
    check_ticks(tile, ticks)
    if len(ticks) != 1:
        raise InputError(f"noisy transients take one input vector, got {len(ticks)}")
    if tile.noise is None or (tile.noise.read is None and tile.noise.telegraph is None):
        raise InputError(f'tile {tile.name} has no read noise; add [noise.read] or [noise] preset = "pcm_ibm"')
    engine = engine_version(tile.simulator.engine)
    copies = min(_copies(tile), n_read)
    wide, operands = _side_by_side(tile, conductances, copies)
    seeds = rng.spawn(-(-n_read // copies))

    def task(seed: np.random.Generator) -> Callable[[threading.Event], tuple[FloatArray, list[str]]]:
        return partial(_one_deck, wide, operands, ticks, seed, intervals_per_tick)

    results = run_side_by_side([task(seed) for seed in seeds], processes=processes, on_done=on_done)
    charge = np.concatenate([charge.reshape(copies, line_count(tile)) for charge, _ in results])
    return NoisyTransients(
        charge_line_coulomb=charge[:n_read],
        engine=engine,
        deck_sha256=tuple(sha256 for _, hashes in results for sha256 in hashes),
    )


def _copies(tile: TileConfig) -> int:
    """How many copies of the tile one deck holds: one where columns act on each other or differ."""
    differ = tile.array.read_out_end == "alternating" and tile.array.n_col % 2 == 1
    if rails_resist(tile) or tile.mismatch is not None or differ:
        return 1
    return max(1, _LINES_PER_DECK // line_count(tile))


def _side_by_side(tile: TileConfig, conductances: Conductances, copies: int) -> tuple[TileConfig, Conductances]:
    array = tile.array.model_copy(update={"n_col": copies * tile.array.n_col})
    arrays = {name: np.tile(values, (1, copies)) for name, values in conductances.arrays().items()}
    return tile.model_copy(update={"array": array}), Conductances(**arrays)


def _one_deck(
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    rng: np.random.Generator,
    intervals_per_tick: int,
    stop: threading.Event,
) -> tuple[FloatArray, list[str]]:
    """Charges [n_line] of all passes of one draw, and the decks' hashes."""
    assert tile.noise is not None
    total, hashes = np.zeros(line_count(tile)), []
    drives = tile_passes(tile, ticks)
    all_traces = _traces(tile, tile.noise, conductances, drives, rng, intervals_per_tick)
    for drive, traces in zip(drives, all_traces, strict=True):
        deck = build_deck(tile, conductances, drive.pulses(0), traces=traces)
        run = run_deck(deck, timeout_second=tile.simulator.timeout_second, stop=stop)
        total += drive.factor * deck.charge_sign * deck.sense.charges(run.time_second, run.sensed, list(deck.lines))
        hashes.append(deck.sha256)
    return total, hashes


def _traces(
    tile: TileConfig,
    noise: NoiseConfig,
    conductances: Conductances,
    drives: list[Pass],
    rng: np.random.Generator,
    intervals_per_tick: int,
) -> list[ConductanceTraces]:
    """One a pass, with the noise that goes on between them."""
    g = cell_layout(tile, conductances).g_siemens
    local = [_edges(tile, drive, intervals_per_tick) for drive in drives]
    lengths = [tile.t_window_second(drive.n_tick_max) + noise.t_between_passes_second for drive in drives]
    starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    edges = np.concatenate([start + own for start, own in zip(starts, local, strict=True)])
    deviation = np.zeros((edges.size - 1, *g.shape))
    if noise.read is not None:
        deviation += read_noise_process(noise.read).interval_means(g, edges, rng)
    if noise.telegraph is not None:
        deviation += telegraph_means(noise.telegraph, g, edges, rng)
    first = np.concatenate([[0], np.cumsum([own.size for own in local])[:-1]])
    return [
        ConductanceTraces(edges_second=own, g_siemens=g + deviation[at : at + own.size - 1])
        for own, at in zip(local, first.tolist(), strict=True)
    ]


def _edges(tile: TileConfig, drive: Pass, intervals_per_tick: int) -> FloatArray:
    """Ends of the ticks of a pass [second]; a pulse of n ticks has the area of one from the first to the n-th."""
    timing = tile.drive
    n = drive.n_tick_max * intervals_per_tick
    first = timing.t_start_second + timing.t_edge_second / 2
    return np.asarray(first + timing.t_lsb_second / intervals_per_tick * np.arange(n + 1), dtype=np.float64)

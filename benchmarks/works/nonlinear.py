"""Works in which more than a matrix product is needed."""

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.timing import Result, take_turns
from benchmarks.works.common import (
    EXAMPLES,
    Quick,
    error_percent,
    products,
    programmed,
    result,
    results,
    sized,
)
from tilemodel import TileModel, ideal_charge, load_tile
from tilemodel.config.operands import random_ticks

__all__ = ["compressing_oscillator", "gated", "noise"]


def gated(quick: Quick) -> Iterator[Result]:
    """1T1R cells, exact and at 0.02 % of full scale; the limit is the product with the tile's lines, two a column."""
    tile = sized("switch_512x512.toml", 128 if quick else 512)
    c, rng = programmed(tile)
    batch = 16
    ticks = random_ticks(tile, rng, batch)
    exact, lumped = TileModel(tile, c), TileModel(tile, c, accuracy=2e-4)
    quiet = exact.mvm(ticks).charge_coulomb
    full_scale = np.abs(ideal_charge(tile, c, ticks)).max()
    error = error_percent(lumped.mvm(ticks).charge_coulomb, quiet, full_scale)
    drop = 100 * np.abs(ideal_charge(tile, c, ticks) - quiet).max() / full_scale
    calls = products(tile, ticks, np.float64, n_line=2 * tile.array.n_col) | {
        "tilemodel, 0.02 %": lambda: lumped.charges(ticks),
        "tilemodel, exact": lambda: exact.charges(ticks),
    }
    notes = dict.fromkeys(calls, f"IR drop {drop:.1f} % of full scale")
    errors = {"tilemodel, 0.02 %": error, "tilemodel, exact": 0.0}
    yield from results("gated_1t1r", tile, batch, np.float64, take_turns(calls, least_runs=3), errors, notes)


def compressing_oscillator(quick: Quick) -> Iterator[Result]:
    """Codes of oscillators that need the current's waveform."""
    tile = sized("ibm_pair_512x512.toml", 128 if quick else 512)
    adc = load_tile(EXAMPLES / "circuits" / "adc_cco_compressing.toml").adc
    tile = tile.model_copy(update={"adc": adc.model_copy(update={"i_half_ampere": 2e-3, "count_max": 2**16})})
    c, rng = programmed(tile)
    model, ticks = TileModel(tile, c), random_ticks(tile, rng, 16)
    calls = products(tile, ticks, np.float64) | {"tilemodel": lambda: model.codes(ticks)}
    yield from results("non-linear CCO codes", tile, 16, np.float64, take_turns(calls), {"tilemodel": 0.0})


def noise(quick: Quick) -> Iterator[Result]:
    """Read noise drawn per vector, batch 16; ratio to the normal deviates alone."""
    from tilemodel.config.load import load_noise_preset, tile_from_mapping
    from tilemodel.noise.noisy_tile import NoisyTile

    plain = sized("ibm_pair_512x512.toml", 128 if quick else 512)
    values = plain.model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    tile = tile_from_mapping({**values, "noise": load_noise_preset("pcm_ibm")})
    c, rng = programmed(tile)
    ticks, chip = random_ticks(tile, rng, 16), NoisyTile(TileModel(tile, c), rng)
    buffer = np.empty((16, 2, tile.array.n_row, tile.array.n_col))
    calls: dict[str, Callable[[], object]] = {
        "normal deviates alone": lambda: rng.standard_normal(out=buffer),
        "tilemodel, cell by cell": lambda: chip.mvm(ticks, rng, method="cells"),
        "tilemodel, outputs": lambda: chip.mvm(ticks, rng, method="outputs"),
    }
    times = take_turns(calls, least_runs=3)
    for name, seconds in times.items():
        base = times["normal deviates alone"].median
        yield result("read noise", tile, 16, np.float64, name, seconds, base, None)

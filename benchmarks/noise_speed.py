"""Read noise on 512 x 512 cells, batch 16, drawn per vector, against drawing the normal deviates alone.

    python benchmarks/noise_speed.py

prints seconds (the shortest of several runs) and their ratio to 2 x 512 x 512 x 16 normal deviates. The noisy product
includes the quiet one.
"""

import sys
import time
from collections.abc import Callable

import numpy as np

from tilemodel import TileModel, conductances_from_weights, load_tile
from tilemodel.config.load import load_noise_preset, tile_from_mapping
from tilemodel.config.operands import random_ticks, random_weights
from tilemodel.noise.noisy_tile import NoisyTile

N_VEC, REPEATS = 16, 7


def shortest(run: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> int:
    """Measure and print; exit status 1 if drawing cell by cell takes more than 3 x the deviates."""
    plain = load_tile("examples/ibm_pair_512x512.toml").model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    tile = tile_from_mapping({**plain, "noise": load_noise_preset("pcm_ibm")})
    rng = np.random.default_rng(0)
    model = TileModel(tile, conductances_from_weights(tile, random_weights(tile, rng)))
    ticks, chip = random_ticks(tile, rng, N_VEC), NoisyTile(model, rng)
    buffer = np.empty((N_VEC, 2, tile.array.n_row, tile.array.n_col))
    normals = shortest(lambda: rng.standard_normal(out=buffer))
    cases = {
        "normal deviates alone": normals,
        "quiet product": shortest(lambda: model.mvm(ticks)),
        "noise cell by cell, per vector": shortest(lambda: chip.mvm(ticks, rng, method="cells")),
        "noise cell by cell, per batch": shortest(lambda: chip.mvm(ticks, rng, method="cells", draws="per_batch")),
        "noise of outputs": shortest(lambda: chip.mvm(ticks, rng, method="outputs")),
    }
    for name, second in cases.items():
        print(f"{name:32s} {second:8.4f} s {second / normals:6.2f} x")
    return int(cases["noise cell by cell, per vector"] > 3 * normals)


if __name__ == "__main__":
    sys.exit(main())

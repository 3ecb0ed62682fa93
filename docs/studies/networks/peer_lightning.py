"""The study's network in aihwkit-lightning: Gaussian noise on outputs and weights in place of the tile."""

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from docs.studies.networks.networks import Batch
from docs.studies.networks.peer_exports import CLIPPED, exported, stated_model
from docs.studies.networks.work import against
from tilemodel.config.operands import conductances_from_weights
from tilemodel.config.tile import TileConfig
from tilemodel.exports import TARGETS, Probe, random_probe
from tilemodel.parameters import AnyParameters, parameters_from_tile
from tilemodel.torch import Task, calibrate_ranges, convert, tile_layers
from tilemodel.torch.conversion import run_batches
from tilemodel.torch.quantization import ticks_of_inputs
from tilemodel.variants import tables_with_only, with_tables

__all__ = ["lightning_rows", "noise_of_layers", "on_lightning", "one_pass"]

N_VECTOR = 32
"""Of each layer's probe."""

Made = tuple[float, float]
"""`forward.out_noise` and `modifier.std_dev`."""


def lightning_rows(task: Task, tile: TileConfig, ours: dict[str, np.ndarray], n_seed: int) -> Iterator[dict[str, Any]]:
    """A row a kind of noise: against digital, and against those of the scores `ours` that it is to predict."""
    given = parameters_from_tile(tile)
    bare, ideal = tables_with_only(tile, given, None)
    analog = convert(task.network, bare, parameters=ideal)
    ranges = calibrate_ranges(analog, task.calibration, clipped_fraction=CLIPPED)
    module, values = exported("aihwkit-lightning", random_probe(stated_model(tile, given)))
    whole = (values["forward"]["out_noise"], values["modifier"]["std_dev"])
    wires = tables_with_only(tile, given, "wires")
    kinds: list[tuple[str, str, dict[str, Made] | None]] = [
        ("off", "quantization", None),
        ("exported", "together", dict.fromkeys(ranges, whole)),
        ("layers", "together_columns", noise_of_layers(analog, task.calibration[0], tile, given)),
        ("layers_wires", "wires", noise_of_layers(analog, task.calibration[0], *wires, fitted=False)),
    ]
    baseline, digital_second = one_pass(task.network, task)
    for kind, condition, noise in kinds:
        network = on_lightning(task.network, module.make_rpu_config(), ranges, noise, by_column=kind != "exported")
        runs = []
        for seed in range(1 if noise is None else n_seed):
            torch.manual_seed(seed)
            runs.append(one_pass(network, task))
        found = np.stack([scores for scores, _ in runs])
        apart = against(found, ours[condition])
        yield {
            "noise": kind,
            "condition": condition,
            "ours": float(ours[condition].mean()),
            "out_noise": None if noise is None else float(np.median([item[0] for item in noise.values()])),
            "std_dev": None if noise is None else float(np.median([item[1] for item in noise.values()])),
            "cpu_second": float(np.median([second for _, second in runs])),
            "digital_second": digital_second,
            **against(found, baseline[np.newaxis]),
            **{f"from_ours_{key}": apart[key] for key in ("difference", "low", "high")},
        }


def on_lightning(
    network: nn.Module, config: Any, ranges: dict[str, float], noise: dict[str, Made] | None, *, by_column: bool
) -> nn.Module:
    """In aihwkit-lightning with our input ranges; in training mode, where its noise acts, if there is `noise`.

    `by_column`: of each column's largest weight, as tiles are scaled, rather than of the matrix's.
    """
    from aihwkit_lightning.nn import AnalogLinear
    from aihwkit_lightning.nn.conversion import convert_to_analog
    from aihwkit_lightning.simulator.parameters import WeightNoiseInjectionType

    analog = convert_to_analog(network, config, ensure_analog_root=False)
    for name, layer in analog.named_modules():
        if isinstance(layer, AnalogLinear):
            layer.input_range.data.fill_(ranges[name])
            layer.input_range_update_idx.fill_(10**6)
            layer.rpu_config = copy.deepcopy(config)
            if noise is not None:
                layer.rpu_config.forward.out_noise, layer.rpu_config.modifier.std_dev = noise[name]
                layer.rpu_config.forward.out_noise_per_channel = by_column
            if by_column and noise is not None:
                kinds = WeightNoiseInjectionType
                layer.rpu_config.modifier.noise_type = kinds.ADD_NORMAL_PER_CHANNEL if noise[name][1] else kinds.NONE
    return analog.train(noise is not None)


def noise_of_layers(
    analog: nn.Module, batch: tuple[Batch], tile: TileConfig, parameters: AnyParameters, *, fitted: bool = True
) -> dict[str, Made]:
    """The export's noise from each layer's own weights (its first tile) and what it sees of `batch`, by layer.

    Not `fitted`: the rms of all that a charge is off by, with what a gain and an offset a column would take.
    """
    seen: dict[str, Tensor] = {}
    layers = dict(tile_layers(analog))
    run_batches(analog, layers, [batch], seen.__setitem__)
    rng = np.random.default_rng(0)
    found = {}
    for name, layer in layers.items():
        inputs = seen[name][batch[0].mask.bool()] if seen[name].dim() == 3 else seen[name]
        n_row, n_col = tile.array.n_row, min(tile.array.n_col, layer.out_features)
        some = inputs[rng.permutation(len(inputs))[:N_VECTOR], :n_row]
        ticks = np.zeros((len(some), n_row), dtype=np.int64)
        ticks[:, : some.shape[1]] = ticks_of_inputs(some, layer.input_range, tile).numpy()
        weights = layer.tile_weights()[0, :, :n_col].double().clamp(-1, 1).numpy()
        cut = with_tables(tile, array=tile.array.model_copy(update={"n_col": n_col}))
        probe = Probe(
            model=stated_model(cut, parameters),
            conductances=conductances_from_weights(cut, weights),
            ticks=ticks,
            seed=0,
        )
        export = TARGETS["aihwkit-lightning"](probe)
        values = json.loads(str(export.files["aihwkit_lightning.json"]))
        made = (values["forward"]["out_noise"], values["modifier"]["std_dev"])
        if not fitted:
            error = probe.charge_coulomb - export.predict(probe)
            made = (float(np.sqrt((error**2).mean())) / values["units"]["charge_per_output_coulomb"], 0.0)
        # aihwkit-lightning divides out_noise by the root of the number of tiles that it adds
        found[name] = (made[0] * float(np.sqrt(layer.geometry.n_tile_in)), made[1])
    return found


def one_pass(network: nn.Module, task: Task) -> tuple[np.ndarray, float]:
    """Scores [n_example] and the processor time of one pass over the test set [s]."""
    started = time.process_time()
    with torch.no_grad():
        scores = torch.cat([task.score(network(*inputs), target) for inputs, target in task.batches])
    return scores.numpy(), time.process_time() - started

"""The study's BERT, not trained on, on the same tile in IBM's two simulators."""

import copy
from collections.abc import Callable
from typing import Any

import torch

from docs.studies.networks.networks import Batch
from docs.studies.networks.peer_aihwkit import aihwkit_rows
from docs.studies.networks.peer_exports import CLIPPED
from docs.studies.networks.peer_lightning import lightning_rows, one_pass
from docs.studies.networks.tiles import tile_called
from docs.studies.networks.work import Size, untrained_task
from tilemodel.torch import Task, calibrate_ranges, convert, evaluate, tile_layers

__all__ = ["peers"]

NETWORK = "BERT"
CONDITIONS = ("quantization", "wires", "together", "together_columns")
N_LAYER = 1
"""Encoder layers that run in aihwkit: a minute of processor time each for the shortest text."""


def peers(size: Size) -> dict[str, Any]:
    """What each simulator gives on the hardest tile, or that it is not installed."""
    task, name = untrained_task(NETWORK, size), size.hardest
    tile, n_draw = tile_called(name), size.n_draw[name]
    found = evaluate(task, tile, only=CONDITIONS, n_seed=n_draw, kept=size.folder / "scores")
    analog = convert(task.network, tile)
    calibrate_ranges(analog, task.calibration, clipped_fraction=CLIPPED)
    quiet_second = one_pass(analog.eval(), task)[1]
    layers = [layer for _, layer in tile_layers(analog)]
    for layer in layers:
        layer.set_read_noise(torch.Generator().manual_seed(0))
    return {
        "tile": name,
        "n_seed": n_draw,
        "n_token": sum(int(batch.mask.sum()) for (batch,), _ in task.batches),
        "n_tile": sum(layer.geometry.n_tile_in * layer.geometry.n_tile_out for layer in layers),
        "n_layer": N_LAYER,
        "quiet_second": quiet_second,
        "cpu_second": one_pass(analog, task)[1],
        "lightning": _or_left_out(lambda: list(lightning_rows(task, tile, dict(found.scores), n_draw))),
        "aihwkit": _or_left_out(
            lambda: aihwkit_rows(_first_layers(task.network), tile, task.calibration, _shortest(task))
        ),
    }


def _first_layers(network: Any) -> Any:
    """A copy of BERT with `N_LAYER` of its layers."""
    network = copy.deepcopy(network)
    network.encoder.encoder.layer = network.encoder.encoder.layer[:N_LAYER]
    return network


def _shortest(task: Task) -> Batch:
    """The shortest test text, alone."""
    (batch,), _ = task.batches[0]
    row = int(batch.mask.sum(dim=1).argmin())
    length = int(batch.mask[row].sum())
    return Batch(
        tokens=batch.tokens[row : row + 1, :length],
        mask=batch.mask[row : row + 1, :length],
        index=batch.index[row : row + 1],
    )


def _or_left_out(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except ImportError as error:
        return {"left_out": str(error)}

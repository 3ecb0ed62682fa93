"""What the study computes: jobs that run side by side, each kept on disk, so that an interrupted study goes on."""

import copy
import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from docs.studies.networks.networks import (
    Encoded,
    SentenceNetwork,
    albert,
    batches,
    bert,
    by_length,
    encode,
    fit_head,
    train,
)
from docs.studies.networks.packages import CACHE
from docs.studies.networks.texts import Split, movie_snippets, uci_sentences
from docs.studies.networks.tiles import TILES, tile_called
from docs.studies.networks.training import SETTINGS, trained_plainly, trained_through, trained_with_noise
from tilemodel.paired import paired_difference
from tilemodel.torch import Task, calibrate_ranges, convert, evaluate, tile_layers
from tilemodel.torch.kept_scores import digest

__all__ = [
    "ALONE",
    "ARMS",
    "CLIPPED",
    "CLIPPED_MORE",
    "FROZEN",
    "NETWORKS",
    "Job",
    "Size",
    "against",
    "jobs_of",
    "prepare",
    "run",
    "untrained_task",
]

SEED = 0
N_EPOCH = 3
FROZEN = "frozen MiniLM, movies"
NETWORKS: dict[str, Callable[[int], SentenceNetwork]] = {
    "BERT": bert,
    "ALBERT": albert,
    FROZEN: bert,
}
ARMS = ("plain", "gaussian", "tile")
ALONE = ["quantization", "adc", "read_noise", "wires", "together"]
CLIPPED = 1e-4
"""Of a batch's inputs to a layer, what its range may leave out."""
CLIPPED_MORE = 1e-3
AT_NARROW_RANGES = [
    "quantization",
    "adc",
    "wires",
    "together",
    "together_columns",
    "together_compensated",
    "together_corrected",
]
CHEAP = ["together_ordered", "together_split", "together_corrected"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much of everything: the study's, or the reduced one of a test."""

    n_test: int = 1000
    n_train: int = 100_000
    n_epoch: int = N_EPOCH
    tiles: tuple[str, ...] = tuple(TILES)
    """The last one is the hardest."""
    n_run: Mapping[str, int] = field(default_factory=lambda: {"reference": 1, "0.35 ohm": 2, "stress": 3})
    """By tile, runs of each way of training, each with a draw of noise; with one, intervals speak of the examples alone."""
    n_draw: Mapping[str, int] = field(default_factory=lambda: {"reference": 1, "0.35 ohm": 1, "stress": 2})
    """By tile, draws of noise of what is not trained on."""
    networks: tuple[str, ...] = tuple(NETWORKS)
    folder: Path = CACHE / "work"

    @property
    def hardest(self) -> str:
        """The tile of which everything is asked."""
        return self.tiles[-1]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network under some tiles; `arm` says how it was trained on, from `seed` (None: not at all, all draws)."""

    network: str
    tiles: tuple[str, ...]
    arm: str | None = None
    seed: int | None = None
    clipped_fraction: float = CLIPPED


def jobs_of(size: Size) -> list[Job]:
    """All of the study, what takes longest first."""
    untrained = [Job(network=network, tiles=size.tiles) for network in size.networks]
    arms = [
        Job(network=network, tiles=tiles, arm=arm, seed=seed)
        for seed in range(max(size.n_run.values()))
        for arm in reversed(ARMS)
        for network in size.networks
        if network != FROZEN
        for tiles in _tiles_of_run(arm, seed, size)
    ]
    narrow = [
        Job(network=network, tiles=(size.hardest,), clipped_fraction=CLIPPED_MORE)
        for network in size.networks
        if network != FROZEN
    ]
    return [*untrained, *narrow, *arms]


def _tiles_of_run(arm: str, seed: int, size: Size) -> list[tuple[str, ...]]:
    """What one training is evaluated on; through the tile, each tile has its own."""
    tiles = tuple(tile for tile in size.tiles if seed < size.n_run[tile])
    return [(tile,) for tile in reversed(tiles)] if arm == "tile" else [tiles]


def prepare(network: str, size: Size) -> None:
    """Train the digital network, or find it kept."""
    _digital(network, size)


def untrained_task(network: str, size: Size) -> Task:
    """The digital network, with the test set and the texts for calibration."""
    return _task(_digital(network, size), network, size)


def against(values: np.ndarray, baseline: np.ndarray) -> dict[str, float]:
    """The mean of scores [n_seed, n_example], and their paired difference from others; one draw stands for all."""
    n_seed = max(len(values), len(baseline))
    values, baseline = (np.broadcast_to(each, (n_seed, each.shape[1])) for each in (values, baseline))
    found = paired_difference(values, baseline)
    return {"score": float(values.mean()), "difference": found.mean, "low": found.low, "high": found.high}


def run(job: Job, size: Size) -> dict[str, dict[str, np.ndarray]]:
    """By tile and condition, scores [n_seed, n_example]."""
    network = _digital(job.network, size) if job.arm is None else _trained_on(job, size)
    task = replace(_task(network, job.network, size), clipped_fraction=job.clipped_fraction)
    scores: dict[str, dict[str, np.ndarray]] = {}
    for name in job.tiles:
        scores[name] = {}
        for only, n_seed in _asked(job, name, size):
            seed, kept = job.seed or 0, size.folder / "scores"
            scores[name] |= evaluate(task, tile_called(name), only=only, n_seed=n_seed, seed=seed, kept=kept).scores
        if job.network == FROZEN:
            scores[name] |= _with_head_of_the_tile(job.network, name, size)
    return scores


def _asked(job: Job, tile: str, size: Size) -> list[tuple[list[str], int]]:
    """Conditions, and how many draws of them; of trained networks on milder tiles, whether IR drop was learnt."""
    if job.arm is not None:
        return [([*ALONE[1:], "together_columns"] if tile == size.hardest else ["wires", "together"], 1)]
    if job.clipped_fraction != CLIPPED:
        return [(AT_NARROW_RANGES, 1)]
    asked = [([*ALONE, "together_columns", "together_compensated"], size.n_draw[tile])]
    return [*asked, (CHEAP, 1)] if tile == size.hardest else asked


@functools.cache
def _texts(network: str, n_test: int, n_train: int) -> tuple[Split, Encoded, Encoded]:
    split = movie_snippets(n_test) if network == FROZEN else uci_sentences(n_test)
    split = Split(
        train=split.train[:n_train],
        train_label=split.train_label[:n_train],
        test=split.test,
        test_label=split.test_label,
    )
    return split, encode(split.train), encode(split.test)


def _data(network: str, size: Size) -> tuple[Split, Encoded, Encoded]:
    return _texts(network, size.n_test, min(size.n_train, 4000) if network == FROZEN else size.n_train)


def _task(network: SentenceNetwork, name: str, size: Size) -> Task:
    split, _, test = _data(name, size)
    label = torch.from_numpy(split.test_label.astype(np.int64))
    return Task(
        name=name,
        network=network,
        batches=[((batch,), label[batch.index]) for batch in batches(test, by_length(test), 64)],
        calibration=_calibration(name, size),
        clipped_fraction=CLIPPED,
    )


def _calibration(name: str, size: Size) -> list[tuple[Any, ...]]:
    """200 training texts, those of like length together."""
    _, texts, _ = _data(name, size)
    order = np.random.default_rng(SEED).permutation(len(texts.length))[:200]
    order = order[np.argsort(texts.length[order], kind="stable")]
    return [(batch,) for batch in batches(texts, order, 50)]


def _digital(name: str, size: Size) -> SentenceNetwork:
    split, texts, _ = _data(name, size)
    network = NETWORKS[name](SEED)

    def made() -> nn.Module:
        if name == FROZEN:
            fit_head(network, network.encoder, texts, split.train_label)
        else:
            train(network, texts, split.train_label, seed=SEED, n_epoch=size.n_epoch)
        return network

    return _kept(network, [name, digest(network), digest(texts), size.n_epoch], made, size)


def _trained_on(job: Job, size: Size) -> SentenceNetwork:
    start = _digital(job.network, size)
    split, texts, _ = _data(job.network, size)
    assert job.seed is not None
    given = (start, texts, split.train_label, job.seed)
    calibration = _calibration(job.network, size)
    tile = tile_called(job.tiles[0]) if job.arm == "tile" else None

    def made() -> nn.Module:
        if job.arm == "plain":
            return trained_plainly(*given)
        if tile is not None:
            return trained_through(*given, tile, calibration)
        quantized = tile_called("reference")
        ranges = calibrate_ranges(convert(start, quantized), calibration, clipped_fraction=CLIPPED)
        return trained_with_noise(*given, ranges, quantized.drive.n_tick_max)

    key = [job.arm, digest(start), digest(texts), job.seed, SETTINGS, tile.sha256() if tile else None]
    return _kept(copy.deepcopy(start), key, made, size)


def _with_head_of_the_tile(name: str, tile_name: str, size: Size) -> dict[str, np.ndarray]:
    """Under all non-idealities, with a head that was fitted to what the tiles give of 1000 training texts."""
    tile = tile_called(tile_name)
    split, texts, _ = _data(name, size)
    texts, label = Encoded(tokens=texts.tokens[:1000], length=texts.length[:1000]), split.train_label[:1000]
    start = _digital(name, size)

    def made() -> nn.Module:
        analog = convert(start.encoder, tile)
        calibration = [_arguments(batch) for (batch,) in _calibration(name, size)]
        calibrate_ranges(analog, calibration, clipped_fraction=CLIPPED)
        reads = torch.Generator().manual_seed(1000)
        for _, layer in tile_layers(analog):
            layer.set_read_noise(reads)
        refit = copy.deepcopy(start)
        fit_head(refit, analog, texts, label)
        return refit

    key = ["head", digest(start), digest(texts), tile.sha256()]
    task = _task(_kept(copy.deepcopy(start), key, made, size), name, size)
    found = evaluate(task, tile, only=["together"], n_seed=size.n_draw[tile_name], kept=size.folder / "scores")
    return {"together_head": found.scores["together"]}


def _arguments(batch: Any) -> dict[str, Any]:
    return {"input_ids": batch.tokens, "attention_mask": batch.mask}


def _kept(network: SentenceNetwork, key: list[Any], made: Callable[[], nn.Module], size: Size) -> SentenceNetwork:
    """`network` with the weights that `made` leaves, computed once."""
    size.folder.mkdir(parents=True, exist_ok=True)
    file = size.folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.pt"
    if not file.exists():
        partial = file.with_suffix(".partial")
        torch.save(made().state_dict(), partial)
        partial.rename(file)
    network.load_state_dict(torch.load(file, weights_only=True))
    return network.eval()

"""The score of a network under a tile: each non-ideality alone, all together, with seeds and paired intervals."""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tilemodel.compact import CompactModel
from tilemodel.config.errors import InputError, TileModelError
from tilemodel.config.tile import TileConfig
from tilemodel.evaluation import DIGITAL, Evaluation
from tilemodel.model import check_accuracy
from tilemodel.parameters import AnyParameters, parameters_from_tile
from tilemodel.torch.columns import calibrate_columns
from tilemodel.torch.conditions import Condition, chosen, conditions_of, put_under, refuse_uncovered_conditions
from tilemodel.torch.conversion import calibrate_ranges, call, convert, tile_layers
from tilemodel.torch.kept_scores import KeptScores, digest
from tilemodel.torch.remedies import order_rows, scale_against_ir_drop
from tilemodel.version import VERSION

__all__ = ["Task", "evaluate", "is_right"]

Written = dict[str, tuple[Tensor | None, Tensor | None]]


def is_right(outputs: Any, target: Tensor) -> Tensor:
    """1 where the largest of the outputs [n, n_class] is that of the class `target` [n], else 0."""
    logits = getattr(outputs, "logits", outputs)
    return (logits.argmax(dim=-1) == target).double()


@dataclass(frozen=True, kw_only=True)
class Task:
    """A network and what it is judged by."""

    name: str
    network: nn.Module
    batches: Sequence[tuple[Any, Any]]
    """The test set: what the network takes (a tensor, a tuple of arguments, a mapping), what `score` compares with."""
    calibration: Sequence[Any]
    """What the network takes, of other examples than the test set's: for input ranges and columns' gains."""
    score: Callable[[Any, Any], Tensor] = is_right
    """(what the network gave, what it is compared with) to scores [n_example of the batch], the more the better."""
    metric: str = "accuracy"
    clipped_fraction: float = 1e-4
    """As in `calibrate_ranges`."""
    include: Callable[[str, nn.Linear], bool] = lambda _name, _layer: True
    """As in `convert`."""


def evaluate(
    task: Task,
    tile: TileConfig | CompactModel,
    *,
    only: Iterable[str] | None = None,
    n_seed: int = 3,
    seed: int = 0,
    confidence: float = 0.95,
    accuracy: float | Literal["exact"] = "exact",
    kept: str | Path | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score the network under every condition of the tile (`CONDITIONS`), or those called `only`.

    What is drawn, is drawn `n_seed` times, from `seed` on: the k-th draw of one condition uses the deviates of the
    k-th of another. Input ranges are calibrated once, with quantized inputs and nothing else. Finished scores are
    kept in the folder `kept` and used again if network, data, tile, draw, input ranges and the digital scores, which
    are computed each time, are the same. `on_done(done, total)` counts passes over the test set. `accuracy` as in
    `TileLinear`.

    Raises `InputError` for a tile that layers do not cover, fewer than two examples, a network or `score` that fails,
    scores that are not one a target, or a layer whose inputs are all 0 in the calibration.
    """
    check_accuracy(accuracy)
    if n_seed < 1:
        raise InputError(f"expected at least one seed, got {n_seed}")
    task = _listed(task)
    parameters = tile.parameters if isinstance(tile, CompactModel) else parameters_from_tile(tile)
    config = tile.tile if isinstance(tile, CompactModel) else tile
    conditions = chosen(conditions_of(config, parameters), only)
    refuse_uncovered_conditions(conditions, accuracy)
    work = _Work(task, config, parameters, accuracy, KeptScores(kept))
    runs = [(one, number) for one in conditions for number in range(n_seed if one.is_drawn else 1)]
    scores: dict[str, list[NDArray[np.float64]]] = {one.name: [] for one in conditions}
    for done, (one, number) in enumerate(runs):
        if on_done is not None:
            on_done(done, len(runs))
        scores[one.name].append(work.scores(one, number, seed))
    if on_done is not None:
        on_done(len(runs), len(runs))
    return Evaluation(
        task=task.name,
        metric=task.metric,
        tile=config.model_dump(mode="json"),
        scores={name: np.stack(rows) for name, rows in scores.items()},
        confidence=confidence,
        provenance={
            "package": f"tilemodel {VERSION}",
            "torch": torch.__version__,
            "tile_sha256": config.sha256(),
            "calibration": tile.provenance.model_dump(mode="json") if isinstance(tile, CompactModel) else None,
            "seed": seed,
            "n_seed": n_seed,
            "accuracy": accuracy,
            **work.digests,
        },
    )


def _listed(task: Task) -> Task:
    """`task` with its batches in lists: loaders and generators give theirs once, in one order."""
    task = replace(task, batches=list(task.batches), calibration=list(task.calibration))
    if not task.batches or not task.calibration:
        raise InputError(f"task {task.name}: needs at least one batch, and one for the calibration")
    for batch in task.batches:
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise InputError(
                f"task {task.name}: a batch must be a pair (what the network takes, what score compares with), "
                f"got {type(batch).__name__}"
            )
    return task


class _Work:
    """What all conditions share."""

    def __init__(
        self,
        task: Task,
        tile: TileConfig,
        parameters: AnyParameters,
        accuracy: float | Literal["exact"],
        kept: KeptScores,
    ) -> None:
        self._task, self._accuracy, self._kept = task, accuracy, kept
        bare = next(one for one in conditions_of(tile, parameters) if one.name == "quantization")
        ranged = self._on_tiles(bare, 0)
        with _of_the_user(task, "the calibration"):
            self._ranges = calibrate_ranges(ranged, task.calibration, clipped_fraction=task.clipped_fraction)
        silent = [name or "the network" for name, largest in self._ranges.items() if largest == 0]
        if silent:
            raise InputError(
                f"task {task.name}: the inputs of {', '.join(silent)} are all 0 in the calibration; give other "
                "examples, a smaller clipped_fraction, or leave these layers out with include"
            )
        self._digital = self._scored(copy.deepcopy(task.network), DIGITAL)
        if len(self._digital) < 2:
            raise InputError(f"task {task.name}: one example has no interval; give at least two")
        self._compensated: Written | None = None
        self.digests = {
            "network_sha256": digest(task.network),
            "test_sha256": digest(task.batches),
            "calibration_sha256": digest(task.calibration),
            "input_ranges_sha256": digest(self._ranges),
            "score_sha256": digest([_source(task.score), self._digital]),
        }

    def scores(self, condition: Condition, number: int, seed: int) -> NDArray[np.float64]:
        """Scores [n_example] of the `number`-th draw."""
        if condition.tile is None:
            return self._digital
        key = self._key(condition, number, seed)
        found = self._kept.get(key)
        if found is None:
            found = self._scored(self._prepared(condition, number, seed), condition.name)
            self._kept.put(key, found)
        return found

    def _prepared(self, condition: Condition, number: int, seed: int) -> nn.Module:
        network = self._on_tiles(condition, seed + number)
        for name, layer in tile_layers(network):
            layer.set_input_range(self._ranges[name])
        if condition.is_ordered:
            order_rows(network)
        if condition.is_corrected:
            scale_against_ir_drop(network)
        if condition.is_compensated:
            self._compensate(network, keep=not condition.has_mismatch)
        device = next(layer.weight.device for _, layer in tile_layers(network))
        states = np.random.SeedSequence([seed, number]).generate_state(3, np.uint64) >> np.uint64(1)
        chip, reads, before = (torch.Generator(device=device).manual_seed(int(state)) for state in states)
        put_under(network, condition, chip, before if condition.has_columns else reads)
        if condition.has_columns:
            calibrate_columns(network, self._task.calibration)
            if condition.is_read:  # what the test set sees is what it sees without the calibration
                for _, layer in tile_layers(network):
                    layer.set_read_noise(reads)
        return network

    def _on_tiles(self, condition: Condition, number: int) -> nn.Module:
        tile = condition.tile_of(number)
        assert tile is not None
        return convert(
            self._task.network,
            tile,
            include=self._task.include,
            parameters=condition.parameters,
            accuracy=self._accuracy,
        )

    def _compensate(self, network: nn.Module, *, keep: bool) -> None:
        """Compensate every layer; the same network on the same tile again gets what was found before."""
        layers = dict(tile_layers(network))
        if keep and self._compensated is not None:
            for name, layer in layers.items():
                layer.deviation, layer.column_gain = self._compensated[name]
            return
        for layer in layers.values():
            layer.compensate()
        if keep:
            self._compensated = {name: (layer.deviation, layer.column_gain) for name, layer in layers.items()}

    def _scored(self, network: nn.Module, name: str) -> NDArray[np.float64]:
        network.eval()
        with torch.no_grad(), _of_the_user(self._task, name):
            return np.concatenate([self._score(network, inputs, target) for inputs, target in self._task.batches])

    def _score(self, network: nn.Module, inputs: Any, target: Any) -> NDArray[np.float64]:
        given = torch.as_tensor(self._task.score(call(network, inputs), target))
        n_target = target.shape[0] if isinstance(target, Tensor | np.ndarray) and target.ndim else None
        if given.dim() != 1 or (n_target is not None and len(given) != n_target) or not bool(given.isfinite().all()):
            raise InputError(
                f"score gave {tuple(given.shape)} for a batch of {n_target} targets; "
                "it must give one finite number an example, [n_example]"
            )
        scores: NDArray[np.float64] = given.detach().cpu().double().numpy()
        return scores

    def _key(self, condition: Condition, number: int, seed: int) -> dict[str, Any]:
        assert condition.tile is not None
        assert condition.parameters is not None
        bare = replace(condition, tile=None, parameters=None)
        return {
            "version": VERSION,
            "torch": torch.__version__,
            "condition": repr(bare),
            "tile": condition.tile.sha256(),
            "parameters": condition.parameters.model_dump(mode="json"),
            "draw": [seed, number] if condition.is_drawn else None,
            "accuracy": self._accuracy,
            "metric": self._task.metric,
            **self.digests,
        }


@contextmanager
def _of_the_user(task: Task, name: str) -> Iterator[None]:
    """Say of which task and condition an error is; whatever the user's network or `score` raises is an `InputError`."""
    try:
        yield
    except TileModelError as error:
        raise InputError(f"task {task.name}, {name}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(
            f"task {task.name}, {name}: the network or score raised {type(error).__name__}: {error}; batches are pairs "
            "(inputs, target), calibration holds inputs alone, all on the network's device"
        ) from error


def _source(function: Callable[..., Any]) -> str:
    """The text of `function`, or its name where there is none."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__qualname__)}"

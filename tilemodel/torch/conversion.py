"""Networks with their linear layers on tiles."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tilemodel.compact import CompactModel
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig
from tilemodel.parameters import AnyParameters
from tilemodel.torch.tile_linear import TileLinear

__all__ = ["calibrate_ranges", "call", "convert", "run_batches", "tile_layers"]


def convert(
    model: nn.Module,
    tile: TileConfig | CompactModel,
    *,
    include: Callable[[str, nn.Linear], bool] = lambda _name, _layer: True,
    parameters: AnyParameters | None = None,
    accuracy: float | Literal["exact"] = "exact",
) -> nn.Module:
    """A copy of `model` in which every `nn.Linear` that `include`, asked with its name, accepts is a `TileLinear`.

    A layer that stands in several places, as in ALBERT, is one there too. `parameters`, else those of the model or
    the tile file, and `accuracy` as in `TileLinear`. Raises `InputError` where no layer is left.
    """
    converted = copy.deepcopy(model)
    done: dict[int, TileLinear] = {}
    config = tile.tile if isinstance(tile, CompactModel) else tile
    if isinstance(tile, CompactModel) and parameters is None:
        parameters = tile.parameters

    def on_tiles(linear: nn.Linear) -> TileLinear:
        if id(linear) not in done:
            layer = TileLinear(linear, config, parameters=parameters, accuracy=accuracy)
            done[id(linear)] = layer.train(linear.training)
        return done[id(linear)]

    if type(converted) is nn.Linear and include("", converted):
        return on_tiles(converted)
    for name, parent in list(converted.named_modules(remove_duplicate=False)):
        for child_name, child in list(parent._modules.items()):  # named_children leaves out what stands twice
            full = f"{name}.{child_name}" if name else child_name
            if type(child) is nn.Linear and include(full, child):
                setattr(parent, child_name, on_tiles(child))
    if not done:
        raise InputError("convert: the model has no nn.Linear that `include` accepts")
    return converted


def tile_layers(model: nn.Module) -> Iterator[tuple[str, TileLinear]]:
    """The layers on tiles, by name."""
    for name, module in model.named_modules():
        if isinstance(module, TileLinear):
            yield name, module


def calibrate_ranges(
    model: nn.Module, batches: Iterable[Any], *, clipped_fraction: float = 0.0, margin: float = 1.0
) -> dict[str, float]:
    """Set the layers' input ranges from what they see of `batches`, and return them by name.

    A batch is what `model` takes: a tensor, a tuple of arguments or a mapping of named ones. The range is `margin`
    times the largest magnitude, or, with a `clipped_fraction`, the largest over batches of the magnitude that this
    fraction of a batch exceeds. Raises `InputError` if a layer has seen nothing, or what is not finite.
    """
    if not 0 <= clipped_fraction < 1 or not margin > 0:
        raise InputError(f"expected clipped_fraction in [0, 1) and margin > 0, got {clipped_fraction} and {margin}")
    seen: dict[str, float] = {}
    layers = dict(tile_layers(model))

    def watch(name: str, inputs: Tensor) -> None:
        magnitude = _magnitude(inputs, clipped_fraction)
        if not math.isfinite(magnitude):
            raise InputError(f"calibrate_ranges: the inputs of {name} are not finite; give other batches")
        seen[name] = max(seen.get(name, 0.0), magnitude)

    run_batches(model, layers, batches, watch)
    missing = sorted(set(layers) - set(seen))
    if missing:
        raise InputError(f"calibrate_ranges: no input reached {', '.join(missing)}; give batches that use all layers")
    for name, layer in layers.items():
        layer.set_input_range(margin * seen[name])
    return {name: margin * value for name, value in seen.items()}


def run_batches(
    model: nn.Module, layers: dict[str, TileLinear], batches: Iterable[Any], watch: Callable[[str, Tensor], None]
) -> None:
    """Run `model` in evaluation mode; `watch` gets the name and the inputs [..., n_in] of every call of a layer."""

    def hook_of(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        return lambda _module, arguments: watch(name, arguments[0].detach())

    handles = [layer.register_forward_pre_hook(hook_of(name)) for name, layer in layers.items()]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in batches:
                call(model, batch)
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)


def _magnitude(values: Tensor, clipped_fraction: float) -> float:
    magnitude = values.abs().flatten()
    kept = max(1, round((1.0 - clipped_fraction) * magnitude.numel()))
    return float(magnitude.kthvalue(kept).values if kept < magnitude.numel() else magnitude.amax())


def call(model: nn.Module, batch: Any) -> Any:
    """`model` of a batch: a tensor, a tuple of arguments or a mapping of named ones."""
    if isinstance(batch, Tensor):
        return model(batch)
    if isinstance(batch, tuple | list):
        return model(*batch)
    return model(**batch)

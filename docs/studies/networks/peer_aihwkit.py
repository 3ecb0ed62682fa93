"""The study's network in aihwkit's IR-drop tile, a text at a time: its layers beside ours on the same inputs."""

import copy
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from docs.studies.networks.networks import Batch
from docs.studies.networks.peer_exports import CLIPPED, exported, stated_model
from tilemodel.config.tile import TileConfig
from tilemodel.exports import random_probe
from tilemodel.parameters import parameters_from_tile
from tilemodel.torch import TileLinear, calibrate_ranges, convert, tile_layers
from tilemodel.variants import with_tables

__all__ = ["Centred", "aihwkit_rows"]


class Centred(nn.Module):
    """A linear layer in the middle of a tile's rows, where aihwkit puts it."""

    def __init__(self, linear: nn.Linear, n_row: int) -> None:
        super().__init__()
        before = (n_row - linear.in_features) // 2
        self.pad = (before, n_row - linear.in_features - before)
        self.linear = nn.Linear(n_row, linear.out_features, linear.bias is not None, dtype=linear.weight.dtype)
        with torch.no_grad():
            self.linear.weight.copy_(nn.functional.pad(linear.weight, self.pad))
            if linear.bias is not None:
                self.linear.bias.copy_(linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(nn.functional.pad(inputs, self.pad))


def aihwkit_rows(
    network: nn.Module, tile: TileConfig, calibration: Sequence[Any], batch: Batch
) -> list[dict[str, Any]]:
    """One text without noise through the exported tile and through aihwkit's own defaults, beside ours."""
    from aihwkit.simulator.tiles.analog_mvm_irdrop_t import AnalogMVMIRDropT

    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.in_features < tile.array.n_row:
                setattr(parent, name, Centred(child, tile.array.n_row))
    quiet = with_tables(tile, noise=None)
    ours = convert(network, quiet).eval()
    ranges = calibrate_ranges(ours, calibration, clipped_fraction=CLIPPED)
    module, _ = exported("aihwkit", random_probe(stated_model(quiet, parameters_from_tile(quiet)), n_vec=3))

    class Own(module.GuardedTile):
        """aihwkit's product as it is."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self._analog_mvm = AnalogMVMIRDropT

    own = module.make_rpu_config()
    own.simulator_tile_class = Own
    own.forward.ir_drop_segments, own.forward.ir_drop_integration_sum = 8, False
    return [
        {"configuration": name, **_beside(network, ours, config, ranges, batch)}
        for name, config in (("8 segments", own), ("exported", module.make_rpu_config()))
    ]


def _beside(network: nn.Module, ours: nn.Module, config: Any, ranges: dict[str, float], batch: Batch) -> dict[str, Any]:
    """Each layer of aihwkit's network beside ours on the same inputs, the logits of both, and times."""
    from aihwkit.nn import AnalogLinear
    from aihwkit.nn.conversion import convert_to_analog

    config.mapping.weight_scaling_omega, config.mapping.weight_scaling_columnwise = 1.0, True
    config.pre_post.input_range.enable = True
    theirs = convert_to_analog(network, config, ensure_analog_root=False).eval()
    mine, beside = dict(tile_layers(ours)), []
    for name, layer in theirs.named_modules():
        if isinstance(layer, AnalogLinear):
            for tile in layer.analog_tiles():
                tile.set_input_range(ranges[name])
            beside.append(_Beside(layer, mine[name]))
    with torch.no_grad():
        logits = {"aihwkit": theirs(batch), "ours": ours(batch), "digital": network(batch)}
    errors = [item.error for item in beside]
    return {
        "n_token": batch.tokens.numel(),
        "n_product": sum(item.n_product for item in beside),
        "error_median": float(np.median(errors)),
        "error_max": max(errors),
        "equal": float(np.mean([item.equal for item in beside])),
        "ideal_error_median": float(np.median([item.ideal_error for item in beside])),
        "logits": {name: each[0].tolist() for name, each in logits.items()},
        "cpu_second": sum(item.seconds for item in beside),
        "ours_second": sum(item.our_seconds for item in beside),
    }


class _Beside:
    """A layer of aihwkit, with its clamps' offset subtracted, and what it was off by when it was called."""

    def __init__(self, layer: Any, mine: TileLinear) -> None:
        self._mine, self._offset = mine, _without_inputs(layer, mine.bias)
        layer.register_forward_pre_hook(self._start)
        layer.register_forward_hook(self._compare)

    def _start(self, _layer: nn.Module, _arguments: Any) -> None:
        self._started = time.process_time()

    def _compare(self, _layer: nn.Module, arguments: tuple[Tensor], output: Tensor) -> Tensor:
        output, between = output - self._offset, time.process_time()
        mine = self._mine(*arguments)
        self.seconds, self.our_seconds = between - self._started, time.process_time() - between
        ideal = nn.functional.linear(*arguments, self._mine.weight, self._mine.bias)
        size = _rms(mine - self._mine.bias)
        self.error, self.ideal_error = _rms(output - mine) / size, _rms(ideal - mine) / size
        geometry = self._mine.geometry
        scale = geometry.tiled(self._mine.weight).abs().amax(dim=1).amin(dim=0)
        step = scale * self._mine.input_range / (geometry.tile.drive.n_tick_max * geometry.unit_level)
        self.equal = float(((output - mine).abs() < 0.5 * step).double().mean())  # codes
        self.n_product = arguments[0][..., 0].numel() * geometry.n_tile_in * geometry.n_tile_out
        return output


def _rms(values: Tensor) -> float:
    return float(values.square().mean().sqrt())


@torch.no_grad()
def _without_inputs(layer: Any, bias: Tensor) -> Tensor:
    """What aihwkit's tiles give in front of their converters without inputs, for the clamp is off: [n_out]."""
    settings = [tile.rpu_config.forward for tile in layer.analog_tiles()]
    converts = settings[0].adc_quantization
    for io in settings:
        io.adc_quantization = False
    offset: Tensor = (layer(torch.zeros(1, layer.in_features)) - bias)[0]
    for io in settings:
        io.adc_quantization = converts
    return offset

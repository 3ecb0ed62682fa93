"""Ways to train on: plainly, with Gaussian noise on weights and outputs, through the tile model."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from docs.studies.networks.networks import Encoded, SentenceNetwork, train
from tilemodel.config.tile import TileConfig
from tilemodel.torch import calibrate_ranges, convert, tile_layers

__all__ = ["SETTINGS", "trained_plainly", "trained_through", "trained_with_noise"]

N_EPOCH = 1
LEARNING_RATE = 5e-5
WEIGHT_NOISE = 0.06
"""Standard deviation, of a column's largest weight."""
OUTPUT_NOISE = 0.04
"""Standard deviation, where inputs and weights are 1 at most (aihwkit's preset of Rasch et al. 2023)."""

SETTINGS = {
    "n_epoch": N_EPOCH,
    "learning_rate": LEARNING_RATE,
    "weight_noise": WEIGHT_NOISE,
    "output_noise": OUTPUT_NOISE,
}


class NoisyLinear(nn.Module):
    """A linear layer whose weights and outputs have Gaussian noise while it trains, and whose inputs are quantized."""

    def __init__(self, linear: nn.Linear, input_range: float, n_level: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self._range, self._n_level, self._generator = input_range, n_level, generator

    def forward(self, inputs: Tensor) -> Tensor:
        unit = self._range / self._n_level
        clipped = inputs.clamp(-self._range, self._range)
        inputs = clipped + ((clipped / unit).round() * unit - clipped).detach()
        if not self.training:
            return nn.functional.linear(inputs, self.weight, self.bias)
        largest = self.weight.detach().abs().amax(dim=1)
        weight = self.weight + WEIGHT_NOISE * largest[:, None] * self._normal(self.weight)
        outputs = nn.functional.linear(inputs, weight, self.bias)
        return outputs + OUTPUT_NOISE * self._range * largest * self._normal(outputs)

    def _normal(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self._generator, dtype=like.dtype)


def trained_plainly(network: SentenceNetwork, texts: Encoded, labels: Any, seed: int) -> SentenceNetwork:
    """As many steps more, without any noise: what the other ways must be held against."""
    network = copy.deepcopy(network)
    train(network, texts, labels, seed=seed, n_epoch=N_EPOCH, learning_rate=LEARNING_RATE)
    return network


def trained_with_noise(
    network: SentenceNetwork, texts: Encoded, labels: Any, seed: int, ranges: dict[str, float], n_level: int
) -> SentenceNetwork:
    """Hardware-aware training as simulators without circuits do it."""
    network = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    noisy = copy.deepcopy(network)
    _replace(noisy, lambda name, linear: NoisyLinear(linear, ranges[name], n_level, generator))
    train(noisy, texts, labels, seed=seed, n_epoch=N_EPOCH, learning_rate=LEARNING_RATE)
    return _weights_of(noisy, network)


def trained_through(
    network: SentenceNetwork, texts: Encoded, labels: Any, seed: int, tile: TileConfig, batches: Iterable[Any]
) -> SentenceNetwork:
    """Every forward pass runs on the tile: ticks, IR drop, read noise if it has any, converters."""
    analog = convert(network, tile)
    calibrate_ranges(analog, batches, clipped_fraction=1e-4)
    generator = torch.Generator().manual_seed(seed)
    for _, layer in tile_layers(analog):
        if tile.noise is not None:
            layer.set_read_noise(generator)
    train(analog, texts, labels, seed=seed, n_epoch=N_EPOCH, learning_rate=LEARNING_RATE)
    return _weights_of(analog, copy.deepcopy(network))


def _replace(network: nn.Module, made: Callable[[str, nn.Linear], nn.Module]) -> None:
    done: dict[int, nn.Module] = {}
    for name, parent in list(network.named_modules(remove_duplicate=False)):
        for child_name, child in list(parent._modules.items()):
            if isinstance(child, nn.Linear):
                if id(child) not in done:
                    done[id(child)] = made(f"{name}.{child_name}" if name else child_name, child)
                setattr(parent, child_name, done[id(child)])


def _weights_of(trained: nn.Module, network: SentenceNetwork) -> SentenceNetwork:
    """`network` with the parameters of `trained`, which has other layers of the same names."""
    found = dict(trained.named_parameters())
    with torch.no_grad():
        for name, value in network.named_parameters():
            value.copy_(found[name])
    return network.eval()

"""Steps whose gradient is taken straight through: inputs to ticks, ticks to passes, levels to codes."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tilemodel.adc import ConverterBank, ramp_levels
from tilemodel.config.adc import CcoAdc, IdealAdc, LinearAdc, RampAdc, SarAdc
from tilemodel.config.errors import InputError
from tilemodel.config.passes import bit_fields
from tilemodel.config.tile import TileConfig

__all__ = ["CodeLaw", "TorchPass", "code_law", "codes_of_levels", "line_values", "ticks_of_inputs", "tile_passes"]


@dataclass(frozen=True, kw_only=True)
class TorchPass:
    """One pass of a batch, as `tilemodel.config.passes.Pass`."""

    area: Tensor
    """[..., n_row], whole numbers."""
    factor: int
    n_tick_max: int


@dataclass(frozen=True, kw_only=True)
class CodeLaw:
    """How a level becomes a code, within the converter's range."""

    step: Literal["nearest", "down", "toward_zero"]
    phase: float
    """What an oscillator has done of its first cycle."""
    smallest: int
    largest: int
    inl_lsb: tuple[float, ...] = ()
    """Added to levels, at points evenly from `smallest` to `largest`; or nothing."""
    edges: tuple[float, ...] = ()
    """Levels at which the code steps, if they are not evenly spaced; then `step` has no meaning."""
    by_line: Literal["", "inl", "weights"] = ""
    """What lines have of their own (`line_values`): an INL [n_line, n_point] or a SAR's weights [n_line, n_bit]."""


def ticks_of_inputs(inputs: Tensor, input_range: Tensor, tile: TileConfig) -> Tensor:
    """Whole ticks of `inputs`, of which `input_range` takes the longest pulse; beyond it they are clipped.

    The gradient is that of the clipped line.
    """
    n_max = tile.drive.n_tick_max
    scaled = (inputs * (n_max / input_range)).clamp(-n_max, n_max)
    return _straight(scaled, scaled.detach().round())


def tile_passes(ticks: Tensor, tile: TileConfig) -> list[TorchPass]:
    """The passes of `tilemodel.config.passes.tile_passes` for `ticks`; their gradients add up to that of `ticks`."""
    if tile.drive.sign != "two_phase":
        return _coded(ticks, tile, 1)
    return [*_coded(ticks.clamp(min=0), tile, 1), *_coded((-ticks).clamp(min=0), tile, -1)]


def _coded(ticks: Tensor, tile: TileConfig, sign: int) -> list[TorchPass]:
    if tile.drive.coding in ("conventional", "amplitude"):
        return [TorchPass(area=ticks, factor=sign, n_tick_max=tile.drive.n_tick_max)]
    magnitude, direction = ticks.detach().abs(), ticks.detach().sign()
    fields = bit_fields(tile)
    return [
        TorchPass(
            area=_straight(
                ticks / (len(fields) * 2**shift), torch.floor(magnitude / 2**shift).fmod(2**width) * direction
            ),
            factor=sign * 2**shift,
            n_tick_max=2**width - 1,
        )
        for shift, width in fields
    ]


def code_law(bank: ConverterBank) -> CodeLaw | None:
    """The law of a tile's converters; None for ideal ones. Raises `InputError` for those without one here."""
    adc = bank.adc
    if isinstance(adc, IdealAdc):
        return None
    step: Literal["nearest", "down", "toward_zero"] = "down"
    if isinstance(adc, LinearAdc):
        step = "nearest"
    elif isinstance(adc, CcoAdc):
        step = "toward_zero"
    inl: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    if isinstance(adc, LinearAdc):
        inl = tuple(adc.inl_lsb) if any(adc.inl_lsb) else ()
    elif isinstance(adc, RampAdc) and adc.ramp_curvature != 0:
        edges = tuple((ramp_levels(adc) + bank.smallest_code).tolist())
    if isinstance(adc, CcoAdc) and adc.i_half_ampere is not None:
        raise InputError(f"tilemodel.torch covers converters of kind {adc.kind!r} without i_half_ampere")
    by_line: Literal["", "inl", "weights"] = ""
    if isinstance(adc, LinearAdc) and any(map(any, adc.inl_line_lsb)):
        by_line = "inl"
    elif isinstance(adc, SarAdc) and bank.bit_weight_lsb is not None and _unequal(bank.bit_weight_lsb):
        by_line = "weights"
    phase = adc.phase_cycle if isinstance(adc, CcoAdc) else 0.0
    ends = {"smallest": bank.smallest_code, "largest": bank.largest_code}
    return CodeLaw(step=step, phase=phase, inl_lsb=inl, edges=edges, by_line=by_line, **ends)


def line_values(bank: ConverterBank, law: CodeLaw) -> NDArray[np.float64]:
    """What `law.by_line` names, [n_line, n]; without it no values a line."""
    if law.by_line == "weights":
        assert bank.bit_weight_lsb is not None
        return bank.bit_weight_lsb
    if law.by_line == "inl":
        assert isinstance(bank.adc, LinearAdc)
        return np.array(bank.adc.inl_line_lsb)
    return np.empty((bank.n_line, 0))


def codes_of_levels(level: Tensor, law: CodeLaw, of_lines: Tensor) -> Tensor:
    """Codes of levels [..., L], as numbers of `level`'s type; the gradient is 1 within the range and 0 beyond it.

    `of_lines` [L, n] are the `line_values`.
    """
    trains = level.requires_grad and torch.is_grad_enabled()
    value = level.detach().clone() if trains else level
    if law.inl_lsb:
        value = value + _inl(value, law, value.new_tensor(law.inl_lsb).unsqueeze(0))
    elif law.by_line == "inl":
        value = value + _inl(value, law, of_lines)
    if law.by_line == "weights":
        value = _successive_approximation(value - law.smallest, of_lines) + law.smallest
    elif law.edges:
        value = (torch.searchsorted(value.new_tensor(law.edges), value, right=True) + law.smallest).to(value)
    elif law.step == "nearest":
        value = value.round_()
    elif law.step == "down":
        value = value.floor_()
    elif law.phase == 0:
        value = value.trunc_()
    else:
        value = value.abs().add_(law.phase).floor_().copysign_(value)
    code = value.clamp_(law.smallest, law.largest)
    return _straight(level.clamp(law.smallest, law.largest), code) if trains else code


def _inl(level: Tensor, law: CodeLaw, points: Tensor) -> Tensor:
    """Integral non-linearity [LSB] at levels [..., L], straight between the `points` [L or 1, n], constant beyond."""
    last = points.shape[1] - 1
    if last == 0:
        return points[:, 0].expand_as(level)
    place = ((level - law.smallest) * (last / (law.largest - law.smallest))).clamp(0, last)
    before = place.floor().clamp(max=last - 1)
    line = torch.arange(len(points), device=level.device) * (last + 1)
    index = before.long() + line
    flat = points.reshape(-1)
    return torch.lerp(flat[index], flat[index + 1], place - before)


def _successive_approximation(counts: Tensor, weights: Tensor) -> Tensor:
    """Codes of `counts` [..., L] by weights [L, n_bit], largest first: a bit stays set if the sum fits."""
    total, code = torch.zeros_like(counts), torch.zeros_like(counts)
    for bit in reversed(range(weights.shape[1])):
        trial = total + weights[:, bit]
        stays = trial <= counts
        total = torch.where(stays, trial, total)
        code = code + stays * float(2**bit)
    return code


def _straight(value: Tensor, rounded: Tensor) -> Tensor:
    """`rounded` with the gradient of `value`."""
    if not (value.requires_grad and torch.is_grad_enabled()):
        return rounded
    return rounded + (value - value.detach())


def _unequal(weight: NDArray[np.float64]) -> bool:
    return not np.allclose(weight, 2.0 ** np.arange(weight.shape[1]), rtol=1e-9, atol=0.0)

"""A linear layer that multiplies as analog tiles do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from tilemodel.compact import CompactModel, load_model
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig
from tilemodel.model import check_accuracy
from tilemodel.parameters import AnyParameters, parameters_from_tile
from tilemodel.torch.compensated import compensated
from tilemodel.torch.effective import Effective, effective_matrix
from tilemodel.torch.geometry import geometry_of
from tilemodel.torch.noise import aged
from tilemodel.torch.quantization import TorchPass, codes_of_levels, ticks_of_inputs, tile_passes
from tilemodel.torch.read_noise import ReadNoise
from tilemodel.torch.rows import ordered_ticks, ordered_weights, scaled_inputs

__all__ = ["TileLinear"]


class TileLinear(nn.Module):
    """y = x W^T + b by way of tiles: ticks, conductances, wires, converters, partial results added digitally.

    `linear` gives weight [n_out, n_in] and bias, which stay this layer's parameters; every column of every tile is
    scaled by its largest weight. `parameters` default to what the tile file states. Inputs beyond `input_range` are
    clipped; 0, as before calibration, takes each batch's largest. `accuracy` is that of `TileModel`, for gated tiles.
    What the converters give without inputs is subtracted digitally. Raises `InputError` for tiles that are not covered
    (docs/torch.md) and for weights that are neither float32 nor float64.
    """

    def __init__(
        self,
        linear: nn.Linear,
        tile: TileConfig,
        *,
        parameters: AnyParameters | None = None,
        accuracy: float | Literal["exact"] = "exact",
    ) -> None:
        super().__init__()
        if linear.weight.dtype not in (torch.float32, torch.float64):
            raise InputError(f"weight: expected float32 or float64, got {linear.weight.dtype}; convert before")
        check_accuracy(accuracy)
        self.weight, self.bias = linear.weight, linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        given = parameters if parameters is not None else parameters_from_tile(tile)
        self.geometry = geometry_of(tile, given, linear.in_features, linear.out_features)
        like = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.register_buffer("input_range", torch.zeros((), **like))
        self._line_names = []
        for name, values in self.geometry.line_constants().items():
            self._line_names.append(name)
            tensor = torch.from_numpy(values).to(linear.weight.device)
            self.register_buffer(
                f"_{name}", tensor if tensor.dtype == torch.bool else tensor.to(**like), persistent=False
            )
        self.register_buffer("deviation", None)
        """What is programmed beyond the weights' own conductances [siemens], [n_rail, K, n_row, L], or None."""
        self.register_buffer("column_gain", None)
        """Factor of each tile's columns behind the converters, [K, C], or None for 1."""
        self.register_buffer("column_offset", None)
        """What is added to the outputs digitally, [n_out], or None for 0."""
        self.register_buffer("row_order", None)
        """Which of its rows each tile has at each place, [K, n_row], or None for their own (`order_rows`)."""
        self.register_buffer("input_gain", None)
        """Factor of each input, for the columns of each end, [n_end, n_in], or None (`scale_against_ir_drop`)."""
        self._ranged = False
        self._reads: torch.Generator | None = None
        self._read_noise: ReadNoise | None = None
        self._cache: tuple[int, Effective] | None = None
        self._solver = None
        if not self.geometry.is_linear:
            # numba takes half a second that linear tiles need not pay
            from tilemodel.torch.gated import GatedSolver

            self._solver = GatedSolver(self.geometry, accuracy)

    @classmethod
    def from_model(
        cls, model: CompactModel | str | Path, linear: nn.Linear, *, accuracy: float | Literal["exact"] = "exact"
    ) -> "TileLinear":
        """A layer on a calibrated tile: a compact model, or its JSON file."""
        compact = model if isinstance(model, CompactModel) else load_model(model)
        return cls(linear, compact.tile, parameters=compact.parameters, accuracy=accuracy)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [..., n_out] of inputs [..., n_in]."""
        flat = inputs.reshape(-1, self.in_features)
        result = torch.zeros_like(self.weight[:, 0]) if self.bias is None else self.bias
        if self.column_offset is not None:
            result = result + self.column_offset
        for level, zero, each in self._driven(flat):
            result = result - (self.geometry.columns(zero) * each).sum(dim=0)
            value, rounding = self._split(level)
            for part, gain in zip(value.unbind(0), each.unbind(0), strict=True):
                result = torch.addcmul(result, part, gain)
            if rounding is not None:
                result = result + (rounding * each[:, None]).sum(dim=0).detach()
        return result.reshape(*inputs.shape[:-1], self.out_features)

    def partials(self, inputs: Tensor) -> Tensor:
        """What each tile adds to the outputs, [K, n_vec, n_out], of inputs [n_vec, n_in]: no bias, no offset."""
        parts = [
            (self.geometry.columns(self._converted(level)) - self.geometry.columns(zero)[:, None]) * each[:, None]
            for level, zero, each in self._driven(inputs)
        ]
        total: Tensor = torch.stack(parts).sum(dim=0)
        return total

    def codes(self, ticks: Tensor) -> Tensor:
        """Sums of the tiles' codes [n_vec, n_out] of whole `ticks` [n_vec, n_in], as `tilemodel.TileLayer` gives them.

        Charges [coulomb] of ideal converters. The scales of inputs and columns are not in it.
        """
        weights, _ = self._scaled()
        tiles = self._tiles(weights)
        total: Any = 0.0
        for drive, level, _ in self._read_out(self._passes(ticks.to(self.weight.dtype)), tiles):
            total = total + drive.factor * self.geometry.columns(self._converted(level))
        summed: Tensor = total.sum(dim=0)
        return summed

    def tile_weights(self) -> Tensor:
        """The weights as they are programmed, in [-1, 1], [K, n_row, C]."""
        return self._scaled()[0].detach()

    def compensate(self) -> None:
        """Program conductances that take IR drop back (`tilemodel.compensate`), each column scaled to fit its range.

        They are those of the weights as they are now; call again after training. Linear tiles only.
        """
        if not self.geometry.is_linear:
            raise InputError("compensate: gated tiles need an operating point; see tilemodel.compensate")
        self.deviation, self.column_gain = compensated(self.geometry, self.tile_weights())
        self.column_offset = self.input_gain = self._cache = None

    def program(self, generator: torch.Generator) -> None:
        """Draw a chip: conductances as [noise] of the tile leaves them, those of now or of `compensate` the targets.

        Raises `InputError` for a tile without noise.
        """
        with torch.no_grad():
            plain = self.geometry.conductances(self.tile_weights())
            self.deviation = aged(self.geometry, self._conductances(self.tile_weights()), generator) - plain
        self._cache = None

    def program_exactly(self) -> None:
        """Undo `program`, `compensate`, `calibrate_columns` and `scale_against_ir_drop`; rows stay where they are."""
        self.deviation = self.column_gain = self.column_offset = self.input_gain = self._cache = None

    def set_read_noise(self, generator: torch.Generator | None) -> None:
        """Add read noise, drawn from `generator` (of the layer's device), to every pass; None: no more.

        Raises `InputError` for tiles of which `tilemodel.torch` does not know it (docs/torch.md).
        """
        if generator is not None:
            self._read_noise = ReadNoise(self.geometry, self.weight)
        self._reads, self._cache = generator, None

    def train(self, mode: bool = True) -> "TileLinear":
        """As of any module; the effective matrix is computed anew."""
        self._cache = None
        super().train(mode)
        return self

    def _apply(self, *arguments: Any, **options: Any) -> "TileLinear":
        self._cache = None
        super()._apply(*arguments, **options)
        return self

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *arguments: Any) -> None:
        for name in ("deviation", "column_gain", "column_offset", "row_order", "input_gain"):
            given = state.get(prefix + name)
            setattr(self, name, None if given is None else torch.empty_like(given, device=self.weight.device))
        super()._load_from_state_dict(state, prefix, *arguments)
        self._ranged = bool(self.input_range > 0)
        self._cache = None

    def set_input_range(self, largest: float) -> None:
        """Inputs of this magnitude take the longest pulse; 0: each batch's largest do."""
        if not (0 <= largest < float("inf")):
            raise InputError(f"input range: expected a finite number >= 0, got {largest}")
        self.input_range.fill_(largest)
        self._ranged = largest > 0

    def extra_repr(self) -> str:
        """Sizes and tile."""
        tiles = f"{self.geometry.n_tile_in} x {self.geometry.n_tile_out} tiles of {self.geometry.tile.name}"
        return f"in_features={self.in_features}, out_features={self.out_features}, {tiles}"

    def _driven(self, flat: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Of each pass: levels [K, n_vec, L], those without a pulse [K, L], output a level [K, C]."""
        span = self._span(flat)
        weights, scale = self._scaled()
        tiles = self._tiles(weights)
        unit = span / (self.geometry.tile.drive.n_tick_max * self.geometry.unit_level)
        factor = scale * unit if self.column_gain is None else scale * self.column_gain * unit
        for inputs, taken in scaled_inputs(flat, self.input_gain, self._north[:: self.geometry.tile.lines_per_column]):
            passes = self._passes(ticks_of_inputs(inputs, span, self.geometry.tile))
            for drive, level, zero in self._read_out(passes, tiles):
                yield level, zero, drive.factor * taken * factor

    def _span(self, flat: Tensor) -> Tensor:
        if self._ranged or not flat.numel():
            return self.input_range
        least = self.geometry.tile.drive.n_tick_max * torch.finfo(flat.dtype).tiny  # ticks per input stay finite
        return flat.detach().abs().amax().clamp(min=least)

    def _passes(self, ticks: Tensor) -> list[TorchPass]:
        """Ticks [n_vec, n_in] as passes over the tiles' rows, [n_vec, K, n_row]; of one tile, over the rows in use."""
        n_tile, n_row = self.geometry.n_tile_in, self.geometry.tile.array.n_row
        if n_tile == 1 and self.row_order is None:  # rows without input need no pulse
            return tile_passes(ticks[:, None], self.geometry.tile)
        padded = torch.nn.functional.pad(ticks, (0, n_tile * n_row - self.in_features))
        return tile_passes(ordered_ticks(padded.reshape(-1, n_tile, n_row), self.row_order), self.geometry.tile)

    def _scaled(self) -> tuple[Tensor, Tensor]:
        """Weights of the tiles in [-1, 1] [K, n_row, C] and their columns' scales [K, C]."""
        tiled = ordered_weights(self.geometry.tiled(self.weight), self.row_order)
        largest = tiled.abs().amax(dim=1)
        scale = torch.where(largest > 0, largest, torch.ones_like(largest))
        return tiled / scale[:, None], scale

    def _conductances(self, weights: Tensor) -> Tensor:
        g = self.geometry.conductances(weights)
        return g if self.deviation is None else (g + self.deviation).clamp(min=0.0)

    def _tiles(self, weights: Tensor) -> Effective | Tensor:
        """The effective matrix, kept between calls that want no gradient; of gated tiles, elements [K, n_row, L]."""
        if not self.geometry.is_linear:
            return self._conductances(weights)[0]
        trains = torch.is_grad_enabled() and self.weight.requires_grad
        if trains or torch.compiler.is_compiling():
            return self._computed(weights)
        if self._cache is None or self._cache[0] != self.weight._version:
            with torch.inference_mode(mode=False), torch.no_grad():  # what is kept may meet a gradient later
                found = self._computed(weights)
            self._cache = (self.weight._version, found)
        return self._cache[1]

    def _computed(self, weights: Tensor) -> Effective:
        lines = {name: getattr(self, f"_{name}") for name in self._line_names}
        by_g = None if self._reads is None or self._read_noise is None else self._read_noise.by_g
        return effective_matrix(self.geometry, self._conductances(weights), lines, by_g)

    def _read_out(
        self, passes: list[TorchPass], tiles: Effective | Tensor
    ) -> Iterator[tuple[TorchPass, Tensor, Tensor]]:
        """Of each pass, levels [K, n_vec, L], with read noise if it is on, and those without a pulse [K, L]."""
        noise = None if self._reads is None else self._deviations(passes, tiles, self._reads)
        for number, drive in enumerate(passes):
            level, zero = self._levels(drive, tiles)
            yield drive, level if noise is None else level + noise[number], zero

    def _deviations(self, passes: list[TorchPass], tiles: Effective | Tensor, reads: torch.Generator) -> list[Tensor]:
        """What read noise adds to the levels of each pass, [K, n_vec, L]."""
        assert self._read_noise is not None
        if isinstance(tiles, Effective):
            return self._read_noise.deviations(tiles.noise, passes, reads)
        from tilemodel.torch.gated_noise import gated_deviations

        assert self._solver is not None
        charges = gated_deviations(self._read_noise, tiles, passes, self._solver.handle, reads)
        return [charge * self._level_per_coulomb for charge in charges]

    def _levels(self, drive: TorchPass, tiles: Effective | Tensor) -> tuple[Tensor, Tensor]:
        """Levels of the lines [K, n_vec, L] for one pass, and what they are without a pulse [K, L]."""
        if isinstance(tiles, Effective):
            zero = self._level_shift + tiles.rest * self.geometry.tile.t_window_second(drive.n_tick_max)
            used = tiles.matrix[:, : drive.area.shape[-1]]
            return torch.baddbmm(zero[:, None], drive.area.transpose(0, 1), used), zero
        from tilemodel.torch.gated import gated_charges

        assert self._solver is not None
        charge = gated_charges(drive.area, tiles, drive.n_tick_max, self._solver.handle)
        return charge * self._level_per_coulomb + self._level_shift, self._level_shift.expand(len(tiles), -1)

    def _split(self, level: Tensor) -> tuple[Tensor, Tensor | None]:
        """Codes of the columns [K, n_vec, C]; for a gradient, levels within the range and what rounding adds.

        Columns are scaled behind their converters. To a gradient that goes straight through, rounding is not there:
        the scale's share must not see it either, or the largest weights of all columns would train on its noise.
        """
        law = self.geometry.law
        if law is None or not (level.requires_grad and torch.is_grad_enabled()):
            return self.geometry.columns(self._converted(level)), None
        within = level.clamp(law.smallest, law.largest)
        rounding = codes_of_levels(level.detach().clone(), law, self._converter) - within.detach()
        return self.geometry.columns(within), self.geometry.columns(rounding)

    def _converted(self, level: Tensor) -> Tensor:
        return level if self.geometry.law is None else codes_of_levels(level, self.geometry.law, self._converter)

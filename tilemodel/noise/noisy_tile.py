"""A tile whose reads are noisy: charges and codes of a batch, drawn."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.noise import NoiseConfig
from tilemodel.config.operands import Conductances
from tilemodel.config.passes import Pass, tile_passes
from tilemodel.conversion import PassOutput
from tilemodel.model import TileModel
from tilemodel.noise.aihwkit_law import aihwkit_read
from tilemodel.noise.cells import cell_groups, is_linear, negative_rows, rows_resist
from tilemodel.noise.chip import aged_conductances
from tilemodel.noise.draws import Draws, cell_deviations, charges_by_cells, charges_by_outputs
from tilemodel.noise.process import LorentzianNoise
from tilemodel.noise.read_noise import is_extrapolated, tile_process
from tilemodel.noise.timing import ReadWindows
from tilemodel.output import TileOutput

__all__ = ["Method", "NoisyTile", "noise_of", "noisy_tile"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Scalar = TypeVar("Scalar", np.float64, np.int64)
Method = Literal["outputs", "cells", "circuit", "aihwkit"]
"""outputs: joint normal distribution of a linear tile's outputs. cells: every cell of a linear tile, to first order.
circuit: every cell, and the tile solved anew for every vector and pass. aihwkit: see `aihwkit_law`.
Where rows resist, the first two leave out what a cell does to its row's voltage."""

_EMPTY_SIEMENS = 1e-15


def noise_of(model: TileModel) -> NoiseConfig:
    """The noise of the tile. Raises `InputError` if its file has none."""
    if model.tile.noise is None:
        raise InputError(
            f'tile {model.tile.name} has no noise; add a table [noise] with preset = "pcm_ibm" to its file'
        )
    return model.tile.noise


def noisy_tile(model: TileModel, rng: np.random.Generator) -> "NoisyTile":
    """One chip of a tile whose `model` is programmed with the targets: aged as `tile.noise` says, drawn from `rng`."""
    aged = model.programmed_with(aged_conductances(noise_of(model), model.conductances, rng))
    return NoisyTile(aged, rng, targets_sha256=model.conductances.sha256())


class NoisyTile:
    """A chip, given by the `model` of its conductances, to be read again and again.

    `rng` draws the spread of its cells' polarity, if `tile.noise` has one; `targets_sha256` names what the chip was
    programmed with, for the provenance.
    """

    def __init__(self, model: TileModel, rng: np.random.Generator, *, targets_sha256: str | None = None) -> None:
        self.model, self.noise = model, noise_of(model)
        self._targets_sha256 = targets_sha256
        spread = self.noise.spread
        sigma = 0.0 if spread is None else spread.polarity_sigma
        arrays = model.conductances.arrays()
        self._polarity = {
            name: sigma * rng.standard_normal(g.shape) if sigma > 0 else None for name, g in arrays.items()
        }

    def mvm(
        self,
        ticks: IntArray,
        rng: np.random.Generator,
        *,
        method: Method | None = None,
        draws: Draws = "per_vector",
        seed: int | None = None,
    ) -> TileOutput:
        """Charges and codes of the batch `ticks` [n_vec, n_row], drawn from `rng`; `seed` names it in the provenance.

        `method` defaults to "outputs" for a linear tile with ideal rows and to "circuit" for any other. Raises
        `InputError` where a method does not apply: to a tile that is not linear, or to draws per batch.
        """
        by_outputs = is_linear(self.model) and not rows_resist(self.model.tile) and draws == "per_vector"
        method = method or ("outputs" if by_outputs else "circuit")
        if draws == "per_batch" and method != "cells":
            raise InputError("draws per batch are an approximation that only method 'cells' makes")
        if method == "aihwkit":
            passes = self._as_aihwkit(ticks, rng)
        elif method == "circuit":
            passes = self._solved_anew(ticks, rng)
        else:
            passes = self._shifted(ticks, rng, method, draws)
        provenance = {
            "method": method,
            "draws": draws,
            "seed": seed,
            "targets_sha256": self._targets_sha256,
            "extrapolated": is_extrapolated(self.model.tile, self.noise, [item.drive for item in passes]),
        }
        return self.model.converted(ticks, passes, noise=provenance)

    def _shifted(self, ticks: IntArray, rng: np.random.Generator, method: Method, draws: Draws) -> list[PassOutput]:
        """The passes of the quiet tile with charge deviations added."""
        outputs = self.model.passes(ticks)
        drives, groups = [item.drive for item in outputs], cell_groups(self.model)
        shift = np.zeros((len(drives), *outputs[0].charge_line_coulomb.shape))
        process = tile_process(self.noise)
        if process is not None:
            windows = self._windows(process, drives)
            if method == "cells":
                shift += charges_by_cells(groups, windows, drives, shift.shape[2], draws, rng)
            else:
                shift += charges_by_outputs(groups, windows, drives, rng)
        t_lsb = self.model.tile.drive.t_lsb_second
        for index, group in enumerate(groups):
            asymmetry = self._polarity[group.name]
            if asymmetry is None:
                continue
            for p, drive in enumerate(drives):
                negative = negative_rows(self.model.tile, self.model.conductances, index, drive.height)
                area = np.where(negative, drive.tick_area, 0.0) * t_lsb
                shift[p][:, group.lines] += area @ (group.volt * group.g_siemens * asymmetry)
        return [
            dataclasses.replace(item, charge_line_coulomb=item.charge_line_coulomb + change)
            for item, change in zip(outputs, shift, strict=True)
        ]

    def _as_aihwkit(self, ticks: IntArray, rng: np.random.Generator) -> list[PassOutput]:
        """Every pass through the tile with conductances drawn for it; a pass without pulses has none."""
        passes = self.model.passes(ticks)
        for p, item in enumerate(passes):
            if item.drive.n_tick.any():
                arguments = (self.model.tile, self.noise, self.model.conductances, item.drive.n_tick, rng)
                passes[p] = self.model.programmed_with(aihwkit_read(*arguments)).passes(ticks)[p]
        return passes

    def _windows(self, process: LorentzianNoise, drives: list[Pass]) -> ReadWindows:
        return ReadWindows.of_passes(self.model.tile, self.noise, process, drives)

    def _solved_anew(self, ticks: IntArray, rng: np.random.Generator) -> list[PassOutput]:
        """Every vector and pass through a tile of its own, each cell at its mean over its row's pulse."""
        self.model.passes(ticks[:1])  # what is wrong with the operands is told before hours of work
        drives = tile_passes(self.model.tile, ticks)
        by_vector = [self._one_vector(ticks, drives, vector, rng) for vector in range(len(ticks))]
        return [_stacked(drive, [outputs[p] for outputs in by_vector]) for p, drive in enumerate(drives)]

    def _one_vector(
        self, ticks: IntArray, drives: list[Pass], vector: int, rng: np.random.Generator
    ) -> list[PassOutput]:
        process, arrays = tile_process(self.noise), self.model.conductances.arrays()
        read: list[dict[str, FloatArray]] = [{} for _ in drives]
        for index, (name, g) in enumerate(arrays.items()):
            deviation = np.zeros((len(drives), *g.shape))
            if process is not None:
                deviation = cell_deviations(g, self._windows(process, drives), drives, vector, rng)
            for p, drive in enumerate(drives):
                seen = g
                asymmetry = self._polarity[name]
                if asymmetry is not None:
                    negative = negative_rows(self.model.tile, self.model.conductances, index, drive.height[vector])
                    seen = g * (1 + asymmetry * negative[:, np.newaxis])
                noisy = np.where(g > 0, seen + deviation[p], 0.0)
                read[p][name] = np.where(noisy < _EMPTY_SIEMENS, 0.0, noisy)
        only = ticks[vector : vector + 1]
        return [
            self.model.programmed_with(Conductances(**arrays_of_pass)).passes(only)[p]
            for p, arrays_of_pass in enumerate(read)
        ]


def _stacked(drive: Pass, outputs: list[PassOutput]) -> PassOutput:
    """Passes of single vectors as one of the batch."""
    return PassOutput(
        drive=drive,
        charge_line_coulomb=np.concatenate([item.charge_line_coulomb for item in outputs]),
        error_bound_coulomb=np.concatenate([item.error_bound_coulomb for item in outputs]),
        cycle_line=_joined([item.cycle_line for item in outputs]),
        code_line=_joined([item.code_line for item in outputs]),
    )


def _joined(parts: Sequence[NDArray[Scalar] | None]) -> NDArray[Scalar] | None:
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if present else None

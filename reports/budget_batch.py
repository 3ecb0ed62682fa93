"""The operands of an error budget: random weights and vectors, one chip, and what they give."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.adc import IdealAdc
from tilemodel.config.operands import (
    Conductances,
    combine_lines,
    conductances_from_weights,
    random_weights,
    ticks_from_inputs,
)
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import converter_bank
from tilemodel.model import TileModel, ideal_charge, ideal_line_current_ampere
from tilemodel.noise.cells import is_linear
from tilemodel.noise.chip import aged_conductances
from tilemodel.noise.noisy_tile import Method, NoisyTile
from tilemodel.output import TileOutput
from tilemodel.parameters import AnyParameters

__all__ = ["Batch", "as_it_is", "random_batch"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# The budget draws from a stream of its own, whatever seeds the user gives to calibration and validation
_STREAM = 0xB0D6E7
_CHIP, _READ = 1, 2


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A tile with its operands."""

    tile: TileConfig
    parameters: AnyParameters
    conductances: Conductances
    ticks: IntArray
    """[n_vec, n_row]"""
    ideal_coulomb: FloatArray
    """Ideal MAC of the ticks, [n_vec, n_col]."""
    exact_coulomb: FloatArray
    """Ideal MAC of the inputs before quantization, [n_vec, n_col]."""
    lsb_coulomb: float | None
    aged: Conductances
    """The conductances of one chip when it is read; without noise, those that were to be written."""
    seed: int

    def read_stream(self) -> np.random.Generator:
        """A generator of read noise, apart from those of operands and chip."""
        return np.random.default_rng([_STREAM, self.seed, _READ])

    def value_coulomb(self, output: TileOutput) -> FloatArray:
        """What is taken for the MAC, [n_vec, n_col]: the code times the LSB, or the charge if there is no code."""
        if output.code is None or self.lsb_coulomb is None:
            return output.charge_coulomb
        return output.code.astype(np.float64) * self.lsb_coulomb


def random_batch(tile: TileConfig, parameters: AnyParameters, n_vec: int, seed: int) -> Batch:
    """`n_vec` random vectors and random weights, both normal with sigma 1/3 clipped at +-1, and one aged chip."""
    rng = np.random.default_rng([_STREAM, seed])
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    inputs = np.clip(rng.normal(0.0, 1 / 3, (n_vec, tile.array.n_row)), -1.0, 1.0)
    if tile.drive.sign == "unsigned":
        inputs = np.abs(inputs)
    ticks = ticks_from_inputs(tile, inputs)
    return Batch(
        tile=tile,
        parameters=parameters,
        conductances=conductances,
        ticks=ticks,
        ideal_coulomb=ideal_charge(tile, conductances, ticks),
        exact_coulomb=inputs @ _ideal_coulomb_per_unit(tile, conductances),
        lsb_coulomb=None if isinstance(tile.adc, IdealAdc) else converter_bank(tile).lsb_coulomb,
        aged=_aged(tile, conductances, seed),
        seed=seed,
    )


def _aged(tile: TileConfig, conductances: Conductances, seed: int) -> Conductances:
    if tile.noise is None:
        return conductances
    return aged_conductances(tile.noise, conductances, np.random.default_rng([_STREAM, seed, _CHIP]))


def as_it_is(batch: Batch) -> TileOutput:
    """The tile with everything that its file says."""
    model = TileModel(batch.tile, batch.aged, batch.parameters)
    if batch.tile.noise is None:
        return model.mvm(batch.ticks)
    rng = batch.read_stream()
    # a tile with rows that resist takes seconds to solve: what a cell's noise does to its row is left out here
    method: Method | None = "outputs" if is_linear(model) else None
    return NoisyTile(model, rng).mvm(batch.ticks, rng, method=method)


def _ideal_coulomb_per_unit(tile: TileConfig, conductances: Conductances) -> FloatArray:
    """Ideal charge of an input of 1 in each row, [n_row, n_col]: `ideal_charge` for inputs that are no whole ticks."""
    unit = tile.drive.n_tick_max * tile.drive.t_lsb_second * getattr(tile.read_out.circuit, "ratio", 1.0)
    result: FloatArray = unit * combine_lines(tile, ideal_line_current_ampere(tile, conductances))
    return result

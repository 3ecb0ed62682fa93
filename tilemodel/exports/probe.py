"""The batch on which the errors of an export are computed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import lsb_coulomb
from tilemodel.compact import CompactModel
from tilemodel.config.adc import IdealAdc
from tilemodel.config.operands import (
    Conductances,
    conductances_from_weights,
    random_ticks,
    random_weights,
    ticks_sha256,
)
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel, ideal_charge
from tilemodel.noise.noisy_tile import noisy_tile
from tilemodel.parameters import AnyParameters

__all__ = ["NOISE_KINDS", "Errors", "Probe", "random_probe"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NOISE_KINDS = ("read", "telegraph", "programming", "drift", "long_term", "faults", "spread")
"""Tables of `[noise]`."""

_N_READ = 20


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Of charges: in % of full scale, the largest ideal |charge| of the probe, and in LSB of the converter."""

    rms_percent: float
    max_percent: float
    rms_lsb: float | None
    max_lsb: float | None

    def as_dict(self) -> dict[str, float | None]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A model programmed with `conductances`, and the vectors `ticks` [n_vec, n_row]."""

    model: CompactModel
    conductances: Conductances
    ticks: IntArray
    seed: int | None
    """Of the random operands; None: the user's own."""

    @property
    def tile(self) -> TileConfig:
        """The calibrated tile."""
        return self.model.tile

    @cached_property
    def programmed(self) -> TileModel:
        """The model with the probe's conductances."""
        return self.model.tile_model(self.conductances)

    @cached_property
    def charge_coulomb(self) -> FloatArray:
        """What the model itself gives, [n_vec, n_col]."""
        charge: FloatArray = self.programmed.mvm(self.ticks).charge_coulomb
        return charge

    @cached_property
    def full_scale_coulomb(self) -> float:
        """Largest ideal |charge|."""
        return float(np.abs(ideal_charge(self.tile, self.conductances, self.ticks)).max())

    def errors(self, charge_coulomb: FloatArray, truth_coulomb: FloatArray | None = None) -> Errors:
        """Of `charge_coulomb` [n_vec, n_col] against `truth_coulomb`; None: against the model."""
        truth = self.charge_coulomb if truth_coulomb is None else truth_coulomb
        error = np.asarray(charge_coulomb) - truth
        rms, largest = float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())
        lsb = None if isinstance(self.tile.adc, IdealAdc) else lsb_coulomb(self.tile.adc, signed=self.tile.signed_lines)
        return Errors(
            rms_percent=100 * rms / self.full_scale_coulomb,
            max_percent=100 * largest / self.full_scale_coulomb,
            rms_lsb=None if lsb is None else rms / lsb,
            max_lsb=None if lsb is None else largest / lsb,
        )

    def errors_without(self, tile: TileConfig, parameters: AnyParameters) -> Errors:
        """What changes if the tile were `tile` with `parameters`: the model less one quantity."""
        return self.errors(TileModel(tile, self.conductances, parameters).mvm(self.ticks).charge_coulomb)

    def errors_of_noise(self, kinds: Sequence[str]) -> Errors:
        """What noise of these `kinds` (tables of `[noise]`) adds: over 20 chips read once, of its seed."""
        noise = self.tile.noise
        assert noise is not None
        left_out = dict.fromkeys(name for name in NOISE_KINDS if name not in kinds)
        tile = self.tile.model_copy(update={"noise": noise.model_copy(update=left_out)})
        model = TileModel(tile, self.conductances, self.model.parameters)
        rng = np.random.default_rng(self.seed or 0)
        reads = [noisy_tile(model, rng).mvm(self.ticks, rng).charge_coulomb for _ in range(_N_READ)]
        return self.errors(np.concatenate(reads), np.tile(self.charge_coulomb, (_N_READ, 1)))

    def provenance(self) -> dict[str, object]:
        """What the probe was, for JSON."""
        return {
            "n_vec": len(self.ticks),
            "seed": self.seed,
            "conductances_sha256": self.conductances.sha256(),
            "ticks_sha256": ticks_sha256(self.ticks),
            "full_scale_coulomb": self.full_scale_coulomb,
        }


def random_probe(model: CompactModel, *, n_vec: int = 32, seed: int = 0) -> Probe:
    """Random weights and vectors of the tile's own size."""
    rng = np.random.default_rng(seed)
    conductances = conductances_from_weights(model.tile, random_weights(model.tile, rng))
    return Probe(model=model, conductances=conductances, ticks=random_ticks(model.tile, rng, n_vec), seed=seed)

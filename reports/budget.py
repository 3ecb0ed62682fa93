"""The error budget of a tile: the MAC error of each non-ideality alone, and of all together. See docs/budget.md.

The fast model computes everything: no circuit simulation is run.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.budget_batch import Batch, as_it_is, random_batch
from tilemodel.column_fit import left_after_fit
from tilemodel.compact import CompactModel
from tilemodel.config.conditions import MismatchConfig
from tilemodel.config.errors import InputError
from tilemodel.config.operands import ticks_sha256
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel
from tilemodel.noise.noisy_tile import NoisyTile
from tilemodel.output import TileOutput
from tilemodel.parameters import parameters_from_tile
from tilemodel.variants import Part, parts_of, settled_and_cut, tile_with_only, with_tables
from tilemodel.version import VERSION

__all__ = ["LABELS", "MIN_VECTORS", "Budget", "BudgetRow", "error_budget"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# What float64 leaves of a read without noise, of the largest charge
_ROUNDING = 1e-9
MIN_VECTORS = 3
"""A gain and an offset a column leave nothing of two vectors."""

LABELS = {
    "quantization": "input quantization",
    "wires": "wires",
    "access": "access device",
    "driver": "row drivers",
    "clamp": "clamp",
    "device": "device I-V",
    "settling": "cut window",
    "adc": "ADC",
    "mismatch": "mismatch",
    "chip": "programming, age",
    "read_noise": "read noise",
    "together": "all together",
}
"""What a page calls each row, by the row's name, in the order of the rows."""


@dataclass(frozen=True, kw_only=True)
class BudgetRow:
    """Error of one contribution over the batch, all vectors and columns.

    Percentages are of the standard deviation of the ideal MAC over the batch, LSB those of the converter (None for
    an ideal one).
    """

    name: str
    mean_percent: float
    std_percent: float
    std_after_fit_percent: float
    """What the best gain and offset of each column (least squares over the batch) leave of the deviation."""
    max_percent: float
    """Largest |error|."""
    std_lsb: float | None
    max_lsb: float | None

    @property
    def label(self) -> str:
        """Its name in words."""
        return LABELS[self.name]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The contributions that a tile has, each alone, and all together; in the order of `LABELS`."""

    tile: TileConfig
    rows: tuple[BudgetRow, ...]
    n_vec: int
    mac_std_coulomb: float
    """Standard deviation of the ideal MAC over the batch; behind a mirror, times its ratio."""
    lsb_coulomb: float | None
    n_saturated: int
    """Conversions of the tile as it is that ended at the converter's range."""
    provenance: dict[str, Any]

    def row(self, name: str) -> BudgetRow:
        """The row called `name`. Raises `InputError` if the tile has no such contribution."""
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError(
            f"tile {self.tile.name} has no contribution {name!r}; it has {[row.name for row in self.rows]}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "tile": self.tile.model_dump(mode="json"),
            "n_vec": self.n_vec,
            "mac_std_coulomb": self.mac_std_coulomb,
            "lsb_coulomb": self.lsb_coulomb,
            "n_saturated": self.n_saturated,
            "rows": [asdict(row) for row in self.rows],
            "provenance": self.provenance,
        }


def error_budget(tile: TileConfig, model: CompactModel | None = None, *, n_vec: int = 200, seed: int = 0) -> Budget:
    """The budget of `tile` on `n_vec` random vectors through random weights, both normal with sigma 1/3 clipped at +-1.

    `model` brings calibrated parameters, where a tile has transistors. Raises `InputError` where the fast model does
    not cover the tile or `model` belongs to another technology.
    """
    if n_vec < MIN_VECTORS:
        raise InputError(f"budget: needs at least {MIN_VECTORS} vectors to fit a gain and an offset, got {n_vec}")
    if isinstance(tile.read_out.circuit, Sky130RampReadOut):
        raise InputError(
            f"tile {tile.name} [read_out.circuit]: a sky130_ramp read-out is clamp, mirror and converter in one, which "
            "a budget cannot take apart; set another kind of circuit and an [adc]"
        )
    if model is not None:
        model.check_technology(tile)
    batch = random_batch(tile, parameters_from_tile(tile) if model is None else model.parameters, n_vec, seed)
    whole = as_it_is(batch)
    mac_std = float(batch.exact_coulomb.std())
    if mac_std == 0:
        raise InputError(f"budget: the ideal MAC of tile {tile.name} does not vary over the batch; use more vectors")
    rows = [
        _row(name, error, target, mac_std, batch.lsb_coulomb) for name, error, target in _contributions(batch, whole)
    ]
    order = list(LABELS)
    return Budget(
        tile=tile,
        rows=tuple(sorted(rows, key=lambda row: order.index(row.name))),
        n_vec=n_vec,
        mac_std_coulomb=mac_std,
        lsb_coulomb=batch.lsb_coulomb,
        n_saturated=whole.n_saturated,
        provenance=_provenance(batch, model, seed),
    )


def _contributions(batch: Batch, whole: TileOutput) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """Name, error and target [coulomb], both [n_vec, n_col], of every contribution that the tile has.

    The target is what the error is measured from and fitted against.
    """
    tile, ideal, exact = batch.tile, batch.ideal_coulomb, batch.exact_coulomb
    yield "quantization", ideal - exact, exact
    for part in parts_of(tile, batch.parameters):
        yield part, _alone(batch, part) - ideal, ideal
    if tile.read_out.window == "cut":
        settled, cut = settled_and_cut(tile, batch.conductances, batch.parameters)
        yield "settling", cut.mvm(batch.ticks).charge_coulomb - settled.mvm(batch.ticks).charge_coulomb, ideal
    if tile.mismatch is not None and _any_spread(tile.mismatch):
        real = TileModel(tile, batch.conductances, batch.parameters).mvm(batch.ticks)
        nominal = TileModel(with_tables(tile, mismatch=None), batch.conductances, batch.parameters).mvm(batch.ticks)
        yield "mismatch", batch.value_coulomb(real) - batch.value_coulomb(nominal), ideal
    if tile.noise is not None:
        yield from _noise_alone(batch)
    yield "together", batch.value_coulomb(whole) - exact, exact


def _noise_alone(batch: Batch) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """What one chip's programming and age do, and what its reads do, on an ideal tile."""
    ideal = batch.ideal_coulomb
    quiet = tile_with_only(batch.tile, batch.conductances, batch.parameters, None)
    if any(np.any(aged != values) for aged, values in _pairs(batch)):
        yield "chip", quiet.programmed_with(batch.aged).mvm(batch.ticks).charge_coulomb - ideal, ideal
    rng = batch.read_stream()
    read = NoisyTile(quiet, rng).mvm(batch.ticks, rng).charge_coulomb - ideal
    if np.abs(read).max() > _ROUNDING * np.abs(ideal).max():
        yield "read_noise", read, ideal


def _pairs(batch: Batch) -> Iterator[tuple[FloatArray, FloatArray]]:
    targets = batch.conductances.arrays()
    return ((values, targets[name]) for name, values in batch.aged.arrays().items())


def _alone(batch: Batch, part: Part) -> FloatArray:
    model = tile_with_only(batch.tile, batch.conductances, batch.parameters, part)
    return batch.value_coulomb(model.mvm(batch.ticks))


def _any_spread(mismatch: MismatchConfig) -> bool:
    return any(value > 0 for name, value in mismatch.model_dump().items() if name != "seed")


def _row(name: str, error: FloatArray, target: FloatArray, mac_std: float, lsb: float | None) -> BudgetRow:
    percent = 100.0 / mac_std
    std, largest = float(error.std()), float(np.abs(error).max())
    return BudgetRow(
        name=name,
        mean_percent=percent * float(error.mean()),
        std_percent=percent * std,
        std_after_fit_percent=percent * float(left_after_fit(error, target).std()),
        max_percent=percent * largest,
        std_lsb=None if lsb is None else std / lsb,
        max_lsb=None if lsb is None else largest / lsb,
    )


def _provenance(batch: Batch, model: CompactModel | None, seed: int) -> dict[str, Any]:
    return {
        "package": f"tilemodel {VERSION}",
        "tile_sha256": batch.tile.sha256(),
        "seed": seed,
        "n_vec": len(batch.ticks),
        "conductances_sha256": batch.conductances.sha256(),
        "ticks_sha256": ticks_sha256(batch.ticks),
        "parameters": batch.parameters.model_dump(mode="json"),
        "calibration": None if model is None else model.provenance.model_dump(mode="json"),
    }

"""The noise of a tile's outputs: closed form beside Monte Carlo, for one chip and for a population of chips."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spice_netlists.noise import simulate_noise
from tilemodel.config.files import atomic_file
from tilemodel.config.noise import NoiseConfig, PolynomialReadNoise
from tilemodel.config.operands import combine_lines, ticks_sha256
from tilemodel.config.passes import tile_passes
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel, ideal_charge
from tilemodel.noise.cells import is_linear, rows_resist
from tilemodel.noise.crosstalk import covariance_fits, read_covariance
from tilemodel.noise.noisy_tile import NoisyTile, noise_of, noisy_tile
from tilemodel.noise.read_noise import is_extrapolated, law_fit_error
from tilemodel.noise.statistics import chip_statistics, read_statistics
from tilemodel.version import VERSION

__all__ = ["OutputNoise", "noise_lines", "output_noise", "save_noise"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Streams of their own: no deviate of the noise is one that random weights were made of, and the same chips and reads
# with and without ngspice
_DRAW, _SPICE = 0xD4A35, 0x5B1CE


@dataclass(frozen=True, kw_only=True)
class Variances:
    """Variances of the outputs [coulomb^2], [n_vec, n_col]: closed form (None if the tile is not linear), and drawn."""

    closed_form: FloatArray | None
    drawn: FloatArray
    n_draw: int
    n_independent: int
    """Outputs that are independent of each other: vectors share the cells of a chip."""

    @property
    def sigma_coulomb(self) -> float:
        """Root mean square over vectors and columns, of the closed form if there is one."""
        return float(np.sqrt((self.drawn if self.closed_form is None else self.closed_form).mean()))

    def ratio(self) -> tuple[float, float]:
        """Drawn over closed-form variance, mean of all outputs, and its standard error for normal outputs."""
        assert self.closed_form is not None
        used = self.closed_form > 0
        ratio = float((self.drawn[used] / self.closed_form[used]).mean())
        return ratio, float(np.sqrt(2 / ((self.n_draw - 1) * self.n_independent)))


@dataclass(frozen=True, kw_only=True)
class OutputNoise:
    """Noise of a tile for given weights and vectors."""

    tile: TileConfig
    mean_coulomb: FloatArray
    """Over the draws of chips, [n_vec, n_col]."""
    reads: Variances
    """From read to read of the first chip."""
    chips: Variances
    """From chip to chip, each read once."""
    spice: Variances | None
    """From read to read of the first chip and vector in ngspice."""
    mac_std_coulomb: float
    """Standard deviation of the ideal MAC over vectors and columns."""
    fit_error: float | None
    """Largest relative deviation of the process from the published law, over this tile's conductances and pulses."""
    extrapolated: bool
    """Whether a pulse is shorter or longer than the read noise was measured for."""
    provenance: dict[str, Any]


def output_noise(
    model: TileModel, ticks: IntArray, *, n_draw: int, seed: int, n_spice: int = 0, processes: int | None = None
) -> OutputNoise:
    """Noise of `model`, programmed with the targets, for `ticks` [n_vec, n_row]: `n_draw` chips, as many reads of one.

    With `n_spice`, the first vector is also read so many times in ngspice (`spice_netlists.noise`).

    Raises `InputError` for a tile without noise.
    """
    noise = noise_of(model)
    rng = np.random.default_rng([_DRAW, seed])
    first = noisy_tile(model, rng)
    charges = np.array([noisy_tile(model, rng).mvm(ticks, rng).charge_coulomb for _ in range(n_draw)])
    reads = _reads(first, ticks, n_draw, rng)
    chips = None
    if is_linear(model) and not rows_resist(model.tile):
        expected = chip_statistics(model, noise, ticks)
        chips = expected.read_variance + expected.chip_variance
    return OutputNoise(
        tile=model.tile,
        mean_coulomb=charges.mean(axis=0),
        reads=Variances(
            closed_form=_closed_form(first, ticks),
            drawn=reads,
            n_draw=n_draw,
            n_independent=reads.size,
        ),
        chips=Variances(
            closed_form=chips, drawn=charges.var(axis=0, ddof=1), n_draw=n_draw, n_independent=reads.shape[1]
        ),
        mac_std_coulomb=float(ideal_charge(model.tile, model.conductances, ticks).std()),
        spice=_spice(first, ticks[:1], n_spice, seed, processes) if n_spice else None,
        fit_error=_fit_error(noise, model),
        extrapolated=is_extrapolated(model.tile, noise, tile_passes(model.tile, ticks)),
        provenance={
            "package": f"tilemodel {VERSION}",
            "tile_sha256": model.tile.sha256(),
            "conductances_sha256": model.conductances.sha256(),
            "ticks_sha256": ticks_sha256(ticks),
            "seed": seed,
            "n_draw": n_draw,
        },
    )


def _reads(chip: NoisyTile, ticks: IntArray, n_draw: int, rng: np.random.Generator) -> FloatArray:
    drawn = np.array([chip.mvm(ticks, rng).charge_coulomb for _ in range(n_draw)])
    result: FloatArray = drawn.var(axis=0, ddof=1)
    return result


def _closed_form(chip: NoisyTile, ticks: IntArray) -> FloatArray | None:
    """Variance from read to read [coulomb^2], [n_vec, n_col]; None if the tile is not linear, or too large for it."""
    model = chip.model
    if not is_linear(model):
        return None
    if not rows_resist(model.tile):
        return read_statistics(model, chip.noise, ticks).read_variance
    if not covariance_fits(model):
        return None
    return np.diagonal(read_covariance(model, ticks), axis1=1, axis2=2).copy()


def _spice(chip: NoisyTile, ticks: IntArray, n_read: int, seed: int, processes: int | None) -> Variances:
    """Noisy transients of the chip, and the closed form for them if there is one."""
    tile, conductances = chip.model.tile, chip.model.conductances
    rng = np.random.default_rng([_SPICE, seed])
    result = simulate_noise(tile, conductances, ticks, n_read=n_read, rng=rng, processes=processes)
    charge = combine_lines(tile, result.charge_line_coulomb)
    return Variances(
        closed_form=_closed_form(chip, ticks),
        drawn=charge.var(axis=0, ddof=1, keepdims=True),
        n_draw=n_read,
        n_independent=charge.shape[1],
    )


def _fit_error(noise: NoiseConfig, model: TileModel) -> float | None:
    if not isinstance(noise.read, PolynomialReadNoise):
        return None
    t = np.geomspace(noise.read.t_min_second, noise.read.t_max_second, 201)
    largest = max(float(g.max()) for g in model.conductances.arrays().values())
    return law_fit_error(noise.read, np.linspace(0.0, largest, 11), t)


def noise_lines(result: OutputNoise) -> list[str]:
    """The figures for a terminal."""
    tile, mac = result.tile, result.mac_std_coulomb
    n_vec, n_col = result.mean_coulomb.shape
    lines = [f"{tile.name}: noise of {n_vec} vectors x {n_col} columns, root mean square"]
    parts = [("reads of one chip", result.reads), ("chips and reads", result.chips)]
    for name, part in [*parts, *([("reads in ngspice", result.spice)] if result.spice is not None else [])]:
        percent = f", {100 * part.sigma_coulomb / mac:.3g} % of the ideal MAC's deviation" if mac > 0 else ""
        lines.append(f"  {name:18s} sigma {part.sigma_coulomb:.4g} C{percent}")
        if part.closed_form is not None and part.closed_form.any():
            ratio, error = part.ratio()
            lines.append(f"  {'':18s} drawn / closed form (variance): {ratio:.4f} +- {error:.4f}")
    if result.fit_error is not None:
        lines.append(f"  the process has the published sigma(G, t) within {100 * result.fit_error:.2g} %")
    if result.extrapolated:
        lines.append("  extrapolated: some pulses are shorter or longer than the read noise was measured for")
    assumed = sorted(key for key, item in tile.sources.items() if key.startswith("noise.") and item.kind == "assumed")
    if assumed:
        lines.append(f"  assumed values: {', '.join(assumed)}")
    return lines


def save_noise(result: OutputNoise, path: str | Path) -> None:
    """Write an .npz: means and variances by vector and column, and where they came from (`provenance`, JSON)."""
    arrays: dict[str, Any] = {
        "mean_coulomb": result.mean_coulomb,
        "read_variance_drawn": result.reads.drawn,
        "chip_variance_drawn": result.chips.drawn,
        "provenance": np.array(json.dumps({**result.provenance, "extrapolated": result.extrapolated}, sort_keys=True)),
    }
    if result.spice is not None:
        arrays["spice_variance_drawn"] = result.spice.drawn
    for name, part in (("read_variance", result.reads), ("chip_variance", result.chips)):
        if part.closed_form is not None:
            arrays[name] = part.closed_form
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)

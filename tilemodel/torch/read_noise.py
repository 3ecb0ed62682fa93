"""Read noise of layers on tiles, drawn by outputs, anew in every pass.

The law is that of `tilemodel.noise` (docs/pcm_noise.md). Lines' deviations are normal, with the covariance between the
passes of one vector that their cells' noise gives them: passes follow each other within nanoseconds, and slow noise
is in all of them. They are no function of weights or inputs to a gradient. Derivation: docs/torch.md.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tilemodel.config.errors import InputError
from tilemodel.config.passes import tile_passes
from tilemodel.noise.read_noise import tile_process
from tilemodel.noise.timing import ReadWindows
from tilemodel.torch.geometry import Geometry
from tilemodel.torch.noise import noise_law
from tilemodel.torch.quantization import TorchPass

__all__ = ["ReadNoise", "cell_terms", "drawn"]

FloatArray = NDArray[np.float64]

# By how much the terms' sum may miss a variance, of it
_CLOSE = 1e-3
# What rounding leaves of a variance that earlier passes explain, of it
_ROUNDING = 1e-5


class ReadNoise(nn.Module):
    """The law of a layer's passes: covariances of a cell's charges as few products of its ticks and its conductance.

    As few as come within 1e-3 of every variance (5e-4 of sigma). Raises `InputError` for tiles without read noise and
    those whose rows resist.
    """

    by_g: Tensor
    """Polynomials of G [siemens] over the largest, [n_term, 3]; times (g_max_siemens * t_lsb_second * volt)^2."""

    def __init__(self, geometry: Geometry, like: Tensor) -> None:
        super().__init__()
        if geometry.rows_resist:
            raise InputError(
                f"tile {geometry.tile.name}: tilemodel.torch draws no read noise where rows resist, as columns share "
                "it; set r_row_ohm and r_driver_ohm to 0 or use tilemodel.noise"
            )
        tables = _tables(geometry)
        by_ticks, by_g = _terms(np.concatenate([table.reshape(3, -1) for table in tables.values()], axis=1))
        self.register_buffer("by_g", torch.from_numpy(by_g).to(like), persistent=False)
        self._width: dict[tuple[int, int], int] = {}
        start = 0
        for (p, q), table in tables.items():
            stop = start + table[0].size
            part = torch.from_numpy(by_ticks[:, start:stop].copy()).to(like)
            self.register_buffer(f"by_ticks_{p}_{q}", part, persistent=False)
            self._width[p, q], start = table.shape[-1], stop

    def deviations(self, terms: Tensor, passes: list[TorchPass], generator: torch.Generator) -> list[Tensor]:
        """Deviations of the levels in each of the `passes`, [K, n_vec, L], drawn; `terms` are those of `cell_terms`."""
        n_tick = [each.area.detach().abs().nan_to_num().to(torch.int32).transpose(0, 1) for each in passes]
        return drawn(lambda p, q: self._covariance(p, q, n_tick, terms), len(passes), generator)

    def tables(self) -> dict[tuple[int, int, int], Tensor]:
        """Covariances of a cell's means in passes p <= q, by term: [n_term, n] by (p, q, stride).

        Those of pulses of n_p and n_q ticks lie at stride * n_p + n_q. Times the cell's `cell_terms`.
        """
        found = {}
        for (p, q), width in self._width.items():
            table: Tensor = self.get_buffer(f"by_ticks_{p}_{q}")
            entry = torch.arange(table.shape[1], device=table.device)
            product = entry**2 if p == q else entry.div(width, rounding_mode="floor") * (entry % width)
            found[p, q, 0 if p == q else width] = table / product.clamp(min=1)
        return found

    def _covariance(self, p: int, q: int, n_tick: list[Tensor], terms: Tensor) -> Tensor | None:
        """Between passes p <= q, [K, n_vec, L]; None where there is none."""
        if (p, q) not in self._width:
            return None
        index = n_tick[p] if p == q else n_tick[p] * self._width[p, q] + n_tick[q]
        flat, used = index.reshape(-1), index.shape[-1]
        total = terms.new_zeros(())
        for by_ticks, term in zip(self.get_buffer(f"by_ticks_{p}_{q}"), terms[:, :, :used], strict=True):
            total = torch.baddbmm(total, by_ticks.index_select(0, flat).view(index.shape), term)
        return total


def cell_terms(by_g: Tensor, cells: Tensor, g_max_siemens: float, square_volt2: list[float], share: Tensor) -> Tensor:
    """What cells [n_rail, K, n_row, L] add to their lines' covariances by term, [n_term, K, n_row, L].

    `by_g` is that of `ReadNoise`, `square_volt2` of each rail's swing, `share` [K, n_row, L] what the square of a
    node's current counts for.
    """
    first, second = torch.zeros_like(share), torch.zeros_like(share)
    for g, square in zip(cells, square_volt2, strict=True):
        first.add_(g, alpha=square)
        second.addcmul_(g, g, value=square)
    terms = torch.empty(len(by_g), *share.shape, dtype=share.dtype, device=share.device)
    for term, (constant, slope, curve) in zip(terms, by_g.tolist(), strict=True):
        torch.mul(second, curve / g_max_siemens**2, out=term)
        term.add_(first, alpha=slope / g_max_siemens).add_(constant * sum(square_volt2)).mul_(share)
    return terms


def drawn(covariance: Callable[[int, int], Tensor | None], n_pass: int, generator: torch.Generator) -> list[Tensor]:
    """Deviations of each pass from their covariances between passes p <= q, tensors of one shape; None for 0."""
    roots: list[list[Tensor | None]] = []
    for q in range(n_pass):
        row: list[Tensor | None] = []
        for p in range(q + 1):
            row.append(_root(covariance(p, q), row, roots, p, q))
        roots.append(row)
    normal = [_normal(row[-1], generator) for row in roots]
    return [_combined(row, normal) for row in roots]


def _root(
    covariance: Tensor | None, row: list[Tensor | None], roots: list[list[Tensor | None]], p: int, q: int
) -> Tensor | None:
    """Element (q, p) of the lower triangular root of the passes' covariance; None for 0."""
    left, own = covariance, covariance
    for r in range(p):
        other = row[r] if p == q else roots[p][r]
        mine = row[r]
        if mine is not None and other is not None:
            left = -(mine * other) if left is None else left - mine * other
    if left is None:
        return None
    if p == q:
        assert own is not None
        if left is own:
            return left.clamp(min=0.0).sqrt_()
        return torch.where(left > _ROUNDING * own, left, 0.0).sqrt_()
    pivot = roots[p][p]
    assert pivot is not None
    return torch.where(pivot > 0, left / pivot, 0.0)


def _normal(like: Tensor | None, generator: torch.Generator) -> Tensor:
    assert like is not None
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def _combined(row: list[Tensor | None], normal: list[Tensor]) -> Tensor:
    """Sum of the roots of one pass times their deviates."""
    parts = [root * each for root, each in zip(row, normal, strict=False) if root is not None]
    return sum(parts[1:], parts[0])


def _tables(geometry: Geometry) -> dict[tuple[int, int], FloatArray]:
    """Covariances of a cell's charges in passes p <= q, per power of G: [3, n + 1] or [3, n + 1, n' + 1] by ticks.

    In units of (g_max_siemens * t_lsb_second * volt)^2, G over its largest. Passes of opposite sign share no row.
    """
    tile, noise = geometry.tile, noise_law(geometry)
    process = tile_process(noise)
    if process is None:
        raise InputError(f"tile {tile.name}: [noise] has neither read nor telegraph noise")
    drives = tile_passes(tile, np.zeros((1, tile.array.n_row), dtype=np.int64))
    windows = ReadWindows.of_passes(tile, noise, process, drives)
    g_max = tile.conductance.g_max_siemens
    relative = np.array([g_max**m for m in range(3)]) / g_max**2
    tables = {}
    for q, later in enumerate(drives):
        for p, earlier in enumerate(drives[: q + 1]):
            if earlier.factor * later.factor < 0:
                continue
            area_p, area_q = np.arange(earlier.n_tick_max + 1), np.arange(later.n_tick_max + 1)
            if p != q:
                area_p = area_p[:, np.newaxis]
            ticks_p, ticks_q = (
                np.where(area > 0, drive.n_tick_max, 0) if drive.amplitude_coded else area
                for area, drive in ((area_p, earlier), (area_q, later))
            )
            covariance = windows.covariance(p, ticks_p, q, ticks_q) * (area_p * area_q)
            tables[p, q] = covariance * relative.reshape(3, *[1] * (covariance.ndim - 1))
    return tables


def _terms(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`table` [3, n] as a product by_g.T @ by_ticks, by singular values of its columns, each of length 1."""
    length = np.linalg.norm(table, axis=0)
    unit = np.divide(table, length, out=np.zeros_like(table), where=length > 0)
    by_g, singular, by_ticks = np.linalg.svd(unit, full_matrices=False)
    at_g = np.linspace(0.0, 1.0, 9)[:, np.newaxis] ** np.arange(3)
    exact = at_g @ table
    for rank in range(1, 4):
        found = by_g[:, :rank] * singular[:rank], by_ticks[:rank] * length
        if rank == 3 or np.all(np.abs(at_g @ found[0] @ found[1] - exact) <= _CLOSE * exact):
            break
    return found[1], found[0].T.copy()

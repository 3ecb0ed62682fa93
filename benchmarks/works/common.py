"""What the works share: tiles and operands, competitors, and a `Result` of each timing."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import peer
from benchmarks.timing import Result, Seconds
from tilemodel import Conductances, TileConfig, conductances_from_weights, load_tile
from tilemodel.config.operands import random_weights

__all__ = [
    "EXAMPLES",
    "MATMUL",
    "Quick",
    "enlist",
    "error_percent",
    "missing",
    "products",
    "programmed",
    "result",
    "results",
    "sized",
]

EXAMPLES = Path(__file__).parents[2] / "examples"
Quick = bool
MATMUL = "numpy matmul"


def sized(example: str, n_row: int, n_col: int | None = None) -> TileConfig:
    tile = load_tile(EXAMPLES / example)
    array = tile.array.model_copy(update={"n_row": n_row, "n_col": n_row if n_col is None else n_col})
    # wires of the longest bit lines need longer to settle than the example's window is
    tail = tile.read_out.model_copy(update={"t_tail_second": max(tile.read_out.t_tail_second, 1e-7)})
    return tile.model_copy(update={"array": array, "read_out": tail})


def programmed(tile: TileConfig) -> tuple[Conductances, np.random.Generator]:
    rng = np.random.default_rng(0)
    return conductances_from_weights(tile, random_weights(tile, rng)), rng


def products(
    tile: TileConfig, ticks: np.ndarray, dtype: type[np.floating], n_line: int | None = None
) -> dict[str, Callable[[], object]]:
    """Bare matrix products of the tile's size, in numpy and, where it is installed, in torch."""
    matrix = np.random.default_rng(2).normal(size=(tile.array.n_row, n_line or tile.array.n_col))
    calls: dict[str, Callable[[], object]] = {}
    for name in ("numpy_matmul", "torch_matmul"):
        module = peer(name)
        if module.available() is None:
            product = module.matmul(matrix, np.dtype(dtype).name)
            operand = product.operand(ticks.astype(np.float64))
            calls[module.NAME] = lambda p=product, x=operand: p.multiply(x)
    return calls


def enlist(
    calls: dict[str, Callable[[], Any]],
    notes: dict[str, str],
    name: str,
    module: str,
    work: str,
    operand: np.ndarray,
    *tile: Any,
    **settings: Any,
) -> None:
    """Add a competitor, or say in `notes` why it is missing."""
    reason = peer(module).available()
    if reason is None:
        try:
            run = getattr(peer(module), work)(*tile, **settings)
        except ValueError as error:
            reason = str(error)
        else:
            calls[name] = lambda: run(operand)
            return
    notes[name] = reason


def error_percent(found: np.ndarray, exact: np.ndarray, full_scale: float) -> float:
    return float(100 * np.abs(found - exact).max() / full_scale)


def results(
    work: str,
    tile: TileConfig | str,
    batch: int,
    dtype: type[np.floating],
    times: Mapping[str, Seconds],
    errors: Mapping[str, float],
    notes: Mapping[str, str] | None = None,
) -> Iterator[Result]:
    """One a competitor, with ratios to numpy's product where it ran; then those that are missing."""
    base = times[MATMUL].median if MATMUL in times else None
    for name, seconds in times.items():
        yield result(work, tile, batch, dtype, name, seconds, base, errors.get(name), (notes or {}).get(name, ""))
    for name, reason in (notes or {}).items():
        if name not in times:
            yield missing(work, tile, name, reason)


def result(
    work: str,
    tile: TileConfig | str,
    batch: int,
    dtype: type[np.floating],
    competitor: str,
    seconds: Seconds,
    base: float | None,
    error: float | None,
    note: str = "",
) -> Result:
    return Result(
        work=work,
        size=_size(tile),
        batch=batch,
        dtype=np.dtype(dtype).name,
        competitor=competitor,
        median_second=seconds.median,
        min_second=seconds.minimum,
        max_second=seconds.maximum,
        n_run=seconds.n_run,
        ratio=None if base is None else seconds.median / base,
        error_percent_fs=error,
        note=note,
    )


def missing(work: str, tile: TileConfig | str, competitor: str, reason: str) -> Result:
    return Result(
        work=work,
        size=_size(tile),
        batch=0,
        dtype="",
        competitor=competitor,
        median_second=None,
        min_second=None,
        max_second=None,
        n_run=0,
        ratio=None,
        error_percent_fs=None,
        note=f"did not run: {reason}",
    )


def _size(tile: TileConfig | str) -> str:
    return tile if isinstance(tile, str) else f"{tile.array.n_row} x {tile.array.n_col}"

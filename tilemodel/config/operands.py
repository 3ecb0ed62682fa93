"""Weights to conductances and inputs to PWM ticks: what a tile multiplies, checked once for every engine.

Shapes: weights, `g_plus`, `g_minus` [n_row, n_col]; inputs and ticks [n_vec, n_row].
A tile's bit lines ("lines") are numbered left to right: one a column where G+ and G- share a bit line, else two
(G+ on the even line, G- on the odd one).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tilemodel.config.arrays import load_arrays
from tilemodel.config.cell import RailQuadCell
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig

__all__ = [
    "Conductances",
    "check_conductances",
    "check_ticks",
    "combine_lines",
    "conductances_from_weights",
    "load_conductances",
    "load_ticks",
    "random_ticks",
    "random_weights",
    "ticks_from_inputs",
    "ticks_sha256",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Number = TypeVar("Number", np.float64, np.int64)
Result = TypeVar("Result")

_G_LARGEST, _G_SMALLEST = 1.0, 1e-15
_CONDUCTANCE_NAMES = ("g_plus", "g_minus", "g_minor_plus", "g_minor_minus")


@dataclass(frozen=True, kw_only=True)
class Conductances:
    """G+ and G- of a tile [siemens], each [n_row, n_col], finite and not negative.

    A 4-PCM cell has a second, less significant pair: `g_minor_plus` and `g_minor_minus`, else None.
    """

    g_plus: FloatArray
    g_minus: FloatArray
    g_minor_plus: FloatArray | None = None
    g_minor_minus: FloatArray | None = None

    def __post_init__(self) -> None:
        for name, values in self.arrays().items():
            object.__setattr__(self, name, _numeric(values, name).astype(np.float64))
        shapes = {name: values.shape for name, values in self.arrays().items()}
        if len(set(shapes.values())) != 1 or self.g_plus.ndim != 2:
            raise InputError(f"{' and '.join(shapes)} must all be [n_row, n_col]; got {list(shapes.values())}")
        if len(shapes) == 3:
            raise InputError("a second pair needs both g_minor_plus and g_minor_minus")
        for name, values in self.arrays().items():
            _refuse_where(~np.isfinite(values), name, values, "is not finite")
            _refuse_where(values < 0, name, values, "is negative; a conductance is >= 0 siemens")
            _refuse_where(values > _G_LARGEST, name, values, "is above 1 siemens; give conductances in siemens")
            tiny = (values > 0) & (values < _G_SMALLEST)
            _refuse_where(tiny, name, values, "is too small for any circuit; give 0 for an empty cell")

    def arrays(self) -> dict[str, FloatArray]:
        """The arrays that are there, by name."""
        pairs = {name: getattr(self, name) for name in _CONDUCTANCE_NAMES}
        return {name: values for name, values in pairs.items() if values is not None}

    def sha256(self) -> str:
        """Hash of all arrays [hexadecimal]."""
        digest = hashlib.sha256(repr(self.g_plus.shape).encode())
        for values in self.arrays().values():
            digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        return digest.hexdigest()


def conductances_from_weights(tile: TileConfig, weights: ArrayLike) -> Conductances:
    """Map weights in [-1, 1] to conductances: |w| on the cell of its sign, the other at `g_min_siemens`.

    Both pairs of a 4-PCM cell take the same. Raises `InputError` for another shape than [n_row, n_col], NaN or
    values outside [-1, 1].
    """
    w = _numeric(weights, "weights").astype(np.float64)
    _check_shape(w, (tile.array.n_row, tile.array.n_col), "weights", "[n_row, n_col]")
    _refuse_where(~np.isfinite(w), "weights", w, "is not finite")
    _refuse_where(np.abs(w) > 1, "weights", w, "lies outside [-1, 1]; scale the matrix first")
    g_min, g_max = tile.conductance.g_min_siemens, tile.conductance.g_max_siemens
    plus, minus = g_min + (g_max - g_min) * np.maximum(w, 0.0), g_min + (g_max - g_min) * np.maximum(-w, 0.0)
    if isinstance(tile.cell, RailQuadCell):
        return Conductances(g_plus=plus, g_minus=minus, g_minor_plus=plus, g_minor_minus=minus)
    return Conductances(g_plus=plus, g_minus=minus)


def ticks_from_inputs(tile: TileConfig, inputs: ArrayLike) -> IntArray:
    """Inputs as PWM ticks, int64 [n_vec, n_row].

    An integer array holds ticks; a floating-point one holds values in [-1, 1], rounded to the nearest tick.
    One vector [n_row] is taken as a batch of one. Raises `InputError` for anything else, and for a
    negative input to a tile whose drive is unsigned.
    """
    x = np.atleast_2d(_numeric(inputs, "inputs"))
    _check_shape(x, (x.shape[0], tile.array.n_row), "inputs", "[n_vec, n_row]")
    if np.issubdtype(x.dtype, np.floating):
        _refuse_where(~np.isfinite(x), "inputs", x, "is not finite")
        _refuse_where(
            np.abs(x) > 1, "inputs", x, "lies outside [-1, 1]; give ticks as an integer array, or scale the inputs"
        )
        x = np.rint(x * tile.drive.n_tick_max).astype(np.int64)
    check_ticks(tile, x)
    return x.astype(np.int64)


def check_ticks(tile: TileConfig, ticks: NDArray[Any]) -> None:
    """Raise `InputError` unless `ticks` [n_vec, n_row] are integers that `tile` can apply, at least one vector."""
    if ticks.dtype.kind not in "iu":
        raise InputError(f"ticks: expected integers, got {ticks.dtype}; `ticks_from_inputs` rounds floats in [-1, 1]")
    _check_shape(ticks, (len(ticks) if ticks.ndim else 1, tile.array.n_row), "ticks", "[n_vec, n_row]")
    if len(ticks) == 0:
        raise InputError("inputs: the batch is empty; give at least one vector")
    n_max, unsigned = tile.drive.n_tick_max, tile.drive.sign == "unsigned"
    if ticks.max() <= n_max and ticks.min() >= (0 if unsigned else -n_max):
        return
    outside = (ticks > n_max) | (ticks < -n_max)
    _refuse_where(outside, "inputs", ticks, f"exceeds the {n_max} ticks of drive.input_bits = {tile.drive.input_bits}")
    _refuse_where(ticks < 0, "inputs", ticks, "is negative; drive.sign = 'unsigned' takes none ('two_phase' does)")


def check_conductances(tile: TileConfig, conductances: Conductances) -> None:
    """Raise `InputError` unless `conductances` have the size and the pairs of `tile`'s cells."""
    expected = (tile.array.n_row, tile.array.n_col)
    _check_shape(conductances.g_plus, expected, "conductances", "[n_row, n_col]")
    four = conductances.g_minor_plus is not None
    if four != isinstance(tile.cell, RailQuadCell):
        raise InputError(
            f"conductances: a {tile.cell.kind} cell has {'one pair' if four else 'two pairs'} of memory elements, "
            f"got {'two pairs' if four else 'one'}; g_minor_plus and g_minor_minus belong to rail_quad cells"
        )


def ticks_sha256(ticks: IntArray) -> str:
    """Hash of a batch [n_vec, n_row] [hexadecimal]."""
    digest = hashlib.sha256(repr(ticks.shape).encode())
    digest.update(np.ascontiguousarray(ticks, dtype="<i8").tobytes())
    return digest.hexdigest()


def random_weights(tile: TileConfig, rng: np.random.Generator) -> FloatArray:
    """Weights [n_row, n_col] as networks have them: normal with sigma 1/3, clipped at +-1."""
    return np.clip(rng.normal(0.0, 1 / 3, (tile.array.n_row, tile.array.n_col)), -1.0, 1.0)


def random_ticks(tile: TileConfig, rng: np.random.Generator, n_vec: int) -> IntArray:
    """Ticks [n_vec, n_row], uniform over all that the tile accepts."""
    n_max = tile.drive.n_tick_max
    low = 0 if tile.drive.sign == "unsigned" else -n_max
    return rng.integers(low, n_max, (n_vec, tile.array.n_row), endpoint=True)


def load_conductances(tile: TileConfig, path: str | Path) -> Conductances:
    """Read weights (.npy, or `weights` in an .npz) or `g_plus` and `g_minus` (.npz) for `tile`."""
    arrays = load_arrays(Path(path))
    if "g_plus" in arrays or "g_minus" in arrays:
        missing = {"g_plus", "g_minus"} - set(arrays)
        if missing:
            raise InputError(f"{path}: holds conductances but no {missing.pop()}; an npz needs g_plus and g_minus")
        return _with_path(path, lambda: _sized_conductances(tile, arrays))
    weights = _only_array(arrays, "weights", path)
    return _with_path(path, lambda: conductances_from_weights(tile, weights))


def load_ticks(tile: TileConfig, path: str | Path) -> IntArray:
    """Read inputs (.npy, or `inputs` in an .npz) for `tile`: ticks as integers, or floats in [-1, 1]."""
    inputs = _only_array(load_arrays(Path(path)), "inputs", path)
    return _with_path(path, lambda: ticks_from_inputs(tile, inputs))


def combine_lines(tile: TileConfig, per_line: NDArray[Number]) -> NDArray[Number]:
    """What the tile outputs by column, from what its bit lines carry: [..., n_line] -> [..., n_col]."""
    if tile.lines_per_column == 2:
        difference: NDArray[Number] = np.subtract(per_line[..., 0::2], per_line[..., 1::2])
        return difference
    return per_line


def _numeric(values: ArrayLike, name: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name}: expected real numbers, got dtype {array.dtype}")
    return array


def _sized_conductances(tile: TileConfig, arrays: dict[str, NDArray[Any]]) -> Conductances:
    conductances = Conductances(**{name: arrays[name] for name in _CONDUCTANCE_NAMES if name in arrays})
    check_conductances(tile, conductances)
    return conductances


def _check_shape(array: NDArray[Any], expected: tuple[int, ...], name: str, axes: str) -> None:
    if array.shape != expected:
        swapped = "; rows and columns look swapped" if array.shape == expected[::-1] else ""
        raise InputError(f"{name}: expected {axes} = {list(expected)}, got {list(array.shape)}{swapped}")


def _refuse_where(bad: NDArray[np.bool_], name: str, values: NDArray[Any], what: str) -> None:
    if bad.any():
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"{name}{list(index)} = {values[index]} {what} ({int(bad.sum())} such)")


def _with_path(path: str | Path, build: Callable[[], Result]) -> Result:
    try:
        return build()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _only_array(arrays: dict[str, NDArray[Any]], name: str, path: str | Path) -> NDArray[Any]:
    if name in arrays:
        return arrays[name]
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    raise InputError(f"{path}: holds {sorted(arrays)}; expected an array named {name!r}")

"""The user's own data: charges or codes of a tile, from a chip or another simulator, with what was applied to it."""

import csv
import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.adc import CcoAdc, LinearAdc
from tilemodel.config.arrays import load_arrays
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.load import read_limited
from tilemodel.config.operands import (
    Conductances,
    check_conductances,
    conductances_from_weights,
    load_conductances,
    load_ticks,
    ticks_from_inputs,
)
from tilemodel.config.tile import TileConfig

__all__ = ["QUANTITIES", "MeasuredData", "Quantity", "read_measured"]

FloatArray = NDArray[np.float64]
Quantity = Literal["charge_line_coulomb", "charge_coulomb", "code_line", "code"]

QUANTITIES: tuple[Quantity, ...] = ("charge_line_coulomb", "charge_coulomb", "code_line", "code")
"""What data may hold, the most telling first."""
_MAX_CSV_BYTES = 200_000_000


@dataclass(frozen=True, kw_only=True)
class MeasuredData:
    """Outputs of one tile and its operands. NaN: that output was not measured."""

    name: str
    quantity: Quantity
    values: FloatArray
    """[n_vec, n_line] of bit lines, else [n_vec, n_col]."""
    conductances: Conductances
    ticks: NDArray[np.int64]
    """[n_vec, n_row]"""

    @property
    def unit(self) -> Literal["coulomb", "LSB"]:
        """Of the values."""
        return "LSB" if self.quantity in ("code_line", "code") else "coulomb"

    @property
    def of_lines(self) -> bool:
        """Whether the values are those of bit lines, not of columns."""
        return self.quantity in ("charge_line_coulomb", "code_line")

    def sha256(self) -> str:
        """Hash of quantity and values [hexadecimal]; the operands have hashes of their own."""
        digest = hashlib.sha256(f"{self.quantity} {self.values.shape}".encode())
        digest.update(np.ascontiguousarray(self.values, dtype="<f8").tobytes())
        return digest.hexdigest()


def read_measured(
    tile: TileConfig,
    path: str | Path,
    *,
    weights: str | Path | None = None,
    inputs: str | Path | None = None,
    quantity: Quantity | None = None,
) -> MeasuredData:
    """Read an .npz (an array named as one of `QUANTITIES`; `tilemodel spice` writes such) or a .csv.

    The CSV has a line an output: `vector`, `column` (or `line`), and `charge_coulomb` or `code`. Operands come from
    the files `weights` and `inputs` (as in `tilemodel mvm`), or from an npz's own `weights` (or `g_plus`, `g_minus`)
    and `inputs`. `quantity`: which to take where there are several (default: the first of `QUANTITIES`).
    Raises `InputError` naming what is missing or does not fit `tile`.
    """
    path = Path(path)
    arrays = load_arrays(path) if path.suffix != ".csv" else {}
    conductances = load_conductances(tile, weights) if weights else _own_conductances(tile, arrays, path)
    ticks = load_ticks(tile, inputs) if inputs else _own_ticks(tile, arrays, path)
    if path.suffix == ".csv":
        arrays = _read_csv(tile, path, len(ticks))
    found = [name for name in QUANTITIES if name in arrays]
    if not found or (quantity is not None and quantity not in found):
        raise InputError(f"{path}: holds {sorted(arrays)}; expected {quantity or ' or '.join(QUANTITIES)}")
    chosen = quantity or found[0]
    data = MeasuredData(
        name=path.name,
        quantity=chosen,
        values=np.asarray(arrays[chosen], dtype=np.float64),
        conductances=conductances,
        ticks=ticks,
    )
    check_measured(tile, data, str(path))
    return data


def check_measured(tile: TileConfig, data: MeasuredData, where: str) -> None:
    """Raise `InputError` unless `data` fit `tile` and their quantity can be predicted."""
    width = line_count(tile) if data.of_lines else tile.array.n_col
    expected = (len(data.ticks), width)
    if data.values.shape != expected:
        axes = "[n_vec, n_line]" if data.of_lines else "[n_vec, n_col]"
        raise InputError(f"{where}: {data.quantity}: expected {axes} = {list(expected)}, got {list(data.values.shape)}")
    if np.isinf(data.values).any():
        raise InputError(f"{where}: {data.quantity} holds infinite values; give nan where nothing was measured")
    if not np.isfinite(data.values).any():
        raise InputError(f"{where}: {data.quantity} holds no measured value")
    if data.unit == "LSB" and not isinstance(tile.adc, LinearAdc | CcoAdc):
        raise InputError(
            f"{where}: codes are fitted through converters of kind linear and cco, not {tile.adc.kind}; give charges"
        )


def _own_conductances(tile: TileConfig, arrays: dict[str, NDArray[Any]], path: Path) -> Conductances:
    pairs = {name: arrays[name] for name in ("g_plus", "g_minus", "g_minor_plus", "g_minor_minus") if name in arrays}
    if {"g_plus", "g_minus"} <= set(pairs):
        conductances = Conductances(**pairs)
        check_conductances(tile, conductances)
        return conductances
    if "weights" in arrays:
        return conductances_from_weights(tile, arrays["weights"])
    raise InputError(f"{path}: no conductances; add weights or g_plus and g_minus to the npz, or give --weights")


def _own_ticks(tile: TileConfig, arrays: dict[str, NDArray[Any]], path: Path) -> NDArray[np.int64]:
    for name in ("inputs", "ticks"):
        if name in arrays:
            return ticks_from_inputs(tile, arrays[name])
    raise InputError(f"{path}: no inputs; add an array inputs to the npz, or give --inputs")


def _read_csv(tile: TileConfig, path: Path, n_vec: int) -> dict[str, FloatArray]:
    """The outputs of a CSV, each where its line says, NaN elsewhere."""
    try:
        text = read_limited(path, _MAX_CSV_BYTES, "measured outputs (CSV)").decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text))
        names = rows.fieldnames or []
        quantity = next((name for name in ("charge_coulomb", "code") if name in names), None)
        place = next((name for name in ("line", "column") if name in names), None)
        if quantity is None or place is None or "vector" not in names:
            raise InputError(
                f"{path}: expected columns vector, column (or line), and charge_coulomb or code; "
                f"got {', '.join(names) or 'none'}"
            )
        width = line_count(tile) if place == "line" else tile.array.n_col
        values = np.full((n_vec, width), np.nan)
        for row in rows:
            where = f"{path} line {rows.line_num}"
            index = _index(row["vector"], n_vec, "vector", where), _index(row[place], width, place, where)
            if not math.isnan(values[index]):
                raise InputError(f"{where}: vector {index[0]}, {place} {index[1]} was given before")
            values[index] = _number(row[quantity], quantity, where)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file of plain text: {error}") from None
    of_line = {"charge_coulomb": "charge_line_coulomb", "code": "code_line"}
    return {of_line[quantity] if place == "line" else quantity: values}


def _index(text: str | None, end: int, name: str, where: str) -> int:
    if text is None or not text.strip().isdecimal() or len(text) > 9 or int(text) >= end:
        raise InputError(f"{where}: {name}: expected a whole number from 0 to {end - 1}, got {text!r}")
    return int(text)


def _number(text: str | None, name: str, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {name}: expected a number, got {text!r}; leave out what was not measured")
    return value

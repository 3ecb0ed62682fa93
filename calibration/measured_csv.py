"""Measured data as CSV: a line an output, or a line a sample of a waveform."""

import csv
import io
import math
from array import array
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.waveforms import WindowCharges, charge_in_window, waveform_passes
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
from tilemodel.config.load import read_limited
from tilemodel.config.tile import TileConfig

__all__ = ["read_csv"]

FloatArray = NDArray[np.float64]

_MAX_CSV_BYTES = 200_000_000
_SAMPLE = ("time_second", "current_ampere")


def read_csv(tile: TileConfig, path: Path, ticks: NDArray[np.int64]) -> dict[str, FloatArray] | WindowCharges:
    """The outputs of a CSV by their quantity, each where its line says, NaN elsewhere; or charges of its waveforms."""
    try:
        text = read_limited(path, _MAX_CSV_BYTES, "measured outputs (CSV)").decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text))
        if set(_SAMPLE) <= set(rows.fieldnames or []):
            return _waveforms(tile, path, rows, ticks)
        return _outputs(tile, path, rows, len(ticks))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file of plain text: {error}") from None


def _outputs(tile: TileConfig, path: Path, rows: "csv.DictReader[str]", n_vec: int) -> dict[str, FloatArray]:
    names = rows.fieldnames or []
    quantity = next((name for name in ("charge_coulomb", "code") if name in names), None)
    place = next((name for name in ("line", "column") if name in names), None)
    if quantity is None or place is None or "vector" not in names:
        raise InputError(
            f"{path}: expected columns vector, column (or line), and charge_coulomb or code; or vector, line, "
            f"time_second and current_ampere; got {', '.join(names) or 'none'}"
        )
    width = line_count(tile) if place == "line" else tile.array.n_col
    values = np.full((n_vec, width), np.nan)
    for row in rows:
        where = f"{path} line {rows.line_num}"
        index = _index(row["vector"], n_vec, "vector", where), _index(row[place], width, place, where)
        if not math.isnan(values[index]):
            raise InputError(f"{where}: vector {index[0]}, {place} {index[1]} was given before")
        values[index] = _number(row[quantity], quantity, where)
    of_line = {"charge_coulomb": "charge_line_coulomb", "code": "code_line"}
    return {of_line[quantity] if place == "line" else quantity: values}


def _waveforms(tile: TileConfig, path: Path, rows: "csv.DictReader[str]", ticks: NDArray[np.int64]) -> WindowCharges:
    """Each output has times of its own; with several passes it counts only if all of them were measured."""
    passes, n_line = waveform_passes(tile, ticks, str(path)), line_count(tile)
    needed = ["vector", "line", *(["pass"] if len(passes) > 1 else [])]
    names = rows.fieldnames or []
    if not set(needed) <= set(names):
        raise InputError(
            f"{path}: waveforms of this tile need columns {', '.join((*needed, *_SAMPLE))}; got {', '.join(names)}"
        )
    samples: dict[tuple[int, ...], array[float]] = {}
    ends = {"vector": len(ticks), "line": n_line, "pass": len(passes)}
    for row in rows:
        where = f"{path} line {rows.line_num}"
        place = tuple(_index(row[name], ends[name], name, where) for name in needed)
        samples.setdefault(place, array("d")).extend(_number(row[name], name, where) for name in _SAMPLE)
    charge, change = np.full((2, len(ticks), n_line, len(passes)), np.nan)
    for place, points in samples.items():
        where = f"{path}: {_words(needed, place)}"
        time, current = np.asarray(points).reshape(-1, 2).T
        index = (*place, 0)[:3]
        window = tile.t_window_second(passes[index[2]].n_tick_max)
        charge[index], change[index] = charge_in_window(time, current, window, where)
    factor = np.array([drive.factor for drive in passes], dtype=np.float64)
    error = float(np.nanmax(change @ np.abs(factor), initial=0.0))
    return WindowCharges(charge_line_coulomb=charge @ factor, error_coulomb=error)


def _words(names: Iterable[str], place: Iterable[int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(names, place, strict=True))


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

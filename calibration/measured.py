"""The user's own data: charges or codes of a tile, from a chip or another simulator, with what was applied to it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calibration.measured_csv import read_csv
from calibration.waveforms import WindowCharges, charges_of_waveforms
from tilemodel.config.adc import CcoAdc, LinearAdc
from tilemodel.config.arrays import load_arrays
from tilemodel.config.errors import InputError
from tilemodel.config.layout import line_count
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
    integration_error_coulomb: float | None = None
    """Of charges integrated from waveforms: the largest change of one if every second sample is left out."""

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

    The CSV has a line an output: `vector`, `column` (or `line`), and `charge_coulomb` or `code`. Waveforms
    (`time_second` and `current_ampere`, in a CSV a line a sample) become `charge_line_coulomb`. Operands come from
    the files `weights` and `inputs` (as in `tilemodel mvm`), or from an npz's own `weights` (or `g_plus`, `g_minus`)
    and `inputs`. `quantity`: which to take where there are several (default: the first of `QUANTITIES`).
    Raises `InputError` naming what is missing or does not fit `tile`.
    """
    path = Path(path)
    arrays = load_arrays(path) if path.suffix != ".csv" else {}
    conductances = load_conductances(tile, weights) if weights else _own_conductances(tile, arrays, path)
    ticks = load_ticks(tile, inputs) if inputs else _own_ticks(tile, arrays, path)
    outputs = read_csv(tile, path, ticks) if path.suffix == ".csv" else _own_outputs(tile, arrays, ticks, path)
    error = None
    if isinstance(outputs, WindowCharges):
        error = outputs.error_coulomb
        outputs = arrays | {"charge_line_coulomb": outputs.charge_line_coulomb}
    found = [name for name in QUANTITIES if name in outputs]
    if not found or (quantity is not None and quantity not in found):
        raise InputError(f"{path}: holds {sorted(outputs)}; expected {quantity or ' or '.join(QUANTITIES)}")
    chosen = quantity or found[0]
    data = MeasuredData(
        name=path.name,
        quantity=chosen,
        values=np.asarray(outputs[chosen], dtype=np.float64),
        conductances=conductances,
        ticks=ticks,
        integration_error_coulomb=error if chosen == "charge_line_coulomb" else None,
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


def _own_outputs(
    tile: TileConfig, arrays: dict[str, NDArray[Any]], ticks: NDArray[np.int64], path: Path
) -> dict[str, NDArray[Any]] | WindowCharges:
    """The npz's arrays, or charges of its waveforms."""
    if "current_ampere" not in arrays:
        return arrays
    if "charge_line_coulomb" in arrays:
        raise InputError(f"{path}: holds charge_line_coulomb and current_ampere; leave one of them out")
    if "time_second" not in arrays:
        raise InputError(f"{path}: current_ampere needs time_second [n_time] beside it")
    return charges_of_waveforms(tile, ticks, arrays["time_second"], arrays["current_ampere"], str(path))


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

"""Measured noise as CSV: traces of a conductance or current in time, or a table of sigma by conductance and duration.

Traces: a column `time_second` (uniform) and one column a trace whose name begins with `conductance_siemens` or
`current_ampere`. A sample is taken for the mean over its sampling interval, as an integrating read gives it.
Sigma table: columns `g_siemens`, `t_second`, `sigma_siemens`, and `n_sample` if it is known.
"""

import csv
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.config.load import read_limited

__all__ = ["NoiseTraces", "SigmaTable", "read_noise_csv"]

FloatArray = NDArray[np.float64]

_MAX_BYTES = 500_000_000
_MIN_SAMPLE = 64
# How far sampling intervals may differ, of their mean
_UNIFORM = 1e-3
_TABLE_COLUMNS = ("g_siemens", "t_second", "sigma_siemens")


@dataclass(frozen=True, kw_only=True)
class NoiseTraces:
    """Conductances of equally long traces, sampled at equal times."""

    step_second: float
    g_siemens: FloatArray
    """[n_trace, n_sample]"""
    name: str
    sha256: str

    @property
    def duration_second(self) -> float:
        """Length of a trace."""
        return float(self.step_second * self.g_siemens.shape[1])

    def part(self, traces: slice, samples: slice) -> "NoiseTraces":
        """Some of the traces, or a stretch of them."""
        return NoiseTraces(
            step_second=self.step_second, g_siemens=self.g_siemens[traces, samples], name=self.name, sha256=self.sha256
        )


@dataclass(frozen=True, kw_only=True)
class SigmaTable:
    """Standard deviations of reads of given duration at given conductances, all [n]."""

    g_siemens: FloatArray
    t_second: FloatArray
    sigma_siemens: FloatArray
    n_sample: FloatArray | None
    """Reads that each sigma was estimated from."""
    name: str
    sha256: str


def read_noise_csv(path: str | Path, *, v_read_volt: float | None = None) -> NoiseTraces | SigmaTable:
    """Read either kind of file; `v_read_volt` turns currents into conductances.

    Raises `InputError` naming line or column for anything that is not as this module's head says.
    """
    path = Path(path)
    data = read_limited(path, _MAX_BYTES, "a CSV file of noise traces or of sigma")
    names, values = _columns(path, data)
    sha256 = hashlib.sha256(data).hexdigest()
    if names[0] == "time_second":
        return _traces(path, names, values, v_read_volt, sha256)
    if set(_TABLE_COLUMNS) <= set(names):
        return _table(path, dict(zip(names, values.T, strict=True)), sha256)
    raise InputError(
        f"{path}: columns {names[:4]}; expected time_second and traces (conductance_siemens…, current_ampere…), or "
        f"{', '.join(_TABLE_COLUMNS)} (and n_sample)"
    )


def _columns(path: Path, data: bytes) -> tuple[list[str], FloatArray]:
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: no CSV text: {error}") from None
    rows = [row for row in rows if row]
    if len(rows) < 2:
        raise InputError(f"{path}: needs a line of column names and lines of numbers")
    names = [name.strip() for name in rows[0]]
    values = np.empty((len(rows) - 1, len(names)))
    for number, row in enumerate(rows[1:], start=2):
        try:
            numbers = [float(text) for text in row]
        except ValueError as error:
            raise InputError(f"{path}, line {number}: expected {len(names)} numbers ({error})") from None
        if len(numbers) != len(names):
            raise InputError(f"{path}, line {number}: expected {len(names)} numbers, got {len(numbers)}")
        values[number - 2] = numbers
    if not np.isfinite(values).all():
        line = int(np.argwhere(~np.isfinite(values))[0, 0]) + 2
        raise InputError(f"{path}, line {line}: holds a value that is not finite; leave such lines out")
    return names, values


def _traces(path: Path, names: list[str], values: FloatArray, v_read_volt: float | None, sha256: str) -> NoiseTraces:
    time = values[:, 0]
    if time.size < _MIN_SAMPLE:
        raise InputError(f"{path}: {time.size} samples a trace; a spectrum needs at least {_MIN_SAMPLE}")
    steps = np.diff(time)
    step = float(steps.mean())
    if step <= 0 or np.abs(steps - step).max() > _UNIFORM * step:
        line = int(np.argmax(np.abs(steps - step))) + 3
        raise InputError(f"{path}, line {line}: time_second is not uniform; resample the traces to equal intervals")
    traces = []
    for name, column in zip(names[1:], values[:, 1:].T, strict=True):
        if name.startswith("conductance_siemens"):
            traces.append(column)
        elif name.startswith("current_ampere"):
            if v_read_volt is None or v_read_volt == 0:
                raise InputError(f"{path}: column {name!r} is a current; give the read voltage (--v-read VOLT)")
            traces.append(column / v_read_volt)
        else:
            raise InputError(f"{path}: column {name!r}; expected conductance_siemens… or current_ampere…")
    g = np.array(traces)
    if not traces or (g.mean(axis=1) <= 0).any() or (g.std(axis=1) == 0).any():
        raise InputError(f"{path}: every trace needs a positive mean and samples that vary")
    return NoiseTraces(step_second=step, g_siemens=g, name=path.name, sha256=sha256)


def _table(path: Path, columns: dict[str, FloatArray], sha256: str) -> SigmaTable:
    for name in _TABLE_COLUMNS[1:]:
        if (columns[name] <= 0).any():
            raise InputError(f"{path}: {name} must be positive")
    if (columns["g_siemens"] < 0).any():
        raise InputError(f"{path}: g_siemens must not be negative")
    n_sample = columns.get("n_sample")
    if n_sample is not None and (n_sample < 2).any():
        raise InputError(f"{path}: n_sample must be at least 2")
    return SigmaTable(
        **{name: columns[name] for name in _TABLE_COLUMNS}, n_sample=n_sample, name=path.name, sha256=sha256
    )

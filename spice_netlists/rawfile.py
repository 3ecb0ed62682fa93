"""Raw files: read, refusing one that is truncated, empty or not finite (the header's parser is spicelib's); write."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from spicelib import RawRead

from spice_netlists.errors import SimulatorError

__all__ = ["raw_bytes", "read_raw"]

_HEADER_BYTES = 4_000_000
_DOUBLE_BYTES = 8


def read_raw(path: Path, names: Sequence[str]) -> NDArray[np.float64]:
    """The real vectors `names` of ngspice's binary raw file at `path`, [len(names), n_point].

    Raises `SimulatorError` where the file or a vector is missing, points are missing or not finite.
    """
    begin, n_point, n_variable = _layout(path)
    try:
        header = RawRead(str(path), dialect="ngspice", verbose=False)
        column = {name.lower(): k for k, name in enumerate(header.get_trace_names())}
        missing = [name for name in names if name not in column]
        if missing:
            raise SimulatorError(f"{path.name}: vector {missing[0]!r} is missing; the deck must save it")
        # the points as they lie in the file: spicelib would unpack them one by one
        points = np.fromfile(path, dtype="<f8", offset=begin).reshape(n_point, n_variable)
        vectors = np.ascontiguousarray(points[:, [column[name] for name in names]].T)
    except SimulatorError:
        raise
    except Exception as error:  # spicelib raises many kinds on a damaged file
        raise SimulatorError(f"{path.name}: not a sound raw file: {error}") from None
    if not np.isfinite(vectors).all():
        bad = names[int(np.argwhere(~np.isfinite(vectors))[0, 0])]
        raise SimulatorError(f"{path.name}: vector {bad!r} holds values that are not finite")
    return vectors


def raw_bytes(title: str, vectors: Mapping[str, NDArray[np.float64]]) -> bytes:
    """A binary raw file of a transient as ngspice writes it, but without a date; `vectors` by name, time first."""
    variables = "".join(f"\t{number}\t{name}\t{_kind(name)}\n" for number, name in enumerate(vectors))
    points = np.stack([*vectors.values()], axis=1)
    head = (
        f"Title: {title}\nPlotname: Transient Analysis\nFlags: real\n"
        f"No. Variables: {points.shape[1]}\nNo. Points: {points.shape[0]}\nVariables:\n{variables}Binary:\n"
    )
    return head.encode() + points.astype("<f8").tobytes()


def _kind(name: str) -> str:
    return "time" if name == "time" else "voltage" if name.startswith("v(") else "current"


def _layout(path: Path) -> tuple[int, int, int]:
    """Where the points begin, how many there are and of how many variables; the header says how many bytes follow."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise SimulatorError(f"ngspice left no result ({path.name}: {error.strerror})") from None
    start = head.find(b"Binary:\n")
    points = re.search(rb"No\. Points:\s*(\d{1,15})\b", head[:start])
    variables = re.search(rb"No\. Variables:\s*(\d{1,15})\b", head[:start])
    if start < 0 or not points or not variables:
        raise SimulatorError(f"{path.name}: not a binary raw file of ngspice")
    n_point, n_variable = int(points.group(1)), int(variables.group(1))
    if n_point == 0:
        raise SimulatorError(f"{path.name}: holds no points; the simulation failed at its start")
    expected = start + len(b"Binary:\n") + n_point * n_variable * _DOUBLE_BYTES
    if size != expected:
        raise SimulatorError(f"{path.name}: truncated: {size} bytes where its header announces {expected}; disk full?")
    return start + len(b"Binary:\n"), n_point, n_variable

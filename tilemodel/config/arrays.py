"""Read .npy and .npz files as if an enemy had written them: no pickles, no size believed before it is checked."""

import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError

__all__ = ["ARRAYS_MAX_BYTES", "load_arrays", "read_arrays"]

ARRAYS_MAX_BYTES = 2 * 1024**3
"""Largest size of all arrays of a file together, unpacked [byte]."""
_MAX_ARRAYS = 64
_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load_arrays(path: Path, max_bytes: int = ARRAYS_MAX_BYTES) -> dict[str, NDArray[Any]]:
    """Arrays of the .npy (under the name '') or .npz file at `path`.

    Raises `InputError` for a file that cannot be read, is damaged, holds pickles, or more than `max_bytes`.
    """
    if path.suffix not in (".npy", ".npz"):
        raise InputError(f"{path}: expected a .npy or .npz file (numpy.save, numpy.savez)")
    try:
        with path.open("rb") as file:
            return read_arrays(file, max_bytes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(f"{path}: cannot be read ({reason or error})") from None


def read_arrays(file: BinaryIO, max_bytes: int = ARRAYS_MAX_BYTES) -> dict[str, NDArray[Any]]:
    """As `load_arrays`, from an open file that can be rewound."""
    try:
        packed = file.read(2) == b"PK"
        size = file.seek(0, 2)
        file.seek(0)
        return _read_archive(file, max_bytes) if packed else {"": _read_array(file, size, max_bytes)}
    except InputError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        raise InputError(f"not a sound numpy file of plain numbers: {error}") from None


def _read_archive(file: BinaryIO, max_bytes: int) -> dict[str, NDArray[Any]]:
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > _MAX_ARRAYS:
            raise InputError(f"holds {len(members)} arrays; the limit is {_MAX_ARRAYS}")
        _check_size(sum(member.file_size for member in members), max_bytes)
        for member in members:
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise InputError(f"{member.filename!r} is packed in a way that numpy does not use")
            with archive.open(member) as stream:
                arrays[member.filename.removesuffix(".npy")] = _read_array(stream, member.file_size, max_bytes)
    return arrays


def _read_array(stream: Any, size: int, max_bytes: int) -> NDArray[Any]:
    """The array in `stream`, whose size [byte] must be what the array's header announces."""
    version = np.lib.format.read_magic(stream)
    if version not in _HEADER_READERS:
        raise InputError(f"not a sound numpy file of plain numbers: format version {version}")
    shape, column_major, dtype = _HEADER_READERS[version](stream)
    if dtype.hasobject or dtype.kind not in "biufU":
        raise InputError(f"not a sound numpy file of plain numbers: it holds {dtype} (pickled objects are refused)")
    announced = math.prod(shape) * dtype.itemsize
    _check_size(announced, max_bytes)
    if announced > size:
        raise InputError(f"not a sound numpy file of plain numbers: shape {shape} does not fit into its {size} bytes")
    data = stream.read(announced)
    if len(data) != announced or stream.read(1):
        raise InputError("not a sound numpy file of plain numbers: it is longer or shorter than its header says")
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F" if column_major else "C").copy()


def _check_size(n_byte: int, max_bytes: int) -> None:
    if n_byte > max_bytes:
        raise InputError(f"unpacks to {n_byte} bytes; the limit is {max_bytes}; split the batch or use a smaller tile")

"""Scores kept on disk, under what they follow from: an evaluation that was interrupted goes on."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tilemodel.config.errors import InputError
from tilemodel.config.files import atomic_file

__all__ = ["KeptScores", "digest"]

# Where a function that a module shows happens to lie in memory
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


class KeptScores:
    """A folder with a file a key; without a folder nothing is kept.

    A file is the sha256 of its numbers, a line's end, and the numbers (float64, little-endian).
    """

    def __init__(self, folder: str | Path | None) -> None:
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{self._folder}: cannot keep scores there: {error}; name another folder") from None

    def get(self, key: Mapping[str, Any]) -> NDArray[np.float64] | None:
        """The scores [n_example], or None where there are none, or a file that is damaged."""
        if self._folder is None:
            return None
        try:
            found, _, content = self._path(key).read_bytes().partition(b"\n")
        except OSError:
            return None
        if found != hashlib.sha256(content).hexdigest().encode():
            return None
        return np.frombuffer(content, dtype="<f8").astype(np.float64)

    def put(self, key: Mapping[str, Any], scores: NDArray[np.float64]) -> None:
        """Keep them."""
        if self._folder is not None:
            content = scores.astype("<f8").tobytes()
            with atomic_file(self._path(key)) as temporary:
                temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)

    def _path(self, key: Mapping[str, Any]) -> Path:
        assert self._folder is not None
        text = json.dumps(key, sort_keys=True)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.scores"


def digest(value: Any) -> str:
    """sha256 of a network's structure and numbers, or of tensors, arrays, numbers and texts.

    Sequences, mappings and dataclasses of them too. Raises `InputError` for anything else.
    """
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, nn.Module):
        _feed(found, _ADDRESS.sub("", repr(value)))
        _feed(found, {**dict(value.named_parameters()), **dict(value.named_buffers())})
    elif isinstance(value, Tensor | np.ndarray):
        array = value.detach().cpu().contiguous() if isinstance(value, Tensor) else np.ascontiguousarray(value)
        if isinstance(array, np.ndarray) and array.dtype.hasobject:
            raise _unknown("an array of objects")
        found.update(f"{array.dtype}{tuple(array.shape)};".encode())
        found.update(_bytes(array))
    elif isinstance(value, Mapping):
        found.update(f"mapping{len(value)};".encode())
        for name, item in value.items():
            _feed(found, str(name))
            _feed(found, item)
    elif isinstance(value, list | tuple):
        found.update(f"sequence{len(value)};".encode())
        for item in value:
            _feed(found, item)
    elif is_dataclass(value) and not isinstance(value, type):
        _feed(found, {field.name: getattr(value, field.name) for field in fields(value)})
    elif value is None or isinstance(value, bool | int | float | str | np.generic):
        found.update(f"{type(value).__name__}{value!r};".encode())
    else:
        raise _unknown(f"a {type(value).__name__}")


def _unknown(what: str) -> InputError:
    return InputError(
        f"a batch holds {what}, whose content cannot be told from another's; "
        "give tensors, arrays, numbers, texts, and sequences, mappings or dataclasses of them"
    )


def _bytes(array: Any) -> bytes:
    if isinstance(array, Tensor):
        array = array.reshape(-1).view(torch.uint8).numpy()
    content: bytes = array.tobytes()
    return content

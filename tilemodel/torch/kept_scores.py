"""Scores kept on disk, under what they follow from: an evaluation that was interrupted goes on."""

import hashlib
import json
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


class KeptScores:
    """A folder with a file a key; without a folder nothing is kept."""

    def __init__(self, folder: str | Path | None) -> None:
        self._folder = None if folder is None else Path(folder)
        if self._folder is not None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{self._folder}: cannot keep scores there: {error}; name another folder") from None

    def get(self, key: Mapping[str, Any]) -> NDArray[np.float64] | None:
        """The scores [n_example], or None where there are none, or none that can be read."""
        if self._folder is None:
            return None
        try:
            found = np.load(self._path(key), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return found if found.dtype == np.float64 and found.ndim == 1 else None

    def put(self, key: Mapping[str, Any], scores: NDArray[np.float64]) -> None:
        """Keep them."""
        if self._folder is not None:
            with atomic_file(self._path(key)) as temporary, temporary.open("wb") as file:
                np.save(file, scores)

    def _path(self, key: Mapping[str, Any]) -> Path:
        assert self._folder is not None
        text = json.dumps(key, sort_keys=True)
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npy"


def digest(value: Any) -> str:
    """sha256 of a network's state, or of tensors, arrays, numbers and texts in sequences, mappings and dataclasses."""
    found = hashlib.sha256()
    _feed(found, value)
    return found.hexdigest()


def _feed(found: Any, value: Any) -> None:
    if isinstance(value, nn.Module):
        found.update(repr(value).encode())
        _feed(found, value.state_dict())
    elif isinstance(value, Tensor | np.ndarray):
        array = value.detach().cpu().contiguous() if isinstance(value, Tensor) else np.ascontiguousarray(value)
        found.update(f"{array.dtype}{tuple(array.shape)}".encode())
        found.update(_bytes(array))
    elif isinstance(value, Mapping):
        found.update(f"mapping{len(value)}".encode())
        for name, item in value.items():
            found.update(str(name).encode())
            _feed(found, item)
    elif isinstance(value, list | tuple):
        found.update(f"sequence{len(value)}".encode())
        for item in value:
            _feed(found, item)
    elif is_dataclass(value) and not isinstance(value, type):
        _feed(found, {field.name: getattr(value, field.name) for field in fields(value)})
    elif value is None or isinstance(value, bool | int | float | str | np.generic):
        found.update(f"{type(value).__name__}{value!r}".encode())
    else:
        raise InputError(
            f"a batch holds a {type(value).__name__}, whose content cannot be told from another's; "
            "give tensors, arrays, numbers, texts, and sequences, mappings or dataclasses of them"
        )


def _bytes(array: Any) -> bytes:
    if isinstance(array, Tensor):
        array = array.view(torch.uint8) if array.dim() else array.reshape(1).view(torch.uint8)
        array = array.numpy()
    content: bytes = array.tobytes()
    return content

"""What an export is: files, what the target computes from them, and what it cannot represent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tilemodel.exports.probe import Errors, Probe

__all__ = ["Export", "Loss", "Upkeep"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Upkeep = Literal["ours", "maintained", "partial", "unmaintained"]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A quantity of the model that the target cannot represent."""

    quantity: str
    value: str
    """With its unit."""
    done: str
    """What was done with it."""
    errors: Errors | None
    """What its absence alone changes on the probe; None where the probe cannot show it, and `done` says why."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """One target's files and their error."""

    target: str
    target_version: str
    upkeep: Upkeep
    files: Mapping[str, str | bytes]
    """Contents by name, relative to the export's folder."""
    losses: tuple[Loss, ...]
    predict: Callable[[Probe], FloatArray]
    """Charges [coulomb], [n_vec, n_col], that the target computes for the probe, before its converter."""

"""`tilemodel compensate`: conductances that take IR drop back."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.arrays import load_arrays
from tilemodel.config.errors import InputError
from tilemodel.config.files import atomic_file, check_file_target
from tilemodel.config.load import load_tile
from tilemodel.config.operands import load_ticks

__all__ = ["compensate_tile"]


def compensate_tile(options: argparse.Namespace) -> int:
    """Compute the conductances, write them with what is left, print it."""
    from tilemodel.compact import load_model
    from tilemodel.compensation import compensate, operating_activity

    check_file_target(options.output)
    for name in ("tile", "weights", "inputs"):
        given = getattr(options, name)
        if given and Path(given).resolve() == Path(options.output).resolve():
            raise InputError(f"{options.output}: is also the input {name}; give another output")
    model = load_model(options.tile) if options.tile.endswith(".json") else None
    tile = load_tile(options.tile) if model is None else model.tile
    activity = None if options.inputs is None else operating_activity(tile, load_ticks(tile, options.inputs))
    result = compensate(
        _weights(Path(options.weights)),
        tile,
        parameters=None if model is None else model.parameters,
        scale=options.scale,
        sums="held" if options.hold_sums else "free",
        activity=activity,
    )
    arrays: dict[str, Any] = {
        **result.conductances.arrays(),
        "scale": result.scale,
        "residual": result.residual,
    }
    with atomic_file(options.output) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    sys.stdout.write(
        f"error of the effective matrix: {100 * result.uncompensated_rms:.3g} % rms without, "
        f"{100 * result.residual_rms:.3g} % with compensation ({result.n_round} rounds)\n"
        f"scale {result.scale.min():.4f} to {result.scale.max():.4f}, headroom from {result.headroom.min():.4f}, "
        f"{int(result.clipped.sum())} of {result.clipped.size} cells clipped\n"
    )
    return 0


def _weights(path: Path) -> NDArray[Any]:
    """A matrix from text (comma-separated), .npy or .npz (`weights`)."""
    if path.suffix == ".csv":
        try:
            return np.atleast_2d(np.loadtxt(path, delimiter=",", ndmin=2))
        except ValueError as error:
            raise InputError(f"{path}: expected a row of comma-separated numbers a line: {error}") from None
    arrays = load_arrays(path)
    if "weights" not in arrays and len(arrays) != 1:
        raise InputError(f"{path}: holds {sorted(arrays)}; expected an array named 'weights'")
    return arrays.get("weights", next(iter(arrays.values())))

"""What a tile puts out, from whichever engine: charges, codes and where they came from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import largest_code, quantize
from tilemodel.config.files import atomic_file
from tilemodel.config.operands import combine_lines
from tilemodel.config.tile import IdealAdc, RailPairCell, TileConfig

__all__ = ["TileOutput", "save_output", "tile_output"]


@dataclass(frozen=True, kw_only=True)
class TileOutput:
    """Result of a batch of matrix-vector products."""

    charge_coulomb: NDArray[np.float64]
    """[n_vec, n_col]; in `gated_1t1r` the charge of the G+ line less that of the G- line."""
    charge_line_coulomb: NDArray[np.float64]
    """[n_vec, n_line], what each converter sees."""
    code: NDArray[np.int64] | None
    """[n_vec, n_col]; None for an ideal converter."""
    n_saturated: int
    """Number of bit-line conversions at the end of the converter's range."""
    provenance: Mapping[str, Any]


def tile_output(
    tile: TileConfig, charge_line_coulomb: NDArray[np.float64], provenance: Mapping[str, Any]
) -> TileOutput:
    """Pass the charges of all bit lines [n_vec, n_line] through the tile's converters."""
    signed = isinstance(tile.cell, RailPairCell)
    code_line = quantize(tile.adc, charge_line_coulomb, signed=signed)
    n_saturated = 0
    if code_line is not None and not isinstance(tile.adc, IdealAdc):
        n_saturated = int((np.abs(code_line) >= largest_code(tile.adc, signed=signed)).sum())
    return TileOutput(
        charge_coulomb=combine_lines(tile, charge_line_coulomb),
        charge_line_coulomb=charge_line_coulomb,
        code=None if code_line is None else combine_lines(tile, code_line),
        n_saturated=n_saturated,
        provenance={"tile": tile.name, "tile_sha256": tile.sha256(), **provenance},
    )


def save_output(output: TileOutput, path: str | Path) -> None:
    """Write `output` as an .npz: `charge_coulomb`, `charge_line_coulomb`, `code`, `provenance` (JSON text).

    Raises `OutputError` where it cannot be written whole.
    """
    arrays: dict[str, Any] = {
        "charge_coulomb": output.charge_coulomb,
        "charge_line_coulomb": output.charge_line_coulomb,
        "provenance": np.array(json.dumps(output.provenance, sort_keys=True)),
    }
    if output.code is not None:
        arrays["code"] = output.code
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)

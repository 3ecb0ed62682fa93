"""What a tile puts out, from whichever engine: charges, codes and where they came from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import ConverterBank
from tilemodel.config.adc import IdealAdc
from tilemodel.config.files import atomic_file
from tilemodel.config.operands import combine_lines
from tilemodel.config.passes import Pass
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import converter_bank

__all__ = ["TileOutput", "save_output", "tile_output"]

FloatArray = NDArray[np.float64]


class ReadPass(Protocol):
    """One pass as an engine read it: `tilemodel.conversion.PassOutput`, or the circuit simulator's."""

    @property
    def drive(self) -> Pass: ...
    @property
    def charge_line_coulomb(self) -> FloatArray: ...
    @property
    def cycle_line(self) -> FloatArray | None: ...
    @property
    def code_line(self) -> NDArray[np.int64] | None: ...
    @property
    def limited_line(self) -> NDArray[np.bool_] | None: ...


@dataclass(frozen=True, kw_only=True)
class TileOutput:
    """Result of a batch of matrix-vector products, the passes of an input combined."""

    charge_coulomb: FloatArray
    """[n_vec, n_col]; where G+ and G- have lines of their own, the charge of the G+ line less that of the G- line."""
    charge_line_coulomb: FloatArray
    """[n_vec, n_line], what each converter sees, its passes added up with their factors."""
    code: NDArray[np.int64] | None
    """[n_vec, n_col]; None for an ideal converter."""
    error_bound_coulomb: FloatArray | None
    """[n_vec, n_col]: how far the fast model's approximations may take `charge_coulomb`; None from a simulator."""
    n_saturated: int
    """Number of conversions at the end of the converter's range, or of an op-amp's that stood at its swing."""
    provenance: Mapping[str, Any]


def tile_output(
    tile: TileConfig,
    passes: Sequence[ReadPass],
    provenance: Mapping[str, Any],
    *,
    error_bound_line_coulomb: FloatArray | None = None,
) -> TileOutput:
    """Pass what every pass's lines gave through the tile's converters, one conversion a pass, and combine."""
    bank = converter_bank(tile)
    charge_line = _combined([item.drive.factor * item.charge_line_coulomb for item in passes])
    code = None
    if isinstance(tile.read_out.circuit, Sky130RampReadOut) or not isinstance(tile.adc, IdealAdc):
        codes = [_codes(bank, item) for item in passes]
        factors = [item.drive.factor for item in passes]
        code = combine_lines(tile, _combined([f * item for f, item in zip(factors, codes, strict=True)]))
        n_saturated = sum(_saturated(tile, bank, *both) for both in zip(passes, codes, strict=True))
    else:
        n_saturated = sum(int(item.limited_line.sum()) for item in passes if item.limited_line is not None)
    bound = None
    if error_bound_line_coulomb is not None:
        n_vec, _ = error_bound_line_coulomb.shape
        bound = error_bound_line_coulomb.reshape(n_vec, tile.array.n_col, tile.lines_per_column).sum(axis=2)
    return TileOutput(
        charge_coulomb=combine_lines(tile, charge_line),
        charge_line_coulomb=charge_line,
        code=code,
        error_bound_coulomb=bound,
        n_saturated=n_saturated,
        provenance={"tile": tile.name, "tile_sha256": tile.sha256(), **provenance},
    )


def _saturated(tile: TileConfig, bank: ConverterBank, item: ReadPass, code: NDArray[np.int64]) -> int:
    """Number of conversions of a pass that ended at a limit."""
    circuit = tile.read_out.circuit
    at_end = code >= circuit.count_max if isinstance(circuit, Sky130RampReadOut) else bank.saturated(code)
    return int((at_end if item.limited_line is None else at_end | item.limited_line).sum())


def _combined(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else np.sum(parts, axis=0)


def _codes(bank: ConverterBank, item: ReadPass) -> NDArray[np.int64]:
    if item.code_line is not None:
        return item.code_line
    codes = bank.codes(item.charge_line_coulomb) if item.cycle_line is None else bank.codes_of_cycles(item.cycle_line)
    assert codes is not None  # no ideal converter
    return codes


def save_output(output: TileOutput, path: str | Path) -> None:
    """Write `output` as an .npz: `charge_coulomb`, `charge_line_coulomb`, `code`, `provenance` (JSON text).

    The fast model adds `error_bound_coulomb`. Raises `OutputError` where it cannot be written whole.
    """
    arrays: dict[str, Any] = {
        "charge_coulomb": output.charge_coulomb,
        "charge_line_coulomb": output.charge_line_coulomb,
        "provenance": np.array(json.dumps(output.provenance, sort_keys=True)),
    }
    for name in ("code", "error_bound_coulomb"):
        if getattr(output, name) is not None:
            arrays[name] = getattr(output, name)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)

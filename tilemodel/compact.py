"""The compact model: a tile with fitted parameters, how well they are known, and where they came from (JSON)."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tilemodel.config.errors import InputError
from tilemodel.config.files import atomic_file
from tilemodel.config.load import explain_validation
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import Section, TileConfig
from tilemodel.model import TileModel
from tilemodel.parameters import Parameters

__all__ = ["CompactModel", "FitStatistics", "load_model", "save_model"]

_MAX_FILE_BYTES = 10_000_000


class FitStatistics(Section):
    """How a fit came out. Order of `standard_error` and `correlation` is that of `fitted`."""

    fitted: list[str]
    standard_error: list[float]
    """In the unit of each parameter."""
    correlation: list[list[float]]
    n_observation: int
    residual_rms_coulomb: float
    residual_max_coulomb: float
    residual_max_percent_full_scale: float
    """Full scale: the largest |charge| of a bit line in the experiment."""


class CompactModel(Section):
    """What `tilemodel calibrate` writes and everything else reads."""

    schema_version: Literal["tilemodel-compact-1"] = "tilemodel-compact-1"
    tile: TileConfig
    parameters: Parameters
    fit: FitStatistics
    provenance: dict[str, Any]

    def tile_model(self, conductances: Conductances, tile: TileConfig | None = None) -> TileModel:
        """The fast model of `tile` (default: the calibrated one) with this model's parameters.

        Raises `InputError` if `tile` differs in more than size, read-out end, converter and specs.
        """
        if tile is None:
            tile = self.tile
        self.check_technology(tile)
        return TileModel(tile, conductances, self.parameters)

    def check_technology(self, tile: TileConfig) -> None:
        """Raise `InputError` naming the first value in which `tile` differs from what was calibrated."""
        ours, theirs = _flatten(self.tile.technology()), _flatten(tile.technology())
        for key in sorted(ours.keys() | theirs.keys()):
            if ours.get(key) != theirs.get(key):
                raise InputError(
                    f"tile {tile.name}: {key} = {theirs.get(key)}, but the model was calibrated at {ours.get(key)}; "
                    "calibrate again for this tile"
                )


def save_model(model: CompactModel, path: str | Path) -> None:
    """Write `model` as JSON, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(model.model_dump_json(indent=2) + "\n")


def load_model(path: str | Path) -> CompactModel:
    """Read a compact model. Raises `InputError` naming the key that is wrong."""
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); `tilemodel calibrate` writes one") from None
    if len(text) > _MAX_FILE_BYTES:
        raise InputError(f"{path}: {len(text)} bytes, a compact model has at most {_MAX_FILE_BYTES}")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    try:
        return CompactModel.model_validate(content)
    except ValidationError as error:
        raise InputError(explain_validation(error, CompactModel, str(path))) from None


def _flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in tree.items():
        if isinstance(item, dict):
            flat.update(_flatten(item, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = item
    return flat

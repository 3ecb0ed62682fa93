"""Exports of the study's tiles, as the simulators that they are for load them: no calibration, no circuit simulator."""

import json
import tempfile
from pathlib import Path
from typing import Any

from docs.studies.exports.study import module_of, written
from tilemodel.compact import CompactModel
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig
from tilemodel.exports import Probe
from tilemodel.model import TileModel
from tilemodel.parameters import AnyParameters

__all__ = ["CLIPPED", "exported", "stated_model"]

CLIPPED = 1e-4
"""Of calibrated inputs beyond the range, as in `Task`."""


def stated_model(tile: TileConfig, parameters: AnyParameters) -> CompactModel:
    """What exports need of a model, with parameters that nothing was fitted to."""
    return _Stated.model_construct(tile=tile, parameters=parameters)


def exported(target: str, probe: Probe) -> tuple[Any, dict[str, Any]]:
    """The module that the export writes, and its values."""
    with tempfile.TemporaryDirectory() as folder:
        written(target, probe, Path(folder))
        (values,) = (json.loads(path.read_text()) for path in Path(folder).glob("*.json"))
        (module,) = (module_of(path) for path in Path(folder).glob("*.py"))
    return module, values


class _Stated(CompactModel):
    """Without the validity and residuals of a fit."""

    def tile_model(self, conductances: Conductances, tile: TileConfig | None = None, **options: Any) -> TileModel:
        return TileModel(tile or self.tile, conductances, self.parameters, **options)

"""tilemodel: the fast analytical model of analog in-memory computing tiles.

>>> import tilemodel
>>> tile = tilemodel.load_tile("examples/ibm_pair_64x16.toml")
>>> model = tilemodel.TileModel(tile, tilemodel.conductances_from_weights(tile, weights))
>>> output = model.mvm(tilemodel.ticks_from_inputs(tile, inputs))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilemodel.compact import CompactModel, load_model, save_model
    from tilemodel.config.errors import InputError, MissingPackageError, OutputError, TileModelError
    from tilemodel.config.load import load_tile
    from tilemodel.config.operands import Conductances, conductances_from_weights, ticks_from_inputs
    from tilemodel.config.tile import TileConfig
    from tilemodel.model import TileModel, ideal_charge
    from tilemodel.output import TileOutput, save_output

_HOME = {
    "CompactModel": "compact",
    "load_model": "compact",
    "save_model": "compact",
    "InputError": "config.errors",
    "MissingPackageError": "config.errors",
    "OutputError": "config.errors",
    "TileModelError": "config.errors",
    "load_tile": "config.load",
    "Conductances": "config.operands",
    "conductances_from_weights": "config.operands",
    "ticks_from_inputs": "config.operands",
    "TileConfig": "config.tile",
    "TileModel": "model",
    "ideal_charge": "model",
    "TileOutput": "output",
    "save_output": "output",
}

__all__ = [
    "CompactModel",
    "Conductances",
    "InputError",
    "MissingPackageError",
    "OutputError",
    "TileConfig",
    "TileModel",
    "TileModelError",
    "TileOutput",
    "conductances_from_weights",
    "ideal_charge",
    "load_model",
    "load_tile",
    "save_model",
    "save_output",
    "ticks_from_inputs",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import tilemodel` costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'tilemodel' has no attribute {name!r}")
    return getattr(import_module(f"tilemodel.{_HOME[name]}"), name)

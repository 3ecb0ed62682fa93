"""tilemodel: the fast analytical model of analog in-memory computing tiles.

>>> import tilemodel
>>> tile = tilemodel.load_tile("examples/ibm_pair_64x16.toml")
>>> model = tilemodel.TileModel(tile, tilemodel.conductances_from_weights(tile, weights))
>>> output = model.mvm(tilemodel.ticks_from_inputs(tile, inputs))
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilemodel.compact import CompactModel as CompactModel
    from tilemodel.compact import load_model as load_model
    from tilemodel.compact import save_model as save_model
    from tilemodel.compensation import Compensation as Compensation
    from tilemodel.compensation import compensate as compensate
    from tilemodel.config.errors import InputError as InputError
    from tilemodel.config.errors import MissingPackageError as MissingPackageError
    from tilemodel.config.errors import OutputError as OutputError
    from tilemodel.config.errors import TileModelError as TileModelError
    from tilemodel.config.load import load_tile as load_tile
    from tilemodel.config.operands import Conductances as Conductances
    from tilemodel.config.operands import conductances_from_weights as conductances_from_weights
    from tilemodel.config.operands import ticks_from_inputs as ticks_from_inputs
    from tilemodel.config.tile import TileConfig as TileConfig
    from tilemodel.layer import TileLayer as TileLayer
    from tilemodel.model import TileModel as TileModel
    from tilemodel.model import ideal_charge as ideal_charge
    from tilemodel.output import TileOutput as TileOutput
    from tilemodel.output import save_output as save_output

_HOME = {
    "CompactModel": "compact",
    "load_model": "compact",
    "save_model": "compact",
    "Compensation": "compensation",
    "compensate": "compensation",
    "InputError": "config.errors",
    "MissingPackageError": "config.errors",
    "OutputError": "config.errors",
    "TileModelError": "config.errors",
    "load_tile": "config.load",
    "Conductances": "config.operands",
    "conductances_from_weights": "config.operands",
    "ticks_from_inputs": "config.operands",
    "TileConfig": "config.tile",
    "TileLayer": "layer",
    "TileModel": "model",
    "ideal_charge": "model",
    "TileOutput": "output",
    "save_output": "output",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import tilemodel` costs next to nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'tilemodel' has no attribute {name!r}")
    return getattr(import_module(f"tilemodel.{_HOME[name]}"), name)

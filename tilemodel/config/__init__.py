"""Configuration: the tile, its sources, and the weights and inputs that are put on it."""

from tilemodel.config.errors import InputError, MissingPackageError, OutputError, TileModelError
from tilemodel.config.load import load_tile, preset_names, tile_from_mapping
from tilemodel.config.tile import TileConfig

__all__ = [
    "InputError",
    "MissingPackageError",
    "OutputError",
    "TileConfig",
    "TileModelError",
    "load_tile",
    "preset_names",
    "tile_from_mapping",
]

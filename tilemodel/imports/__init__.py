"""Configurations of neural-network simulators, read back: to tile files, and to what they compute."""

from tilemodel.imports.configuration import Configuration, Quantizer
from tilemodel.imports.read import configuration_from_rpu_config, load_configuration
from tilemodel.imports.tile_file import tile_file_text

__all__ = ["Configuration", "Quantizer", "configuration_from_rpu_config", "load_configuration", "tile_file_text"]

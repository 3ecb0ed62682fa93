"""The package's version, as installed."""

from importlib import metadata

__all__ = ["VERSION"]

VERSION = metadata.version("tilemodel")

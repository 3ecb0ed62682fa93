"""The errors that every package of the project raises.

A message names what was expected, what came, and what to do about it. The command line turns any
`TileModelError` into one line on stderr and exit status 2.
"""

__all__ = ["InputError", "MissingPackageError", "OutputError", "TileModelError"]


class TileModelError(Exception):
    """Base of every error that this project raises on purpose."""


class InputError(TileModelError, ValueError):
    """A tile file, model file, array or option is not what it should be."""


class OutputError(TileModelError, OSError):
    """A result could not be written."""


class MissingPackageError(TileModelError, ImportError):
    """An optional package that this call needs is not installed."""

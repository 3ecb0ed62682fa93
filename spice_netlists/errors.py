"""What can go wrong with a circuit simulator."""

from tilemodel.config.errors import TileModelError

__all__ = ["SimulatorError", "SimulatorMissingError"]


class SimulatorMissingError(TileModelError):
    """The simulator is not installed or not where it was said to be."""


class SimulatorError(TileModelError):
    """A simulation failed: crashed, timed out, did not converge, or left no complete result.

    `log` holds what the simulator printed.
    """

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log

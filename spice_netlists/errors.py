"""What can go wrong with a circuit simulator."""

from typing import Literal

from tilemodel.config.errors import TileModelError

__all__ = ["Fault", "SimulatorError", "SimulatorMissingError"]

Fault = Literal["crash", "result", "convergence", "memory", "time-out", "flood", "deck", "disk", "stop"]
"""crash: ended by a signal, or without a word; result: no sound result; flood: printed without end; deck: the circuit
is wrong; stop: ended on purpose. Only crashes and unsound results are worth another try with the same deck."""


class SimulatorMissingError(TileModelError):
    """The simulator is not installed or not where it was said to be."""


class SimulatorError(TileModelError):
    """A simulation failed: crashed, timed out, did not converge, or left no complete result.

    `log` holds what the simulator printed, `fault` says what kind of failure it was.
    """

    def __init__(self, message: str, log: str = "", *, fault: Fault = "result") -> None:
        super().__init__(message)
        self.log = log
        self.fault: Fault = fault

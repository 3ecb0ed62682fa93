"""spice_netlists: crossbar tiles as ngspice decks, run and read. Never imports what it is there to judge."""

from spice_netlists.batch import SpiceResult, simulate
from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck, build_deck
from spice_netlists.errors import SimulatorError, SimulatorMissingError
from spice_netlists.pyspice import cell_from_subcircuit
from spice_netlists.runs import Runner, RunStore
from spice_netlists.tile import SpiceTile

__all__ = [
    "CellCircuit",
    "Deck",
    "RunStore",
    "Runner",
    "SimulatorError",
    "SimulatorMissingError",
    "SpiceResult",
    "SpiceTile",
    "build_deck",
    "cell_from_subcircuit",
    "simulate",
]

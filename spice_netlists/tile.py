"""A tile with its conductances as a circuit: decks, a PySpice `Circuit`, simulations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_netlists.batch import Progress, SpiceResult, simulate
from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck, build_deck
from spice_netlists.pyspice import tile_circuit
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit

__all__ = ["SpiceTile"]


@dataclass(frozen=True, kw_only=True)
class SpiceTile:
    """Tile, conductances and, for gated tiles, optionally a cell of the user's own."""

    tile: TileConfig
    conductances: Conductances
    cell: CellCircuit | None = None

    def deck(self, ticks: NDArray[np.int64]) -> Deck:
        """The deck of one input vector [n_row], all columns."""
        return build_deck(self.tile, self.conductances, ticks, cell=self.cell)

    def circuit(self, ticks: NDArray[np.int64]) -> "Circuit":
        """The same as a PySpice `Circuit` (for small tiles; see `spice_netlists.pyspice`)."""
        return tile_circuit(self.tile, self.conductances, ticks, cell=self.cell)

    def simulate(
        self,
        ticks: NDArray[np.int64],
        *,
        processes: int | None = None,
        on_done: Progress | None = None,
    ) -> SpiceResult:
        """Charges of a batch [n_vec, n_row] in ngspice (see `simulate`)."""
        return simulate(self.tile, self.conductances, ticks, cell=self.cell, processes=processes, on_done=on_done)

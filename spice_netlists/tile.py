"""A tile with its conductances as a circuit: decks, a PySpice `Circuit`, simulations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_netlists.batch import Progress, SpiceResult, simulate
from spice_netlists.cells import CellCircuit
from spice_netlists.deck import Deck, build_deck
from spice_netlists.pyspice import tile_circuit
from spice_netlists.runs import Runner
from tilemodel.config.operands import Conductances, check_ticks
from tilemodel.config.passes import tile_passes
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

    def decks(self, ticks: NDArray[np.int64]) -> list[Deck]:
        """The decks of one input vector [n_row], one a pass, all columns."""
        batch = np.atleast_2d(ticks)
        check_ticks(self.tile, batch)
        return [
            build_deck(self.tile, self.conductances, drive.pulses(0), cell=self.cell)
            for drive in tile_passes(self.tile, batch)
        ]

    def circuit(self, ticks: NDArray[np.int64]) -> "Circuit":
        """The same as a PySpice `Circuit` (for small tiles; see `spice_netlists.pyspice`)."""
        return tile_circuit(self.tile, self.conductances, ticks, cell=self.cell)

    def simulate(
        self,
        ticks: NDArray[np.int64],
        *,
        processes: int | None = None,
        runner: Runner | None = None,
        on_done: Progress | None = None,
    ) -> SpiceResult:
        """Charges of a batch [n_vec, n_row] in ngspice (see `simulate`)."""
        return simulate(
            self.tile,
            self.conductances,
            ticks,
            cell=self.cell,
            processes=processes,
            runner=runner,
            on_done=on_done,
        )

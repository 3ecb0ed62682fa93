"""The bridge to PySpice (GPL-3, optional): user circuits in, a tile as a `Circuit` out. No other module imports it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import build_deck
from tilemodel.config.errors import MissingPackageError
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig

if TYPE_CHECKING:
    from PySpice.Spice.Netlist import Circuit, SubCircuit

__all__ = ["cell_from_subcircuit", "tile_circuit"]


def cell_from_subcircuit(
    subcircuit: "SubCircuit", *, v_gate_volt: float, model_files: tuple[Path, ...] = ()
) -> CellCircuit:
    """A PySpice `SubCircuit` as the cell of a gated tile.

    Its nodes are bit line, word line, source line, in this order, and it has a parameter `g`, the
    conductance of its memory element [siemens]. Raises `InputError` if not.
    """
    return CellCircuit(
        name=str(subcircuit.name), text=str(subcircuit).strip(), v_gate_volt=v_gate_volt, model_files=model_files
    )


def tile_circuit(
    tile: TileConfig, conductances: Conductances, ticks: NDArray[np.int64], *, cell: CellCircuit | None = None
) -> "Circuit":
    """A tile with one input vector [n_row] as a PySpice `Circuit`.

    Row drivers, source line and clamps are PySpice elements that may be changed or removed
    (`circuit['Vclamp0']`); the array's body (cells, wires) is text in `circuit.raw_spice`. Nodes are named
    as in `spice_netlists.deck`. Raises `MissingPackageError` without PySpice.
    """
    try:
        from PySpice.Spice.Netlist import Circuit
    except ImportError:
        raise MissingPackageError("PySpice is not installed; run: pip install PySpice==1.5") from None
    deck = build_deck(tile, conductances, ticks, cell=cell)
    circuit = Circuit(f"tile {tile.name}")
    body: list[str] = []
    for line in deck.text.splitlines():
        name, *words = line.split(maxsplit=3)
        if name.startswith("V"):
            circuit.V(name[1:], words[0], circuit.gnd, words[2])
        elif not line.startswith(("*", ".options", ".save", ".tran", ".end\n", "+ i(")) and line != ".end":
            body.append(line)
    circuit.raw_spice += "\n".join(body)
    return circuit

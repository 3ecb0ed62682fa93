"""The bridge to PySpice (GPL-3, optional): user circuits in, a tile as a `Circuit` out. No other module imports it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import tile_circuit_lines
from tilemodel.config.errors import MissingPackageError
from tilemodel.config.operands import Conductances, check_ticks
from tilemodel.config.passes import tile_passes
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
    tile: TileConfig,
    conductances: Conductances,
    ticks: NDArray[np.int64],
    *,
    cell: CellCircuit | None = None,
    pass_index: int = 0,
) -> "Circuit":
    """A tile with one input vector [n_row] as a PySpice `Circuit`; of several passes, that of `pass_index`.

    Row drivers and ideal clamps are PySpice elements that may be changed or removed
    (`circuit['Vclamp0']`); cells and wires are text in `circuit.raw_spice`. Nodes are named as in
    `spice_netlists.deck`. Options and analysis are left to PySpice's simulator: give it the tolerances of
    the tile's `[simulator]`, ngspice's own are too coarse. Raises `MissingPackageError` without PySpice.
    """
    try:
        from PySpice.Spice.Netlist import Circuit
    except ImportError:
        raise MissingPackageError("PySpice is not installed; run: pip install PySpice==1.5") from None
    batch = np.atleast_2d(ticks)
    check_ticks(tile, batch)
    pulses = tile_passes(tile, batch)[pass_index].pulses(0)
    parts = tile_circuit_lines(tile, conductances, pulses, cell=cell)
    circuit = Circuit(f"tile {tile.name}")
    for include in parts.includes:
        circuit.include(str(include.path))
    for line in parts.sources:
        if not line.startswith("*"):
            name, node, _, value = line.split(maxsplit=3)
            circuit.V(name.removeprefix("V"), node, circuit.gnd, value)
    circuit.raw_spice += "\n".join(parts.body)
    return circuit

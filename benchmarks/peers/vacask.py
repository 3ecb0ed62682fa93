"""VACASK through `spice_netlists`."""

from benchmarks.peers import simulators
from benchmarks.peers.common import Charges, Currents, FloatArray
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig

__all__ = ["NAME", "available", "charges", "mesh", "rail_pair"]

NAME = "VACASK"


def available() -> str | None:
    """None if VACASK runs here, else the reason."""
    return simulators.missing("vacask")


def charges(tile: TileConfig, conductances: Conductances, *, processes: int = 1) -> Charges:
    """Charges of any tile, one transient a vector, pass and group of columns."""
    return simulators.charges(tile, conductances, "vacask", processes=processes)


rail_pair = charges


def mesh(g_siemens: FloatArray, r_row_ohm: float, r_bit_line_ohm: float) -> Currents:
    """Currents of a passive crossbar [n_row, n_line], one operating point a vector."""
    return simulators.mesh(g_siemens, r_row_ohm, r_bit_line_ohm, "vacask")

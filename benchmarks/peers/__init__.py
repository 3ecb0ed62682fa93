"""The competitors of the benchmark, one module each, behind one interface.

Every module has `NAME`, what tables and figures call it, and `available() -> str | None`: None if it can run here,
else the reason in one sentence. Each kind of work that a competitor can do is a function that programs it and
returns what multiplies, so that the two can be timed apart:

`rail_pair(tile, conductances) -> Charges`
    Ticks [n_vec, n_row] to the charges of the bit lines [coulomb], [n_vec, n_line], as `TileModel.charges`.
`mesh(g_siemens, r_row_ohm, r_bit_line_ohm) -> Currents`
    Driver voltages [n_vec, n_row] to the currents into the clamps [ampere], [n_vec, n_line], of a passive crossbar
    [n_row, n_line]: rows driven at the west end, bit lines held at 0 V behind the last row, one segment on that
    side of every cell (`tilemodel.solvers.mesh`).
`matmul(matrix, dtype) -> Matmul`
    The bare matrix product, the limit.
`charges(tile, conductances) -> Charges`
    Any tile at all: the circuit simulators.

Keyword arguments choose a competitor's own settings; their defaults are its defaults. Work that a competitor
cannot do raises `ValueError` with the reason when it is programmed.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["PEERS", "peer"]

PEERS = (
    "numpy_matmul",
    "torch_matmul",
    "superlu",
    "aihwkit",
    "badcrossbar",
    "crosssim",
    "vacask",
    "ngspice",
)
"""Modules of this package, one a competitor."""


def peer(name: str) -> ModuleType:
    """The competitor's module, one of `PEERS`; imports nothing of the competitor itself."""
    return import_module(f"{__name__}.{name}")

"""Compile all kernels before they are needed: their machine code is kept on disk, and no later call waits for it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tilemodel.config.load import load_tile
from tilemodel.config.operands import conductances_from_weights
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel
from tilemodel.solvers.ladder_kernels import ladder_adjoint, ladder_transfer
from tilemodel.solvers.mean_states import CellNoise, Lumping, MeanStates
from tilemodel.solvers.mesh_adjoint import mesh_adjoint

__all__ = ["compile_kernels"]

_SIZE = "[array]\nn_row = 4\nn_col = 2\n"
_SWITCH = f'{_SIZE}[cell.access]\nkind = "switch"\nr_on_ohm = 880.0\n[drive]\nt_edge_second = 1e-12\n'
_SINH = f'{_SIZE}[cell.device]\nkind = "sinh"\nv_sinh_volt = 0.43\npolarity_asymmetry = 0.0\n'
_COMPRESSING = '[adc]\nkind = "cco"\nf_hertz_per_ampere = 6.24e13\ni_half_ampere = 5e-4\nphase_cycle = 0.0\n'
_AT_SWING = f"""{_SIZE}[read_out.circuit]
kind = "integrator"
c_integration_farad = 1e-12
open_loop_gain = 1000.0
unity_gain_hertz = 1e10
swing_volt = 1e-6
r_reset_ohm = 1.0
"""
# Kernel by kernel: preset, what differs from it, and the accuracy
_TILES: tuple[tuple[str, str, str, float | None], ...] = (
    ("oscillators", "ibm_pcm_14nm", f"{_SIZE}{_COMPRESSING}count_max = 4095\n", None),
    ("relaxation", "ibm_pcm_14nm", _SINH, None),
    ("op-amps at their swing", "ibm_pcm_14nm", _AT_SWING, None),
    ("gated events", "sky130_1t1r", _SWITCH, None),
    ("lumped events, single precision", "sky130_1t1r", _SWITCH, 1e-2),
    ("lumped events, double precision", "sky130_1t1r", _SWITCH, 1e-5),
)


def compile_kernels() -> Iterator[str]:
    """Run every kernel once on a small tile; yields what is compiled next."""
    for what, preset, text, accuracy in _TILES:
        yield what
        tile = _tile(preset, text)
        c = conductances_from_weights(tile, np.full((tile.array.n_row, tile.array.n_col), 0.5))
        model = TileModel(tile, c) if accuracy is None else TileModel(tile, c, accuracy=accuracy)
        model.mvm(np.arange(tile.array.n_row, dtype=np.int64)[np.newaxis])
    yield "layers of networks"
    for real in (np.float32, np.float64):
        g = np.ones((1, 4, 2), dtype=real)
        ladder_adjoint(ladder_transfer(g, 1.0, 0.0), g, 1.0, 0.0)
        lines, ticks = MeanStates(g[0], 1.0, 0.0, real), np.arange(4, dtype=np.int64)[np.newaxis]
        lines.charges(ticks, Lumping(2, 2))
        lines.gradient(ticks, g[:, 0], Lumping(2, 2))
        pairs, terms = np.zeros((1, 3), dtype=np.int64), np.ones((1, 4, 1), dtype=real)
        noise = CellNoise(pairs=pairs, of_ticks=terms, of_cells=g, slope=g[0], at_end=g[0])
        lines.covariances(ticks[np.newaxis], noise, Lumping(2, 2))
    ends = {"r_bit_ohm": 1.0, "r_end_ohm": 0.0, "r_row_ohm": 1.0, "r_driver_ohm": 0.0}
    north, one = np.zeros(2, dtype=bool), np.ones((1, 4, 2))
    mesh_adjoint(one, one, np.ones((2, 2)), **ends, driven_end="west", north=north)


def _tile(preset: str, text: str) -> TileConfig:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tile.toml"
        path.write_text(f'name = "warm_up"\npreset = "{preset}"\n{text}')
        return load_tile(path)

"""IBM's aihwkit 1.1.0: `TorchSimulatorTileIRDropT`, which steps a rail_pair tile in time (docs/aihwkit.md).

Two differences of definition are taken out of its charges, exactly and at no cost in time: its last bit-line
segment is half as long as the others, and its window is one tick longer than the longest pulse.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.peers.common import (
    Charges,
    FloatArray,
    IntArray,
    RailPairLines,
    in_blocks,
    not_importable,
    rail_pair_lines,
)
from tilemodel.config.operands import Conductances
from tilemodel.config.tile import TileConfig

__all__ = ["DEFAULT_SEGMENTS", "NAME", "available", "rail_pair"]

NAME = "aihwkit"
DEFAULT_SEGMENTS = 8

_V_COMMON_VOLT, _V_READ_VOLT, _T_LSB_SECOND = 0.4, 0.2, 1e-9  # constants in its source
# No slower a vector than larger batches, of which 128 at 512 x 512 take more than 8 GB an array
_VECTORS_AT_ONCE = 4


def available() -> str | None:
    """None if aihwkit can be imported, else the reason."""
    return not_importable("torch", "pip install torch==2.13.0") or not_importable(
        "aihwkit.simulator.configs", "pip install --no-deps aihwkit==1.1.0 (it has a wheel for Python 3.11 only)"
    )


def rail_pair(
    tile: TileConfig,
    conductances: Conductances,
    *,
    segments: int | None = DEFAULT_SEGMENTS,
    integration_sum: bool = False,
    dtype: str = "float32",
    vectors_at_once: int = _VECTORS_AT_ONCE,
) -> Charges:
    """Charges of a linear rail_pair tile, converter off.

    `segments` of a bit line, None for one a row; `integration_sum` adds up the time steps where its default, the
    trapezoid, counts the first step of every pulse one and a half times.
    """
    import torch

    lines = rail_pair_lines(tile, conductances)
    weights, g_range_siemens, g_max_siemens = _weights(tile, conductances)
    _refuse_other_constants(tile)
    kind, n_max = getattr(torch, dtype), tile.drive.n_tick_max
    config = _config(tile, segments or tile.array.n_row, integration_sum, g_max_siemens)
    with _default_dtype(kind):
        simulator = config.simulator_tile_class(*weights.shape, config)
        simulator.set_weights(torch.tensor(weights.T.copy(), dtype=kind))
    own_unit = g_range_siemens * _V_READ_VOLT * n_max * _T_LSB_SECOND
    factor, rest_coulomb = _to_our_definitions(tile, lines)

    def block(ticks: IntArray) -> FloatArray:
        with _default_dtype(kind), torch.no_grad():
            output = simulator.forward(torch.tensor(ticks / n_max, dtype=kind), is_test=True)
        charge: FloatArray = output.numpy().astype(np.float64) * (own_unit * factor) + rest_coulomb
        return charge

    return lambda ticks: in_blocks(block, ticks, vectors_at_once)


def _weights(tile: TileConfig, conductances: Conductances) -> tuple[FloatArray, float, float]:
    """Weights [n_row, n_col], of which the largest is 1, and what it writes for that: range and G_max [siemens]."""
    plus, minus, g_min = conductances.g_plus, conductances.g_minus, tile.conductance.g_min_siemens
    if np.abs(np.minimum(plus, minus) - g_min).max() > 1e-12 * plus.max():
        raise ValueError(f"tile {tile.name}: aihwkit's pairs have one cell at g_min_siemens ({g_min:g} siemens)")
    g_max = float(max(plus.max(), minus.max()))
    return (plus - minus) / (g_max - g_min), g_max - g_min, g_max


def _refuse_other_constants(tile: TileConfig) -> None:
    cell, array = tile.cell, tile.array
    voltages = getattr(cell, "v_common_volt", None), tile.v_read_volt
    if voltages != (_V_COMMON_VOLT, _V_READ_VOLT) or tile.drive.t_lsb_second != _T_LSB_SECOND:
        raise ValueError(f"tile {tile.name}: aihwkit's rails are 0.6, 0.4 and 0.2 V, its ticks 1 ns")
    if array.read_out_end != "alternating" or array.n_col % 2 or tile.drive.coding != "conventional":
        raise ValueError(f"tile {tile.name}: aihwkit reads an even number of columns at alternating ends, in one pass")


def _to_our_definitions(tile: TileConfig, lines: RailPairLines) -> tuple[FloatArray, FloatArray]:
    """Factor for its charges and what to add to them [coulomb], both [n_line].

    With y the conductance that the clamp sees at the end of a whole last segment r, it sees y / (1 - r y / 2) at
    the end of half of one, and so do all currents grow; its window is 2^(bits - 1) ticks.
    """
    r_ohm, y = lines.r_bit_line_ohm, np.zeros(lines.north.size)
    for g in lines.g_plus + lines.g_minus:
        y = (y + g) / (1.0 + r_ohm * (y + g))
    window = tile.t_window_second(tile.drive.n_tick_max) - (tile.drive.n_tick_max + 1) * _T_LSB_SECOND
    return 1.0 - r_ohm * y / 2.0, lines.rest_volt * y * window


def _config(tile: TileConfig, segments: int, integration_sum: bool, g_max_siemens: float) -> Any:
    """Its configuration with the tile's parameters, all other imperfections off."""
    from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
    from aihwkit.inference.noise.pcm import PCMLikeNoiseModel
    from aihwkit.simulator.configs import TorchInferenceRPUConfigIRDropT
    from aihwkit.simulator.parameters.enums import AnalogMVType, BoundManagementType, NoiseManagementType

    config = TorchInferenceRPUConfigIRDropT()
    config.mapping.max_input_size = tile.array.n_row
    g_min = tile.conductance.g_min_siemens
    converter = SinglePairConductanceConverter(g_max=1e6 * g_max_siemens, g_min=1e6 * g_min)
    config.noise_model = PCMLikeNoiseModel(g_converter=converter)
    io = config.forward
    io.inp_res, io.inp_bound, io.inp_noise = 1.0 / (2**tile.drive.input_bits - 2), 1.0, 0.0
    io.out_res, io.out_bound, io.out_noise = -1.0, -1.0, 0.0
    io.noise_management, io.bound_management = NoiseManagementType.NONE, BoundManagementType.NONE
    io.mv_type, io.adc_quantization = AnalogMVType.ONE_PASS, False
    io.ir_drop_rs, io.ir_drop_segments = tile.wires_in_use.r_bit_line_ohm, segments
    io.ir_drop_v_read, io.ir_drop_integration_sum = tile.read_out.v_clamp_volt, integration_sum
    return config


@contextmanager
def _default_dtype(dtype: Any) -> Iterator[None]:
    """It makes some of its arrays with torch's default type, whatever the tile's is."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)

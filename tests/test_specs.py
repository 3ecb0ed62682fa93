"""Limits on IR drop and on the converters: figures that are known in closed form, and hashes that stay."""

import numpy as np
import pytest

from reports.ir_drop import ir_drop_percent
from reports.measures import measure_tile
from tests.conftest import pair_tile, switch_tile
from tilemodel.config.operands import conductances_from_weights
from tilemodel.parameters import parameters_from_tile

RAMP = {
    "kind": "ramp",
    "adc_bits": 6,
    "charge_full_scale_coulomb": 1e-12,
    "gain": 1.0,
    "ramp_curvature": 0.02,
    "offset_lsb": 0.0,
}


def test_the_drop_of_one_cell_is_that_of_its_divider():
    tile = switch_tile(array={"n_row": 1, "n_col": 1}, wires={"r_bit_line_ohm": 0.0, "r_terminal_ohm": 5e3})
    conductances = conductances_from_weights(tile, np.ones((1, 1)))
    drop = ir_drop_percent(tile, conductances, np.array([[3]]), parameters_from_tile(tile))
    resistance = 1 / conductances.g_plus[0, 0] + 880.0
    assert drop[0, 0] == pytest.approx(100 * 5e3 / (5e3 + resistance), rel=1e-9)


def test_a_bent_ramps_inl_is_its_curvature():
    tile = pair_tile(adc=RAMP)
    measures = measure_tile(tile, np.zeros((8, 3)), None)
    first = 1 / 2**6  # the line through first and last edge, both on the parabola
    assert measures.inl_lsb == pytest.approx(0.02 * 2**6 * (1 - 4 * first * (1 - first)), rel=1e-9)
    assert measures.missing_codes == 0
    assert measures.settling_percent is None


def test_new_limits_leave_the_hash_of_tiles_without_them():
    assert pair_tile().sha256() == pair_tile(spec={}).sha256()
    assert pair_tile(spec={"max_inl_lsb": 1.0}).sha256() != pair_tile().sha256()

"""How cells hang between rails and bit lines, and what each kind of cell multiplies ideally."""

import numpy as np
import pytest

from tests.conftest import OHMIC, pair_tile, switch_tile
from tests.tolerances import ROUNDING
from tilemodel.config.errors import InputError
from tilemodel.config.layout import cell_layout, line_count, lines_read_north
from tilemodel.config.operands import Conductances, check_conductances, conductances_from_weights, random_ticks
from tilemodel.model import TileModel, ideal_charge

DRIVEN = {"v_common_volt": 0.4, "v_read_volt": 0.2, "device": OHMIC}
SWITCH = {"kind": "switch", "r_on_ohm": 880.0}
TILES = {
    "rail_pair": pair_tile(),
    "rail_quad": pair_tile(cell={"kind": "rail_quad", **DRIVEN, "significance": 4.0}),
    "passive": pair_tile(cell={"kind": "passive", **DRIVEN}),
    "gated_1t1r": switch_tile(),
}
TILES["gated_2t1r"] = pair_tile(cell={"kind": "gated_2t1r", **DRIVEN, "access": SWITCH})


def conductances(rng, *, quad):
    pairs = rng.uniform(1e-6, 2e-5, (4, 8, 3))
    minor = {"g_minor_plus": pairs[2], "g_minor_minus": pairs[3]} if quad else {}
    return Conductances(g_plus=pairs[0], g_minus=pairs[1], **minor)


@pytest.mark.parametrize("kind", TILES)
def test_the_ideal_charge_is_the_sum_over_cells(kind, rng):
    """Every cell by hand: its ticks, its read voltage, its conductance with the sign of its line or rail."""
    tile = TILES[kind]
    c, ticks = conductances(rng, quad=kind == "rail_quad"), random_ticks(tile, rng, 2)
    expected = np.zeros((2, 3))
    for vector, row, column in np.ndindex(2, 8, 3):
        weight = c.g_plus[row, column] - c.g_minus[row, column]
        if kind == "rail_quad":
            weight += (c.g_minor_plus[row, column] - c.g_minor_minus[row, column]) / 4.0
        expected[vector, column] += ticks[vector, row] * 1e-9 * 0.2 * weight
    np.testing.assert_allclose(ideal_charge(tile, c, ticks), expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


@pytest.mark.parametrize("kind", TILES)
def test_without_wires_the_model_gives_the_ideal_charge(kind, rng):
    """Clamped at the common voltage, without access resistance worth mentioning: sign and lines of every kind."""
    read_out = {} if kind == "gated_1t1r" else {"v_clamp_volt": 0.4}
    cell = TILES[kind].cell.model_dump(exclude_none=True)
    if "access" in cell:
        cell["access"] = {"kind": "switch", "r_on_ohm": 1e-6}
    make = switch_tile if kind == "gated_1t1r" else pair_tile
    tile = make(cell=cell, wires={"r_bit_line_ohm": 0.0}, read_out=read_out)
    c, ticks = conductances(rng, quad=kind == "rail_quad"), random_ticks(tile, rng, 2)
    ideal = ideal_charge(tile, c, ticks)
    charge = TileModel(tile, c).mvm(ticks).charge_coulomb
    np.testing.assert_allclose(charge, ideal, rtol=0, atol=1e-9 * np.abs(ideal).max())


def test_a_mirror_scales_the_ideal_charge(rng):
    circuit = {
        "kind": "mirror",
        "r_clamp_ohm": 20.0,
        "ratio": 0.25,
        "c_integration_farad": 1e-12,
        "r_reset_ohm": 1.0,
    }
    c, ticks = conductances(rng, quad=False), random_ticks(pair_tile(), rng, 2)
    mirrored = ideal_charge(pair_tile(read_out={"circuit": circuit}), c, ticks)
    np.testing.assert_allclose(mirrored, 0.25 * ideal_charge(pair_tile(), c, ticks), rtol=ROUNDING)


@pytest.mark.parametrize(
    ("kind", "n_line", "rest", "swing", "gate", "sign"),
    [
        ("rail_pair", 3, [0.4, 0.4], [0.2, -0.2], [0, 0], 1),
        ("rail_quad", 3, [0.4] * 4, [0.2, -0.2, 0.05, -0.05], [0] * 4, 1),
        ("passive", 6, [0.4], [0.2], [0], 1),
        ("gated_1t1r", 6, [0.0], [0.0], [1], -1),
        ("gated_2t1r", 6, [0.6, 0.2], [0.0, 0.0], [1, -1], 1),
    ],
)
def test_rails_and_lines_of_each_kind(kind, n_line, rest, swing, gate, sign, rng):
    tile = TILES[kind]
    layout = cell_layout(tile, conductances(rng, quad=kind == "rail_quad"))
    assert line_count(tile) == n_line
    assert layout.g_siemens.shape == (len(rest), 8, n_line)
    np.testing.assert_allclose(layout.rest_volt, rest, rtol=ROUNDING)
    np.testing.assert_allclose(layout.swing_volt, swing, rtol=ROUNDING)
    assert layout.gate_sign == tuple(gate)
    assert layout.charge_sign == sign


def test_memory_elements_hang_where_they_belong(rng):
    c, quad = conductances(rng, quad=False), conductances(rng, quad=True)
    pair = cell_layout(TILES["rail_pair"], c).g_siemens
    np.testing.assert_array_equal(pair, [c.g_plus, c.g_minus])
    four = cell_layout(TILES["rail_quad"], quad).g_siemens
    np.testing.assert_array_equal(four, [quad.g_plus, quad.g_minus, quad.g_minor_plus, quad.g_minor_minus])
    for kind in ("passive", "gated_1t1r", "gated_2t1r"):
        for rail in cell_layout(TILES[kind], c).g_siemens:
            np.testing.assert_array_equal(rail[:, 0::2], c.g_plus)
            np.testing.assert_array_equal(rail[:, 1::2], c.g_minus)


@pytest.mark.parametrize("kind", TILES)
def test_lines_of_a_column_are_read_at_its_end(kind):
    tile = TILES[kind]
    per_column = tile.lines_per_column
    ends = {"south": [False] * 3, "north": [True] * 3, "alternating": [False, True, False]}
    for end, columns in ends.items():
        array = tile.array.model_copy(update={"read_out_end": end})
        lines = lines_read_north(tile.model_copy(update={"array": array}))
        assert lines.tolist() == [north for north in columns for _ in range(per_column)]


def test_weights_fill_both_pairs_of_a_quad_alike():
    c = conductances_from_weights(TILES["rail_quad"], np.linspace(-1, 1, 24).reshape(8, 3))
    np.testing.assert_array_equal(c.g_minor_plus, c.g_plus)
    np.testing.assert_array_equal(c.g_minor_minus, c.g_minus)


def test_pairs_that_a_cell_does_not_have_are_refused(rng):
    one, two = conductances(rng, quad=False), conductances(rng, quad=True)
    with pytest.raises(InputError, match="a rail_quad cell has two pairs of memory elements, got one"):
        check_conductances(TILES["rail_quad"], one)
    for kind in ("rail_pair", "passive", "gated_1t1r"):
        with pytest.raises(InputError, match=f"a {kind} cell has one pair of memory elements, got two"):
            check_conductances(TILES[kind], two)
    with pytest.raises(InputError, match="needs both g_minor_plus and g_minor_minus"):
        Conductances(g_plus=one.g_plus, g_minus=one.g_minus, g_minor_plus=one.g_plus)

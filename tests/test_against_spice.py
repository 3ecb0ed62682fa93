"""The fast model against ngspice transients on random weights and vectors. Full scale: the largest ideal charge."""

import numpy as np
import pytest

from calibration.reference import reference_error_coulomb, reference_output
from tests.conftest import pair_tile, switch_tile
from tests.tolerances import SPICE_LINEAR, SPICE_OWN_ERROR
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, conductances_from_weights, random_ticks, random_weights
from tilemodel.model import TileModel, ideal_charge

pytestmark = pytest.mark.spice

CASES = {
    "pair, south": pair_tile(),
    "pair, alternating": pair_tile(array={"read_out_end": "alternating"}),
    "pair, north, 40 rows": pair_tile(array={"n_row": 40, "n_col": 2, "read_out_end": "north"}),
    "pair, strong IR drop": pair_tile(wires={"r_bit_line_ohm": 300.0}),
    "pair, no wires": pair_tile(wires={"r_bit_line_ohm": 0.0}),
    "pair, no capacitors": pair_tile(wires={"c_bit_line_farad": 0.0}),
    "pair, one row": pair_tile(array={"n_row": 1, "n_col": 1}),
    "switch, south": switch_tile(),
    "switch, alternating": switch_tile(array={"read_out_end": "alternating"}),
    "switch, strong IR drop": switch_tile(wires={"r_bit_line_ohm": 300.0}),
    "switch, no wires": switch_tile(wires={"r_bit_line_ohm": 0.0}),
    "switch, large capacitors": switch_tile(wires={"r_bit_line_ohm": 100.0, "c_bit_line_farad": 1e-14}),
    "switch, one row": switch_tile(array={"n_row": 1, "n_col": 1}),
}


@pytest.mark.parametrize("tile", CASES.values(), ids=CASES)
def test_fast_model_is_the_transient(tile, rng):
    c = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 3)
    reference = reference_output(tile, c, ticks)
    fast = TileModel(tile, c).mvm(ticks)
    full_scale = np.abs(ideal_charge(tile, c, ticks)).max()
    assert np.abs(fast.charge_coulomb - reference.charge_coulomb).max() < SPICE_LINEAR * full_scale
    own = reference_error_coulomb(tile, c, ticks[:1], reference.charge_line_coulomb[:1])
    assert np.abs(own).max() < SPICE_OWN_ERROR * full_scale


def test_the_wires_matter_in_these_cases(rng):
    """The bars above would mean little where the ideal MAC passes them too."""
    for name in ("pair, south", "switch, south"):
        tile = CASES[name]
        c = conductances_from_weights(tile, random_weights(tile, rng))
        ticks = random_ticks(tile, rng, 3)
        ideal = ideal_charge(tile, c, ticks)
        error = np.abs(ideal - TileModel(tile, c).mvm(ticks).charge_coulomb).max()
        assert error > 100 * SPICE_LINEAR * np.abs(ideal).max()


@pytest.mark.parametrize("tile", [CASES["pair, south"], CASES["switch, south"]], ids=["pair", "switch"])
def test_rows_at_rest_and_empty_cells(tile):
    """Zero inputs and cells of zero conductance are circuits too."""
    rng = np.random.default_rng(3)
    g_plus, g_minus = rng.uniform(0, 2.5e-5, (2, 8, 3))
    g_plus[2:4], g_minus[3:6] = 0.0, 0.0
    c = Conductances(g_plus=g_plus, g_minus=g_minus)
    ticks = np.array([[0, 127, 0, 64, 1, 0, 3, 127], [0] * 8])
    reference = reference_output(tile, c, ticks)
    error = TileModel(tile, c).mvm(ticks).charge_coulomb - reference.charge_coulomb
    assert np.abs(error).max() < SPICE_LINEAR * np.abs(reference.charge_coulomb).max()


def test_columns_do_not_notice_how_they_are_grouped(rng, monkeypatch):
    tile = pair_tile()
    c = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 1)
    together = reference_output(tile, c, ticks).charge_coulomb
    monkeypatch.setattr("spice_netlists.batch._LINES_PER_DECK", 1)
    apart = reference_output(tile, c, ticks)
    assert len(apart.provenance["deck_sha256"]) == 3
    np.testing.assert_allclose(apart.charge_coulomb, together, rtol=0, atol=1e-7 * np.abs(together).max())


def test_a_window_that_cuts_the_tail_is_told(rng):
    """Elements that the fast model does not know of may need longer: the transient itself shows it."""
    tile = pair_tile(wires={"r_bit_line_ohm": 1000.0, "c_bit_line_farad": 2e-13}, read_out={"t_tail_second": 1e-9})
    c = conductances_from_weights(tile, random_weights(tile, rng))
    with pytest.raises(InputError, match="still flows at the end of the window; raise t_tail_second"):
        reference_output(tile, c, np.full((1, 8), 127))

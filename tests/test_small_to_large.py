"""Calibrates small, predicts large: 32 rows calibrated, 512 x 16 held out (docs/studies/small_to_large has more)."""

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.procedure import calibrate
from calibration.reference import reference_output
from tests.tolerances import SMALL_TO_LARGE
from tilemodel.config.load import load_tile
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.model import ideal_charge
from tilemodel.validity import OutsideRangeWarning

STUDY = Path("docs/studies/small_to_large/results.json")


@pytest.mark.spice
@pytest.mark.parametrize("example", ["ibm_pair_512x512", "switch_512x512"])
def test_a_tile_of_512_rows_is_predicted_from_32(example, rng):
    """Nothing of the large tile is fitted; the ideal MAC is off by at least a hundred times the bar."""
    small = load_tile(f"examples/{example}.toml")
    model = calibrate(small)
    assert model.validity.n_row_max == 32
    tile = small.model_copy(update={"array": small.array.model_copy(update={"n_col": 16})})
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 1)
    with pytest.warns(OutsideRangeWarning, match=r"512 rows, 16 times the most that were calibrated \(32\)"):
        fast = model.tile_model(conductances, tile).mvm(ticks)
    spice = reference_output(tile, conductances, ticks)
    ideal = ideal_charge(tile, conductances, ticks)
    full_scale = np.abs(ideal).max()
    assert np.abs(fast.charge_coulomb - spice.charge_coulomb).max() < SMALL_TO_LARGE * full_scale
    assert np.abs(ideal - spice.charge_coulomb).max() > 100 * SMALL_TO_LARGE * full_scale
    assert np.array_equal(fast.code, spice.code)


def test_the_studys_figures_meet_the_bar_and_name_their_range():
    results = json.loads(STUDY.read_text())
    assert set(results) == {"pair", "pair, resistive", "switch", "transistor"}
    for item in results.values():
        assert item["n_row"] == 512
        assert item["calibrated_rows"] <= 64
        assert item["error_percent"] < 100 * SMALL_TO_LARGE
        assert "512 rows, 16 times" in item["warning"][0]

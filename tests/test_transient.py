"""The output that errs most, in time: its residual ends at the error that the report states for it."""

from dataclasses import replace

import numpy as np
import pytest

from reports.transient import no_transient, transient_of
from reports.transient_page import transient_facts
from reports.validation import validate
from spice_netlists.runs import Runner, RunStore
from tests.conftest import pair_tile, switch_tile
from tests.tolerances import ROUNDING
from tilemodel.config.passes import tile_passes
from tilemodel.model import TileModel

SMALL = {"n_row": 4, "n_col": 3}
TILES = {
    "pair": pair_tile(array=SMALL),
    "two lines a column": switch_tile(array=SMALL),
    "passes": pair_tile(array=SMALL, drive={"coding": "split", "split_low_bits": 4}),
}
MIRROR = {"kind": "mirror", "ratio": 0.5, "c_integration_farad": 1e-12, "r_reset_ohm": 1e3, "r_clamp_ohm": 0.0}


@pytest.mark.spice
@pytest.mark.parametrize("name", TILES)
def test_the_residual_ends_at_the_worst_outputs_error(name):
    validation = validate(TILES[name], n_vec=2)
    transient = validation.transient
    assert transient is not None
    error = validation.fast.charge_coulomb - validation.reference.charge_coulomb
    place = (transient.vector, transient.column)
    assert np.abs(error).max() == np.abs(error[place])
    assert transient.n_pass == len(tile_passes(validation.tile, validation.ticks))
    if transient.n_pass == 1:
        largest = np.abs(validation.reference.charge_coulomb).max()
        assert transient.residual_coulomb[-1] == pytest.approx(error[place], abs=10 * ROUNDING * largest)
    facts = transient_facts(validation)
    assert facts["residual_at_end_percent_full_scale"] == pytest.approx(
        100 * transient.residual_coulomb[-1] / validation.accuracy.full_scale_coulomb
    )
    assert transient.spice_ampere.shape == transient.model_ampere.shape == transient.time_second.shape


@pytest.mark.spice
def test_the_residuals_of_all_passes_make_the_error(monkeypatch):
    """Each pass is shown in its turn, by making it the only one that counts."""
    tile, found = TILES["passes"], []
    with Runner("threads") as runner:
        validation = validate(tile, n_vec=1, runner=runner)
        passes, column = tile_passes(tile, validation.ticks), validation.transient.column
        model = TileModel(tile, validation.conductances)
        for shown in passes:
            alone = [replace(drive, factor=drive.factor * (drive is shown)) for drive in passes]
            monkeypatch.setattr("reports.transient.tile_passes", lambda *_, alone=alone: alone)
            transient = transient_of(model, validation.ticks, 0, column, runner=runner)
            assert passes[transient.pass_index] is shown
            found.append(shown.factor * transient.residual_coulomb[-1])
    error = (validation.fast.charge_coulomb - validation.reference.charge_coulomb)[0, column]
    largest = np.abs(validation.reference.charge_coulomb).max()
    assert sum(found) == pytest.approx(error, abs=10 * ROUNDING * largest)


@pytest.mark.spice
def test_waveforms_come_from_the_store(tmp_path, monkeypatch):
    store = RunStore(tmp_path)
    with Runner("threads", store=store) as runner:
        validation = validate(TILES["pair"], n_vec=1, runner=runner)
        assert len(store.keys()) == 2  # the vector, and the same with halved tolerances
        monkeypatch.setattr("spice_netlists.runs.runner.execute", None)  # nothing is simulated
        model = TileModel(validation.tile, validation.conductances)
        again = transient_of(model, validation.ticks, 0, validation.transient.column, runner=runner)
    np.testing.assert_array_equal(again.spice_ampere, validation.transient.spice_ampere)


def test_read_outs_without_a_course_in_time_say_so():
    assert no_transient(TILES["pair"]) is None
    assert "behind a mirror read-out" in no_transient(pair_tile(read_out={"circuit": MIRROR}))
    assert "cuts the tail" in no_transient(pair_tile(read_out={"window": "cut"}))

"""Calibration as an instrument: embed a known truth, calibrate, recover it within the stated confidence."""

import numpy as np
import pytest
from scipy import stats

from calibration.experiment import design_experiment
from calibration.fit import Observation, fit_parameters
from calibration.procedure import calibrate, starting_point
from tests.conftest import pair_tile, switch_tile
from tests.tolerances import SPICE_TRANSISTOR, relative
from tilemodel.compact import load_model, save_model
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile
from tilemodel.model import TileModel
from tilemodel.parameters import DrivenParameters, GatedParameters
from tilemodel.validity import OutsideRangeWarning

TRANSISTOR = load_tile("examples/sky130_32x8.toml")
TRUTHS = {
    "pair": (
        pair_tile(),
        DrivenParameters(
            r_bit_line_ohm=2.3,
            r_row_ohm=0.0,
            v_read_volt=0.19,
            v_clamp_volt=0.402,
            g_factor=1.0,
            device_curvature_per_volt2=0.0,
            polarity_asymmetry=0.0,
        ),
    ),
    "switch": (
        switch_tile(),
        GatedParameters.of_switch(r_bit_line_ohm=2.2, r_access_ohm=950.0).model_copy(
            update={"q_pulse_coulomb_per_siemens": 1e-12}
        ),
    ),
    "transistor": (
        TRANSISTOR,
        GatedParameters(
            r_bit_line_ohm=0.33,
            r_access_ohm=800.0,
            r_access_slope_ohm_per_ampere=9e5,
            q_pulse_coulomb=3e-16,
            q_pulse_coulomb_per_siemens=-4e-12,
            q_pulse_coulomb_per_siemens2=3e-8,
            c_pulse_farad=5e-16,
        ),
    ),
}


def noisy_observations(tile, truth, noise, rng):
    """Charges that the truth gives in the designed experiment, with noise relative to each condition's largest."""
    observations = []
    for condition in design_experiment(tile, rng):
        exact = TileModel(condition.tile, condition.conductances, truth).charges(condition.ticks)
        noisy = exact + noise * np.abs(exact).max() * rng.standard_normal(exact.shape)
        observations.append(Observation(condition=condition, charge_line_coulomb=noisy))
    return observations


@pytest.mark.parametrize("name", TRUTHS)
def test_intervals_cover_the_truth_as_often_as_they_say(name, rng):
    """95 % intervals over 100 trials: each parameter's coverage within what chance allows (1e-6 a tail)."""
    tile, truth = TRUTHS[name]
    start, scales = starting_point(tile)
    start = start.model_copy(update={"r_bit_line_ohm": tile.wires.r_bit_line_ohm})
    covered = np.zeros(len(scales))
    n_trial = 100
    for _ in range(n_trial):
        observations = noisy_observations(tile, truth, 1e-5, rng)
        fit = fit_parameters(observations, start, scales)
        n_free = sum(item.charge_line_coulomb.size for item in observations) - len(scales)
        reach = stats.t.ppf(0.975, n_free) * fit.standard_error
        error = np.array([getattr(fit.parameters, n) - getattr(truth, n) for n in fit.fitted])
        covered += np.abs(error) <= reach
    low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n_trial, 0.95)
    assert np.all(covered >= low), covered
    assert np.all(covered <= high), covered


@pytest.mark.parametrize("name", TRUTHS)
def test_without_noise_the_truth_comes_back_exactly(name, rng):
    tile, truth = TRUTHS[name]
    start, scales = starting_point(tile)
    fit = fit_parameters(noisy_observations(tile, truth, 0.0, rng), start, scales)
    for parameter in fit.fitted:
        assert getattr(fit.parameters, parameter) == relative(getattr(truth, parameter), 1e-5)


def test_parameters_that_the_data_cannot_tell_apart_are_named(rng):
    """At one clamp voltage and without IR drop a charge and a capacitance are the same thing."""
    tile, truth = TRUTHS["transistor"]
    tile = tile.model_copy(update={"wires": tile.wires.model_copy(update={"r_bit_line_ohm": 0.0})})
    start, scales = starting_point(tile)
    observations = noisy_observations(tile, truth.model_copy(update={"r_bit_line_ohm": 0.0}), 1e-6, rng)[:2]
    with pytest.raises(InputError, match="cannot tell q_pulse_coulomb and c_pulse_farad apart"):
        fit_parameters(observations, start, scales)


def test_a_parameter_without_effect_is_named(rng):
    tile, truth = TRUTHS["switch"]
    observations = noisy_observations(tile, truth, 1e-6, rng)
    silent = [
        Observation(
            condition=type(item.condition)(**{**vars(item.condition), "ticks": np.zeros_like(item.condition.ticks)}),
            charge_line_coulomb=np.full_like(item.charge_line_coulomb, 1e-15),
        )
        for item in observations
    ]
    with pytest.raises(InputError, match="the data do not depend on"):
        fit_parameters(silent, *starting_point(tile))


def test_too_few_observations_are_refused(rng):
    tile, truth = TRUTHS["switch"]
    item = noisy_observations(tile, truth, 0.0, rng)[0]
    few = Observation(condition=item.condition, charge_line_coulomb=item.charge_line_coulomb[:, :3])
    with pytest.raises(InputError, match="cannot determine 3 parameters"):
        fit_parameters([few], *starting_point(tile))


@pytest.mark.spice
@pytest.mark.parametrize("name", ["pair", "switch"])
def test_from_ngspice_the_circuits_own_values_come_back(name, tmp_path):
    """The deck's resistances are the truth; the simulator's error is all the noise there is."""
    tile, _ = TRUTHS[name]
    model = calibrate(tile)
    truth = {"r_bit_line_ohm": 2.0, "v_read_volt": 0.2, "v_clamp_volt": 0.4005, "r_access_ohm": 880.0}
    for parameter in model.fit.fitted:
        if parameter in truth:
            assert getattr(model.parameters, parameter) == relative(truth[parameter], 2e-4)
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model
    save_model(calibrate(tile), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "model.json").read_bytes()


SAMPLED = {
    "mirror": {"kind": "mirror", "r_clamp_ohm": 20.0, "ratio": 0.25, "c_integration_farad": 2e-12, "r_reset_ohm": 1.0},
    "integrator": {
        "kind": "integrator",
        "c_integration_farad": 10e-12,
        "open_loop_gain": 2000.0,
        "unity_gain_hertz": 2e10,
        "swing_volt": 1.0,
        "r_reset_ohm": 1.0,
    },
}


@pytest.mark.spice
@pytest.mark.parametrize("kind", SAMPLED)
def test_tiles_whose_output_is_sampled_calibrate_too(kind, tmp_path):
    """No current is left to look at when the window ends: only an output's voltage is kept."""
    read_out = {"t_tail_second": 2e-9, "circuit": SAMPLED[kind]}
    tile = pair_tile(array={"n_row": 4, "n_col": 1}, drive={"input_bits": 4}, read_out=read_out)
    model = calibrate(tile)
    assert [item.residual_current_fraction for item in model.provenance.conditions] == [None]
    assert model.parameters.v_read_volt == relative(0.2, 2e-4)
    save_model(model, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == model


@pytest.mark.spice
@pytest.mark.sky130
def test_transistors_calibrated_on_32_rows_hold_on_others():
    """The real thing: SKY130 transistors, other weights, vectors and number of rows, IR drop raised to 3 %."""
    from reports.validation import validate

    model = calibrate(TRANSISTOR)
    assert model.parameters.r_access_ohm == relative(873, 0.01)  # one transistor alone in ngspice
    array = TRANSISTOR.array.model_copy(update={"n_row": 48, "n_col": 2, "read_out_end": "alternating"})
    with pytest.warns(OutsideRangeWarning, match=r"48 rows, 1\.5 times the most that were calibrated \(32\)"):
        held_out = validate(TRANSISTOR.model_copy(update={"array": array}), model, n_vec=2)
    assert held_out.accuracy.max_error_percent_full_scale < 100 * SPICE_TRANSISTOR
    assert held_out.accuracy.ideal_max_error_percent_full_scale > 1
    assert held_out.accuracy.max_code_difference_lsb <= 1

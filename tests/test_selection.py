"""Model selection: where a simpler model explains the data as well the fit says so, and else it does not."""

import numpy as np
import pytest
from scipy import stats

from calibration.experiment import Design, design_experiment
from calibration.fit import Observation, fit_parameters
from calibration.free_parameters import parameter_space
from calibration.measured import MeasuredData
from calibration.measured_fit import fit_measured
from calibration.measured_model import calibrate_measured, fit_lines
from calibration.measured_selection import select_measured
from calibration.procedure import starting_point
from calibration.selection import SIGNIFICANCE, select_parameters, selection_lines
from tests.conftest import pair_tile, switch_tile
from tests.test_calibration import TRUTHS
from tests.test_measured import exact
from tests.tolerances import ROUNDING, relative
from tilemodel.compact import load_model, save_model
from tilemodel.model import TileModel
from tilemodel.selection import ModelSelection

NOISE = 1e-5
SMALL = Design(n_row=8, n_col=4)
PAIR, PAIR_TRUTH = TRUTHS["pair"]


def selected(tile, truth, rng, noise=NOISE) -> ModelSelection:
    """What the selection says of a fit to charges of `truth` with noise."""
    start, scales = starting_point(tile)
    observations = []
    for item in design_experiment(tile, rng, SMALL):
        charge = TileModel(item.tile, item.conductances, truth).charges(item.ticks)
        charge = charge + noise * np.abs(charge).max() * rng.standard_normal(charge.shape)
        observations.append(Observation(condition=item, charge_line_coulomb=charge))
    return select_parameters(tile, observations, fit_parameters(observations, start, scales), scales)


def alone(selection, name):
    return next(item for item in selection.without_one if list(item.held) == [name])


def test_a_true_simpler_model_is_rejected_as_seldom_as_stated(rng):
    """The clamp and the read voltage are as the tile file says, the wire is not: over 120 trials the F-test keeps a
    parameter that is not needed in 5 % (what chance allows at 1e-6 a tail), and never drops the one that is."""
    truth = PAIR_TRUTH.model_copy(update={"v_read_volt": 0.2, "v_clamp_volt": 0.4005})
    n_trial, rejected, better = 120, np.zeros(2), 0
    for _ in range(n_trial):
        found = selected(PAIR, truth, rng)
        items = [alone(found, name) for name in ("v_read_volt", "v_clamp_volt")]
        rejected += [not item.suffices for item in items]
        better += items[0].held_out_rms < found.held_out_rms
        assert not alone(found, "r_bit_line_ohm").suffices
        assert found.simplest is None or "r_bit_line_ohm" not in found.simplest.held
    low, high = stats.binom.ppf([1e-6, 1 - 1e-6], n_trial, SIGNIFICANCE)
    assert np.all((rejected >= low) & (rejected <= high)), rejected
    # held out, the simpler model predicts better wherever the estimate is within about 1.4 errors of the truth
    assert better > 0.6 * n_trial


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("q_pulse_coulomb_per_siemens", {"q_pulse_coulomb_per_siemens": 1e-13}),
        ("r_access_ohm", {}),
        ("v_clamp_volt", {}),
        ("v_read_volt", {}),
    ],
)
def test_a_parameter_that_acts_is_kept(name, changes, rng):
    tile, truth = (PAIR, PAIR_TRUTH) if name.startswith("v_") else TRUTHS["switch"]
    found = selected(tile, truth.model_copy(update=changes), rng, NOISE if name.startswith("v_") else 1e-7)
    item = alone(found, name)
    assert not item.suffices
    assert item.p_value < 1e-3
    assert item.held_out_rms > found.held_out_rms
    assert item.aicc_change > 0
    assert found.simplest is None or name not in found.simplest.held


def test_a_simpler_model_without_possible_values_says_so(rng):
    """Without its charge the wire's resistance would have to be negative."""
    tile, truth = TRUTHS["switch"]
    found = selected(tile, truth.model_copy(update={"q_pulse_coulomb_per_siemens": 1e-11}), rng)
    item = alone(found, "q_pulse_coulomb_per_siemens")
    assert (item.p_value, item.suffices) == (None, False)
    assert any("q_pulse_coulomb_per_siemens = 0" in line and "no possible" in line for line in selection_lines(found))


def test_all_that_is_not_needed_is_dropped_together(rng):
    """Two parameters at their ideal values: the simplest model has both, and says so."""
    truth = PAIR_TRUTH.model_copy(update={"v_read_volt": 0.2, "v_clamp_volt": 0.4005})
    found = [selected(PAIR, truth, rng) for _ in range(20)]
    both = [item for item in found if item.simplest is not None and len(item.simplest.held) == 2]
    assert len(both) >= 14  # 95 % of 20; fewer than 14 with a chance of 3e-5
    assert both[0].simplest.held == {"v_read_volt": 0.2, "v_clamp_volt": 0.4005}
    assert selection_lines(both[0])[-1].startswith("a simpler model explains the data as well: v_")


def test_the_f_value_is_the_square_of_student_t(rng):
    """One parameter less in a linear model: F = (value / standard error)^2, here of the clamp's offset."""
    tile = PAIR
    start, scales = starting_point(tile)
    (item,) = design_experiment(tile, rng, SMALL)
    charge = TileModel(item.tile, item.conductances, PAIR_TRUTH).charges(item.ticks)
    charge = charge + 1e-3 * np.abs(charge).max() * rng.standard_normal(charge.shape)
    observations = [Observation(condition=item, charge_line_coulomb=charge)]
    start = start.model_copy(update={"r_bit_line_ohm": 0.0})
    del scales["r_bit_line_ohm"]
    fit = fit_parameters(observations, start, scales)
    found = select_parameters(tile, observations, fit, scales)
    t = (fit.parameters.v_clamp_volt - 0.4005) / fit.standard_error[1]
    assert alone(found, "v_clamp_volt").f_value == relative(t**2, 1e-6)
    assert fit.leverage.sum() == relative(2.0, 100 * ROUNDING)


def test_leaving_an_output_out_is_what_a_fit_without_it_predicts():
    """The held-out error in closed form against refits, each without one output."""
    tile = switch_tile(array={"n_row": 12, "n_col": 4})
    data = exact(tile, r_access_ohm=950.0)
    space = parameter_space(tile)
    fit = fit_measured(data, space)
    errors = []
    for place in np.ndindex(data.values.shape):
        values = data.values.copy()
        values[place] = np.nan
        less = MeasuredData(
            name="less", quantity=data.quantity, values=values, conductances=data.conductances, ticks=data.ticks
        )
        refit = fit_measured(less, space)
        model = TileModel(refit.tile, data.conductances, refit.parameters)
        errors.append((model.charges(data.ticks)[place] - data.values[place]) / np.abs(data.values).max())
    found = select_measured(space, fit)
    assert found.held_out_rms == relative(np.sqrt(np.mean(np.square(errors))), 1e-3)


def test_of_measured_data_the_file_and_the_terminal_say_it(tmp_path):
    """A row driver that resists is kept, an offset that is not there is not needed."""
    tile = pair_tile(array={"n_row": 12, "n_col": 4})
    names = ["wires.r_driver_ohm", "v_clamp_volt"]
    with_driver = calibrate_measured(tile, exact(tile, wires__r_driver_ohm=400.0), fit=names)
    assert with_driver.fit.selection.simplest.held == {"v_clamp_volt": 0.4005}
    assert not alone(with_driver.fit.selection, "wires.r_driver_ohm").suffices
    lines = fit_lines(with_driver)
    assert "a simpler model explains the data as well: v_clamp_volt = 0.4005" in lines
    save_model(with_driver, tmp_path / "model.json")
    assert load_model(tmp_path / "model.json") == with_driver

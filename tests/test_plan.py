"""Planning a calibration: the precision and time predicted are those that come; what cannot be told is named."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from calibration.cost import cost_of_runs
from calibration.experiment import Design, design_experiment
from calibration.fit import Observation, fit_parameters
from calibration.plan import candidate_designs, plan_calibration, predicted_precision
from calibration.plan_lines import plan_lines
from calibration.procedure import calibrate, starting_point
from spice_netlists.runs import Runner, RunStore
from tests.conftest import switch_tile
from tests.test_calibration import TRUTHS, noisy_observations
from tests.tolerances import relative
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile
from tilemodel.model import TileModel
from tilemodel_cli.main import main

# Drive of 4 bits: runs of a few milliseconds
QUICK = switch_tile(array={"n_row": 4, "n_col": 1}, drive={"input_bits": 4})


@pytest.mark.parametrize("name", TRUTHS)
def test_fits_scatter_as_the_plan_predicts(name, rng):
    """40 fits to a truth with known noise: standard deviations of 40 draws are within 0.4 of the true ones at
    3.5 sigma; the rest of the factor of 1.6 is for predicting at values that differ from the truth."""
    tile, truth = TRUTHS[name]
    start, scales = starting_point(tile)
    truth = truth.model_copy(update={"r_bit_line_ohm": start.r_bit_line_ohm})
    start = start.model_copy(update={"r_access_ohm": 900.0}) if hasattr(start, "r_access_ohm") else start
    noise, values = 1e-5, []
    conditions = design_experiment(tile, np.random.default_rng(1), Design(n_row=8, n_col=6))
    for _ in range(40):
        observations = []
        for item in conditions:
            exact = TileModel(item.tile, item.conductances, truth).charges(item.ticks)
            scatter = noise * np.abs(exact).max() * rng.standard_normal(exact.shape)
            observations.append(Observation(condition=item, charge_line_coulomb=exact + scatter))
        fit = fit_parameters(observations, truth, scales)
        values.append([getattr(fit.parameters, parameter) for parameter in fit.fitted])
    predicted, _, inseparable = predicted_precision(conditions, start, scales, noise)
    assert inseparable == ()
    assert np.std(values, axis=0, ddof=1) == relative(predicted, 0.6)


def test_more_draws_of_inputs_are_worth_more(rng):
    """Four times the vectors halve the errors, within what other random inputs do."""
    tile, truth = TRUTHS["switch"]
    _, scales = starting_point(tile)
    errors = [
        predicted_precision(design_experiment(tile, rng, Design(n_draw=n)), truth, scales, 1e-6)[0] for n in (4, 16)
    ]
    assert errors[1] == relative(errors[0] / 2, 0.3)


def test_the_usual_experiment_stays_what_it_was(rng):
    """The first candidate, and an experiment without a design, draw the same numbers."""
    tile, truth = TRUTHS["transistor"]
    assert candidate_designs(tile)[0] == Design()
    usual = noisy_observations(tile, truth, 0.0, np.random.default_rng(3))
    for item, other in zip(usual, design_experiment(tile, np.random.default_rng(3), Design()), strict=True):
        assert item.condition.name == other.name
        assert item.condition.tile == other.tile
        assert np.array_equal(item.condition.ticks, other.ticks)


def test_what_one_voltage_cannot_tell_is_named():
    """A charge and a capacitance at a single clamp voltage, without IR drop; the others are still predicted."""
    tile, truth = TRUTHS["transistor"]
    tile = tile.model_copy(update={"wires": tile.wires.model_copy(update={"r_bit_line_ohm": 0.0})})
    _, scales = starting_point(tile)
    conditions = design_experiment(tile, np.random.default_rng(0), Design(low_read_fractions=()))
    error, _, inseparable = predicted_precision(
        conditions, truth.model_copy(update={"r_bit_line_ohm": 0.0}), scales, 1e-6
    )
    assert inseparable == (("q_pulse_coulomb", "c_pulse_farad"),)
    lost = np.isinf(error)
    assert [name for name, missing in zip(scales, lost, strict=True) if missing] == ["q_pulse_coulomb", "c_pulse_farad"]
    assert np.all(error[~lost] > 0)


def test_the_cost_model_finds_the_law_that_times_came_from(rng):
    """The three constants of runs that obey them exactly come back, and predict a larger run."""
    tile, _ = TRUTHS["switch"]
    small, larger, target = (
        design_experiment(tile, rng, Design(n_row=n_row, n_col=n_col))[0] for n_row, n_col in ((4, 1), (8, 4), (32, 8))
    )

    def run(item, factor=1):
        base = item.tile.t_window_second(item.tile.drive.n_tick_max) / (0.25 * item.tile.drive.t_lsb_second)
        step = factor * (base + 40 * (1 + np.unique(item.ticks).size))
        cells = 2 * item.conductances.g_plus.size
        return SimpleNamespace(n_step=(step,), wall_second=(0.5 + cells * (1e-3 + 1e-6 * step),))

    cost = cost_of_runs([(small, run(small)), (larger, run(larger))], run(larger, 2))
    assert cost.start_second == relative(0.5, 1e-6)
    assert cost.per_cell_second == relative(1e-3, 1e-6)
    assert cost.second(target) == relative(run(target).wall_second[0], 1e-6)
    assert cost.second(target, refined=True) == relative(run(target, 2).wall_second[0], 1e-6)


@pytest.mark.spice
def test_a_plan_says_what_calibrate_then_does(store):
    """The decks are those that are simulated, the errors those that the fit states within a factor of 2; stored runs
    are free."""
    with Runner("threads", processes=2, store=RunStore(store)) as runner:
        plan = plan_calibration(QUICK, runner=runner)
        model = calibrate(QUICK, runner=runner)
        again = plan_calibration(QUICK, runner=runner)
    simulated = [deck for item in model.provenance.conditions for deck in item.deck_sha256]
    assert [deck for item in plan.batches[1:] for deck in item.deck_sha256] == simulated
    assert plan.elapsed_second > 0
    assert all(item.n_stored == 0 for item in plan.batches)
    assert again.elapsed_second == 0
    assert all(item.n_stored == len(item.deck_sha256) for item in again.batches)
    ratio = plan.chosen.standard_error / np.array(model.fit.standard_error)
    assert np.all((ratio > 0.5) & (ratio < 2)), ratio


@pytest.mark.spice
def test_the_cheapest_experiment_that_is_precise_enough_is_taken(store):
    with Runner("threads", processes=2, store=RunStore(store)) as runner:
        usual = plan_calibration(QUICK, runner=runner)
        assert usual.chosen.design == Design()
        bar = float(np.median([item.percent.max() for item in usual.candidates]))
        plan = plan_calibration(QUICK, runner=runner, precision_percent=bar)
        with pytest.raises(InputError, match=r"no experiment determines every parameter to 1e-12 %; the best \("):
            plan_calibration(QUICK, runner=runner, precision_percent=1e-12)
    assert plan.chosen.percent.max() <= bar
    assert all(item.percent.max() > bar for item in plan.candidates if item.second < plan.chosen.second)
    assert any("<- chosen" in line and str(plan.chosen.design) in line for line in plan_lines(plan))
    mixed = ("r_access_ohm", "q_pulse_coulomb_per_siemens")
    told = plan_lines(dataclasses.replace(plan, chosen=dataclasses.replace(plan.chosen, inseparable=(mixed,))))
    assert any(line.startswith("r_access_ohm") and line.endswith("not determined") for line in told)
    assert (
        f"cannot be told apart: {' and '.join(mixed)}; what would: vectors of short pulses beside vectors of long ones"
    ) in told


def test_a_read_out_in_transistors_is_not_planned():
    tile = load_tile("examples/circuits/read_out_sky130.toml")
    with Runner("threads", processes=1) as runner, pytest.raises(InputError, match="plan the tile with an ideal clamp"):
        plan_calibration(tile, runner=runner)


@pytest.mark.spice
def test_the_command_line_plans_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tile.toml").write_text('name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 2\nn_col = 1\n')
    assert main(["calibrate", "tile.toml", "--plan"]) == 0
    said = capsys.readouterr().out
    for words in ("experiment: 32 x 8", "basis: a pilot of", "expected precision", "r_bit_line_ohm", "<- chosen"):
        assert words in said
    assert [path.name for path in tmp_path.iterdir()] == ["tile.toml"]
    assert main(["calibrate", "tile.toml"]) == 2
    assert "-o MODEL.json is missing" in capsys.readouterr().err
    assert main(["calibrate", "tile.toml", "--plan", "--data", "x.npz"]) == 2
    assert "with --data there are none" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["calibrate", "tile.toml", "--precision", "0"])

"""Compensation of IR drop at programming: effective matrices against the model, limits, robustness; cheap remedies."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from tests.conftest import pair_tile, switch_tile
from tests.tolerances import COMPENSATED, LEAST_SQUARES, ROUNDING
from tilemodel import InputError, TileModel, compensate, conductances_from_weights, remedies
from tilemodel.compensation import operating_activity
from tilemodel.config.operands import Conductances, load_conductances, random_ticks, random_weights
from tilemodel.model import ideal_charge
from tilemodel_cli.main import main

PASSIVE = {"kind": "passive", "v_common_volt": 0.4, "v_read_volt": 0.2}
QUAD = {"kind": "rail_quad", "v_common_volt": 0.4, "v_read_volt": 0.2, "significance": 3.0}
OHMIC = {"kind": "linear", "polarity_asymmetry": 0.0}


def long_tile(n_row=128, n_col=8, r_ohm=1.0, **tables):
    return pair_tile(
        array={"n_row": n_row, "n_col": n_col, "read_out_end": "alternating"},
        wires={"r_bit_line_ohm": r_ohm, **tables.pop("wires", {})},
        **tables,
    )


def cells(kind, **wires):
    cell = None if kind == "rail_pair" else {**(PASSIVE if kind == "passive" else QUAD), "device": OHMIC}
    return long_tile(wires=wires, **({} if cell is None else {"cell": cell}))


def effective(tile, conductances):
    return remedies.effective_weights(TileModel(tile, conductances))


@pytest.mark.parametrize("kind", ["rail_pair", "rail_quad", "passive"])
@pytest.mark.parametrize("rows", [{}, {"r_row_ohm": 0.5, "r_driver_ohm": 20.0}], ids=["ideal rows", "mesh"])
def test_effective_matrix_is_the_wanted_one(kind, rows, rng):
    tile = cells(kind, **rows)
    w = random_weights(tile, rng)
    result = compensate(w, tile, scale="fit")
    assert result.uncompensated_rms > 0.02
    np.testing.assert_allclose(effective(tile, result.conductances), result.scale * w, atol=COMPENSATED, rtol=0)
    assert result.residual_rms < COMPENSATED
    assert not result.clipped.any()
    assert result.scale.min() < 1


def test_with_the_sums_held_one_solution_is_exact(rng):
    tile = cells("rail_pair")
    w = random_weights(tile, rng)
    result, plain = compensate(w, tile, scale="fit", sums="held"), conductances_from_weights(tile, w)
    assert result.n_round == 1
    assert result.residual_rms < 10 * np.finfo(float).eps
    assert not result.clipped.any()
    total = result.conductances.g_plus + result.conductances.g_minus
    np.testing.assert_allclose(total, plain.g_plus + plain.g_minus, rtol=ROUNDING)
    assert result.conductances.g_minus.min() >= tile.conductance.g_min_siemens


def test_rounds_contract_by_the_ir_drop(rng, monkeypatch):
    """512 rows of IBM's tile: after 8 rounds, what the shared facts say (7e-11)."""
    tile = long_tile(n_row=512, r_ohm=0.15)
    monkeypatch.setattr("tilemodel.compensation._MAX_ROUND", 8)
    result = compensate(0.8 * random_weights(tile, rng), tile)
    assert result.uncompensated_rms > 0.05
    assert result.residual_rms < 1e-9


def test_within_the_range(rng):
    tile = cells("passive")
    result = compensate(random_weights(tile, rng), tile)
    for g in result.conductances.arrays().values():
        assert g.min() >= tile.conductance.g_min_siemens
        assert g.max() <= tile.conductance.g_max_siemens * (1 + ROUNDING)
    assert result.clipped.any()
    assert 0 < result.residual_rms < result.uncompensated_rms
    assert (result.headroom[result.clipped.any(axis=0)] < 1).all()


@pytest.mark.parametrize("kind", ["rail_pair", "rail_quad", "passive"])
def test_where_the_range_clips_it_is_the_least_squares(kind, rng):
    """Against a general solver over all differences of conductances within their range."""
    cell = {} if kind == "rail_pair" else {"cell": {**(PASSIVE if kind == "passive" else QUAD), "device": OHMIC}}
    tile = pair_tile(wires={"r_bit_line_ohm": 100.0}, **cell)
    w = np.where(rng.random((8, 3)) < 0.5, 1, -1) * rng.uniform(0.3, 1.0, (8, 3))
    result = compensate(w, tile)
    assert result.clipped.any()

    def residual(x):
        return (effective(tile, conductances_from_weights(tile, x.reshape(w.shape))) - w).ravel()

    best = least_squares(residual, 0.9 * w.ravel(), bounds=(-1, 1), xtol=1e-12, ftol=1e-12, gtol=1e-12)
    assert np.sum(result.residual**2) == pytest.approx(2 * best.cost, rel=LEAST_SQUARES)


def test_gated_tile_around_its_operating_point(rng):
    """What is left of the charges' error, event by event, is its state-dependent part."""
    tile = switch_tile(array={"n_row": 64, "n_col": 4}, wires={"r_bit_line_ohm": 0.5})
    w, ticks = random_weights(tile, rng), random_ticks(tile, rng, 30)
    plain = conductances_from_weights(tile, w)
    ideal = ideal_charge(tile, plain, ticks)
    result = compensate(w, tile, scale="fit", activity=operating_activity(tile, ticks))

    def error(conductances, scale=1.0):
        return np.std(TileModel(tile, conductances).mvm(ticks).charge_coulomb / scale - ideal) / np.std(ideal)

    assert error(result.conductances, result.scale) < 0.1 * error(plain)
    assert result.residual_rms < COMPENSATED


def test_activity_seen_by_a_row_that_is_on():
    """Uniform pulses that start together: 2/3 of another row's pulse; single ticks: all of it."""
    tile = switch_tile(array={"n_row": 127, "n_col": 1})
    ticks = np.stack([np.roll(np.arange(1, 128), k) for k in range(127)])
    np.testing.assert_allclose(operating_activity(tile, ticks), 2 / 3, rtol=0.01)
    np.testing.assert_allclose(operating_activity(tile, np.ones((1, 127), dtype=np.int64)), 1.0)


def test_programming_noise_is_not_amplified(rng):
    """Conductances missed by 1 % of the range: compensated, their error is all that is left, and no larger."""
    tile = long_tile(n_row=256, n_col=16, r_ohm=0.5)
    w = random_weights(tile, rng)
    result = compensate(w, tile, scale="fit")

    def missed(c, seed):
        draw = np.random.default_rng(seed)
        noise = [0.01 * 25e-6 * draw.standard_normal(g.shape) for g in (c.g_plus, c.g_minus)]
        return Conductances(g_plus=np.maximum(c.g_plus + noise[0], 0.0), g_minus=np.maximum(c.g_minus + noise[1], 0.0))

    ideal_wires = long_tile(n_row=256, n_col=16, r_ohm=0.0)
    plain = conductances_from_weights(tile, w)
    of_noise = np.std(effective(ideal_wires, missed(plain, 1)) - w)
    uncompensated = np.std(effective(tile, missed(plain, 1)) - w)
    compensated = np.std(effective(tile, missed(result.conductances, 1)) / result.scale - w)
    assert uncompensated > 2 * of_noise
    assert compensated < 1.15 * of_noise


def test_remedies_each_take_some_of_the_error(rng):
    tile = long_tile(n_row=256, n_col=16, r_ohm=0.5).model_copy(
        update={"array": long_tile(256, 16).array.model_copy(update={"read_out_end": "south"})}
    )
    w = random_weights(tile, rng) * np.linspace(0.1, 1.0, 256)[rng.permutation(256)][:, np.newaxis]
    got = effective(tile, conductances_from_weights(tile, w))
    x = rng.uniform(-1, 1, (200, 256))
    without = np.std(x @ got - x @ w)
    gains = remedies.column_gains(x @ w, x @ got)
    assert np.std(gains * (x @ got) - x @ w) < without
    rows = remedies.row_gains(w, got)
    assert np.std((x * rows) @ got - x @ w) < 0.5 * without
    u, v = remedies.low_rank_correction(w, got, 4)
    assert np.std(x @ got + (x @ u) @ v - x @ w) < without
    order = remedies.rows_by_magnitude(w, tile)
    assert sorted(order) == list(range(256))
    sorted_rows = effective(tile, conductances_from_weights(tile, w[order]))
    assert np.std(x[:, order] @ sorted_rows - x @ w) < without
    short = remedies.split_rows(tile, 64)
    parts = [effective(short, conductances_from_weights(short, w[k : k + 64])) for k in range(0, 256, 64)]
    assert np.std(x @ np.concatenate(parts) - x @ w) < 0.2 * without


def test_largest_rows_lie_nearest_to_the_read_out():
    w = np.array([[0.5], [0.1], [0.9], [0.3], [0.7], [0.0], [0.2], [0.4]])
    south, north = pair_tile(), pair_tile(array={"read_out_end": "north"})
    both = pair_tile(array={"read_out_end": "alternating"})
    assert remedies.rows_by_magnitude(w, south)[-1] == 2
    assert remedies.rows_by_magnitude(w, north)[0] == 2
    order = remedies.rows_by_magnitude(w, both)
    assert {order[0], order[-1]} == {2, 4}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 1.5}, "scale: expected 'fit' or a number"),
        ({"activity": 0.5}, "activity is for gated cells"),
        ({"tolerance": np.nan}, "tolerance: expected 0 up to below 1"),
        ({"weights": np.full((8, 3), 1.5)}, "lies outside"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    given = {"weights": np.zeros((8, 3)), **arguments}
    with pytest.raises(InputError, match=message):
        compensate(given.pop("weights"), pair_tile(), **given)


def test_refusals_name_the_tile():
    zero = np.zeros((8, 3))
    with pytest.raises(InputError, match="give activity"):
        compensate(zero, switch_tile())
    with pytest.raises(InputError, match=r"from 0 to 1, got 1\.5"):
        compensate(zero, switch_tile(), activity=1.5)
    with pytest.raises(InputError, match="sums = 'held'"):
        compensate(zero, switch_tile(), activity=0.5, sums="held")
    sinh = {"kind": "sinh", "v_sinh_volt": 0.3, "polarity_asymmetry": 0.0}
    with pytest.raises(InputError, match="only linear tiles"):
        compensate(zero, pair_tile(cell={"device": sinh}))


def test_command_writes_what_mvm_reads(tmp_path, capsys, rng):
    file = tmp_path / "tile.toml"
    file.write_text('name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 32\nn_col = 4\n')
    w = 0.5 * rng.uniform(-1, 1, (32, 4))
    np.savetxt(tmp_path / "w.csv", w, delimiter=",")
    output = tmp_path / "g.npz"
    assert main(["compensate", str(file), "--weights", str(tmp_path / "w.csv"), "-o", str(output)]) == 0
    assert "0 of 128 cells clipped" in capsys.readouterr().out
    from tilemodel import load_tile

    tile = load_tile(file)
    np.testing.assert_allclose(effective(tile, load_conductances(tile, output)), w, atol=COMPENSATED)


def test_command_says_what_is_wrong(tmp_path, capsys):
    file = tmp_path / "w.csv"
    file.write_text("1,2\n3,x\n")
    status = main(["compensate", "examples/ibm_pair_64x16.toml", "--weights", str(file), "-o", str(tmp_path / "g.npz")])
    assert status == 2
    assert "comma-separated numbers" in capsys.readouterr().err

"""Waveforms as data of a calibration: integrated over the window, they tell what the circuit is."""

import numpy as np
import pytest

from calibration.measured import read_measured
from calibration.measured_model import calibrate_measured, fit_lines
from calibration.waveforms import charges_of_waveforms
from spice_netlists.batch import vector_waveforms
from spice_netlists.runs import Runner
from tests.conftest import pair_tile
from tests.tolerances import ROUNDING, SPICE_LINEAR, relative
from tilemodel.config.errors import InputError
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.config.passes import tile_passes
from tilemodel.model import TileModel
from tilemodel.time_course import time_course

SIZE = {"n_row": 6, "n_col": 2}
WRONG = pair_tile(array=SIZE)
TRUTH = pair_tile(array=SIZE, wires={"r_bit_line_ohm": 60.0})
SPLIT = pair_tile(array=SIZE, drive={"coding": "split", "split_low_bits": 4})
WINDOW = WRONG.t_window_second(WRONG.drive.n_tick_max)


def operands(tile, rng, n_vec=4):
    return conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, n_vec)


def saved(path, conductances, ticks, time, current, **more):
    np.savez(path, **conductances.arrays(), ticks=ticks, time_second=time, current_ampere=current, **more)
    return path


def course(tile, conductances, ticks, n_time):
    """Currents [n_vec, n_pass, n_line, n_time] of the fast model, evenly sampled, and the times."""
    time = np.linspace(0.0, tile.t_window_second(tile.drive.n_tick_max), n_time)
    model = TileModel(tile, conductances)
    passes = [model.currents(drive) for drive in tile_passes(tile, ticks)]
    courses = [
        [time_course(tile.drive, currents, vector, time).current_ampere.T for currents in passes]
        for vector in range(len(ticks))
    ]
    return time, np.array(courses)


def test_a_synthetic_course_recovers_the_wires_within_the_interval(tmp_path, rng):
    """Noise of the samples, not of the charges; the interval by t holds the truth."""
    conductances, ticks = operands(TRUTH, rng, 12)
    time, current = course(TRUTH, conductances, ticks, 4001)
    current = current[:, 0] + 1e-3 * np.abs(current).max() * rng.standard_normal(current[:, 0].shape)
    data = read_measured(WRONG, saved(tmp_path / "w.npz", conductances, ticks, time, current))
    exact = TileModel(TRUTH, conductances).mvm(ticks).charge_line_coulomb
    assert data.values == relative(exact, 0.0, floor=3 * data.integration_error_coulomb)
    model = calibrate_measured(WRONG, data, fit=["r_bit_line_ohm"])
    more = model.fit.measured
    assert more.interval_low[0] < 60.0 < more.interval_high[0]
    assert more.interval_high[0] - more.interval_low[0] < 20.0
    assert more.integration_error_coulomb == data.integration_error_coulomb > 0
    assert any("integrals of waveforms" in line for line in fit_lines(model))


@pytest.mark.spice
def test_waveforms_of_ngspice_recover_the_wires_within_the_interval(tmp_path, rng):
    """Each run has its own time points: straight lines to the union of all keep the trapezoid's integrals."""
    conductances, ticks = operands(TRUTH, rng)
    waves = []
    with Runner(processes=1) as runner:
        for vector, column in np.ndindex(len(ticks), 2):
            ((deck, run),) = vector_waveforms(TRUTH, conductances, ticks[vector], column=column, runner=runner)
            waves.append((run.time_second, deck.charge_sign * run.sensed[run.lines.index(column)]))
    time = np.unique(np.concatenate([times for times, _ in waves]))
    current = np.array([np.interp(time, *wave) for wave in waves]).reshape(len(ticks), 2, -1)
    data = read_measured(WRONG, saved(tmp_path / "w.npz", conductances, ticks, time, current))
    trapezoids = np.reshape([np.trapezoid(values, times) for times, values in waves], (len(ticks), 2))
    assert data.values == relative(trapezoids, 1e-9)
    more = calibrate_measured(WRONG, data, fit=["r_bit_line_ohm"]).fit.measured
    assert more.interval_low[0] < 60.0 < more.interval_high[0]
    assert more.value[0] == relative(60.0, 1e-3)
    assert more.largest < SPICE_LINEAR * np.abs(data.values).max()


def test_a_csv_gives_the_charges_of_the_npz(tmp_path, rng):
    conductances, ticks = operands(SPLIT, rng)
    time, current = course(SPLIT, conductances, ticks, 301)
    npz = read_measured(SPLIT, saved(tmp_path / "w.npz", conductances, ticks, time, current))
    lines = ["vector,pass,line,time_second,current_ampere"]
    for vector, number, line in np.ndindex(current.shape[:3]):
        samples = zip(time.tolist(), current[vector, number, line].tolist(), strict=True)
        if (vector, number, line) != (1, 0, 1):
            lines += [f"{vector},{number},{line},{t!r},{i!r}" for t, i in samples]
    (tmp_path / "w.csv").write_text("\n".join(lines))
    np.savez(tmp_path / "g.npz", **conductances.arrays())
    np.save(tmp_path / "x.npy", ticks)
    csv = read_measured(SPLIT, tmp_path / "w.csv", weights=tmp_path / "g.npz", inputs=tmp_path / "x.npy")
    assert np.isnan(csv.values[1, 1])
    measured = np.isfinite(csv.values)
    assert measured.sum() == csv.values.size - 1
    assert csv.values[measured] == relative(npz.values[measured], ROUNDING)


def test_passes_have_their_own_windows_and_factors(rng):
    """The sum of both passes of a split input is the model's charge: each within its window, the high one 16-fold."""
    conductances, ticks = operands(SPLIT, rng)
    time, current = course(SPLIT, conductances, ticks, 20001)
    found = charges_of_waveforms(SPLIT, ticks, time, current, "test")
    exact = TileModel(SPLIT, conductances).mvm(ticks).charge_line_coulomb
    assert found.charge_line_coulomb == relative(exact, 0.0, floor=1e-4 * np.abs(exact).max())
    assert np.abs(found.charge_line_coulomb - exact).max() <= found.error_coulomb


def test_the_error_is_that_of_a_parabola(rng):
    """Of t^2 the trapezoid errs by T h^2 / 6, and by four times that with every second sample."""
    time = np.linspace(0.0, WINDOW, 1001)
    current = np.broadcast_to(time**2, (1, 2, time.size))
    found = charges_of_waveforms(WRONG, np.zeros((1, 6), dtype=int), time, current, "test")
    h = time[1]
    assert found.error_coulomb == relative(3 * WINDOW * h**2 / 6, 1e-6)
    assert found.charge_line_coulomb - WINDOW**3 / 3 == relative(np.full((1, 2), WINDOW * h**2 / 6), 1e-6)


def test_the_windows_ends_lie_between_samples(rng):
    """A straight line is integrated exactly wherever the samples are; what lies outside the window is left out."""
    time = np.sort(rng.uniform(-0.2 * WINDOW, 1.2 * WINDOW, 50))
    current = np.broadcast_to(1.0 + 3.0 * time / WINDOW, (1, 2, 50))
    found = charges_of_waveforms(WRONG, np.zeros((1, 6), dtype=int), time, current, "test")
    assert found.charge_line_coulomb == relative(np.full((1, 2), 2.5 * WINDOW), ROUNDING)
    assert found.error_coulomb < ROUNDING * WINDOW


def _changed(array, place, value):
    array = np.array(array, dtype=float)
    array[place] = value
    return array


TIME = np.linspace(0.0, WINDOW, 11)
CURRENT = np.ones((2, 2, 11))


@pytest.mark.parametrize(
    ("time", "current", "message"),
    [
        (TIME * 0.9, CURRENT, r"covers 0 to .* 10 samples inside the window of 0 to .* must be covered"),
        (TIME + 0.1 * WINDOW, CURRENT, "must be covered"),
        (np.linspace(-WINDOW, 2 * WINDOW, 11), CURRENT, "3 samples inside .* 4 samples at least"),
        (_changed(TIME, 3, TIME[2]), CURRENT, "time_second must rise"),
        (TIME[::-1], CURRENT, "time_second must rise"),
        (_changed(TIME, 3, np.nan), CURRENT, "time_second holds values that are no numbers"),
        (TIME[None], CURRENT, r"time_second: expected \[n_time\], got \[1, 11\]"),
        (TIME, CURRENT[:, :1], r"expected \[n_vec, n_line, n_time\] = \[2, 2, 11\], got \[2, 1, 11\]"),
        (TIME, CURRENT[:, None], r"got \[2, 1, 2, 11\]"),
        (TIME, _changed(CURRENT, (0, 1, 4), np.nan), "nan in a part of a waveform"),
        (TIME, _changed(CURRENT, (0, 1, 4), np.inf), "infinite values"),
    ],
)
def test_wrong_waveforms_are_refused(tmp_path, rng, time, current, message):
    conductances, ticks = operands(WRONG, rng, 2)
    with pytest.raises(InputError, match=message):
        read_measured(WRONG, saved(tmp_path / "w.npz", conductances, ticks, time, current))


def test_waveforms_that_mean_something_else_are_refused(tmp_path, rng):
    conductances, ticks = operands(WRONG, rng, 2)
    path = saved(tmp_path / "w.npz", conductances, ticks, TIME, CURRENT, charge_line_coulomb=np.ones((2, 2)))
    with pytest.raises(InputError, match="leave one of them out"):
        read_measured(WRONG, path)
    with pytest.raises(InputError, match=r"expected \[n_vec, n_pass, n_line, n_time\] = \[2, 2, 2, 11\]"):
        read_measured(SPLIT, saved(tmp_path / "w.npz", conductances, ticks, TIME, CURRENT))
    mirror = {"kind": "mirror", "r_clamp_ohm": 1e3, "ratio": 0.1, "c_integration_farad": 1e-12, "r_reset_ohm": 1e3}
    mirrored = pair_tile(array=SIZE, read_out={"circuit": mirror})
    with pytest.raises(InputError, match="not mirror"):
        read_measured(mirrored, path)
    np.savez(tmp_path / "w.npz", **conductances.arrays(), ticks=ticks, current_ampere=CURRENT)
    with pytest.raises(InputError, match="needs time_second"):
        read_measured(WRONG, tmp_path / "w.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vector,time_second,current_ampere\n", "need columns vector, line, time_second, current_ampere"),
        ("vector,line,time_second,current_ampere\n0,2,0,1\n", "line 2: line: expected a whole number from 0 to 1"),
        ("vector,line,time_second,current_ampere\n0,1,0,x\n", "line 2: current_ampere: expected a number"),
        ("vector,line,time_second,current_ampere\n0,1,0,1\n", "vector 0, line 1: time_second covers 0 to 0 s"),
    ],
)
def test_a_wrong_csv_is_refused(tmp_path, rng, text, message):
    conductances, ticks = operands(WRONG, rng, 2)
    np.savez(tmp_path / "g.npz", **conductances.arrays())
    np.save(tmp_path / "x.npy", ticks)
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_measured(WRONG, tmp_path / "w.csv", weights=tmp_path / "g.npz", inputs=tmp_path / "x.npy")

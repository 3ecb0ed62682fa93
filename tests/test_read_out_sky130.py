"""The transistor-level read-out: it converts, its clamp holds, and its code follows the charge alone."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.experiment import Design
from calibration.procedure import calibrate
from calibration.reference import reference_output
from spice_netlists.deck import tile_circuit_lines
from spice_netlists.errors import SimulatorError
from spice_netlists.ngspice import find_ngspice
from spice_netlists.rawfile import read_raw
from spice_netlists.read_outs import RampReadOut
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.config.passes import tile_passes
from tilemodel.config.tile import TileConfig

READ_OUT = RampReadOut()
T_START, T_LSB, T_EDGE = 1e-9, 10e-9, 50e-12
T_END = T_START + 127 * T_LSB + T_EDGE
# A clock period is 0.189 pC of the line's charge
COUNT_COULOMB = READ_OUT.t_clock_second / 21.14e3


def simulate(folder: Path, body: list[str], saved: list[str]) -> NDArray[np.float64]:
    """Time and `saved` vectors, one a row."""
    stop = READ_OUT.t_stop_second(T_END)
    deck = [
        "* read-out",
        *(f'.include "{path}"' for path in READ_OUT.model_files),
        READ_OUT.text,
        *READ_OUT.control_lines(t_start_second=T_START, t_end_second=T_END),
        *body,
        ".options reltol=1e-4 abstol=1e-12 vntol=1e-7 chgtol=1e-16",
        f".save {' '.join(saved)}",
        f".tran 5n {stop:.12g} 0 5n",
        ".end",
    ]
    folder.mkdir(exist_ok=True)
    (folder / "deck.cir").write_text("\n".join(deck))
    (folder / ".spiceinit").write_text("set num_threads=1\n")  # several threads only wait for each other
    environment = {**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = [str(find_ngspice()), "-b", "-r", "out.raw", "deck.cir"]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=True)
    return read_raw(folder / "out.raw", ["time", *saved])


def pulse(conductance_siemens: float, n_tick: int) -> list[str]:
    """A line of one conductance for `n_tick` ticks, with the read-out."""
    end = T_START + n_tick * T_LSB
    return [
        f"Vy y 0 PWL(0 0 {T_START} 0 {T_START + T_EDGE} {conductance_siemens} "
        f"{end:.12g} {conductance_siemens} {end + T_EDGE:.12g} 0)",
        "Bline c0 0 I=v(y)*v(c0)",
        "Cline c0 0 15f",
        *READ_OUT.line_lines(0),
    ]


def convert(folder: Path, conductance_siemens: float, n_tick: int) -> tuple[float, float, NDArray[np.float64]]:
    """Charge, time to the trip, and time and voltage of the bit line."""
    time, volt, current, out = simulate(
        folder, pulse(conductance_siemens, n_tick), ["v(c0)", "i(vclamp0)", READ_OUT.saved_vector(0)]
    )
    trip = READ_OUT.trip_second(time, out, t_end_second=T_END)
    return -float(np.trapezoid(current, time)), trip, np.array([time, volt])


@pytest.fixture(scope="module")
def transfer(tmp_path_factory: pytest.TempPathFactory) -> NDArray[np.float64]:
    """Charge and time to the trip of lines that conduct for the whole window."""
    folder = tmp_path_factory.mktemp("transfer")
    points = [convert(folder / str(k), y, 127)[:2] for k, y in enumerate(np.linspace(0, 190e-6, 9))]
    return np.array(points).T


@pytest.mark.spice
@pytest.mark.sky130
class TestCircuit:
    def test_the_code_rises_with_the_charge_and_is_linear(self, transfer):
        charge, trip = transfer
        assert charge[-1] > 47e-12
        assert (np.diff(trip) > 20 * READ_OUT.t_clock_second).all()
        line, parabola = (trip - np.polyval(np.polyfit(charge * 1e12, trip, n), charge * 1e12) for n in (1, 2))
        assert np.abs(line).max() < 0.6 * READ_OUT.t_clock_second
        assert np.abs(parabola).max() < 0.1 * READ_OUT.t_clock_second

    def test_a_clock_period_is_the_documented_charge(self, transfer):
        charge, trip = transfer
        per_count = np.diff(charge) / np.diff(trip) * READ_OUT.t_clock_second
        np.testing.assert_allclose(per_count, COUNT_COULOMB, rtol=0.02)

    @pytest.mark.parametrize(("microsiemens", "n_tick"), [(50, 100), (400, 40), (1200, 15)])
    def test_the_clamp_holds_the_line(self, tmp_path, microsiemens, n_tick):
        _, _, (time, volt) = convert(tmp_path, microsiemens * 1e-6, n_tick)
        settled = (time > T_START + 6e-9) & (time < T_START + n_tick * T_LSB)
        assert np.abs(volt[settled] - READ_OUT.v_clamp_volt).max() < 4e-3

    def test_charge_decides_not_the_waveform(self, tmp_path, transfer):
        """Lines of three to six times the conductance for a shorter time: as the others of their charge."""
        law = np.polyfit(transfer[0] * 1e12, transfer[1], 2)
        for name, microsiemens, n_tick in (("a", 300, 20), ("b", 300, 70), ("c", 600, 30)):
            charge, trip, _ = convert(tmp_path / name, microsiemens * 1e-6, n_tick)
            assert abs(trip - np.polyval(law, charge * 1e12)) < 0.5 * READ_OUT.t_clock_second

    def test_too_much_charge_ends_at_the_counters_end(self, tmp_path):
        time, out = simulate(tmp_path, pulse(1e-3, 127), [READ_OUT.saved_vector(0)])
        assert READ_OUT.trip_second(time, out, t_end_second=T_END) == np.inf
        assert READ_OUT.code_from_waveforms(time, out, t_end_second=T_END) == READ_OUT.count_max

    def test_it_reads_a_tile_of_transistors(self, tmp_path, transfer, rng):
        tile = load_tile("examples/sky130_32x8.toml")
        charge, trip = read_tile(tmp_path, tile, rng)
        law = np.polyfit(transfer[0] * 1e12, transfer[1], 2)
        error = (trip - np.polyval(law, charge * 1e12)) / READ_OUT.t_clock_second
        assert (charge > 5e-12).all()
        assert np.abs(error).max() < 0.15


@pytest.mark.spice
@pytest.mark.sky130
def test_a_calibrated_read_out_is_predicted_within_one_code(rng):
    """Calibrate on fewer rows than the real experiment, then codes of other weights and vectors."""
    example = load_tile("examples/circuits/read_out_sky130.toml")
    tile = example.model_copy(update={"array": example.array.model_copy(update={"n_row": 12, "n_col": 3})})
    model = calibrate(tile, design=Design(n_row=12, n_col=4))
    conductances, ticks = conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, 3)
    reference = reference_output(tile, conductances, ticks)
    fast = model.tile_model(conductances).mvm(ticks)
    assert np.ptp(reference.code) > 20
    assert 100 * np.mean(np.abs(fast.code - reference.code) <= 1) >= 99.5


def read_tile(folder: Path, tile: TileConfig, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    """Charge and time to the trip of the first column's two lines, for a random vector."""
    conductances = conductances_from_weights(tile, random_weights(tile, rng))
    pulses = tile_passes(tile, random_ticks(tile, rng, 1))[0].pulses(0)
    parts = tile_circuit_lines(tile, conductances, pulses, columns=[0])
    body = [line for line in parts.sources if not line.startswith("Vclamp")] + parts.body
    saved = []
    for line in parts.lines:
        body += READ_OUT.line_lines(line)
        saved += [f"i(vclamp{line})", READ_OUT.saved_vector(line)]
    time, *vectors = simulate(folder, body, saved)
    charge = [-np.trapezoid(current, time) for current in vectors[::2]]
    return np.array(charge), np.array([READ_OUT.trip_second(time, out, t_end_second=T_END) for out in vectors[1::2]])


class TestCounting:
    def test_between_samples(self):
        start, stop = READ_OUT.ramp_start_second(T_END), READ_OUT.t_stop_second(T_END)
        time = np.array([0.0, start, start + 98e-9, start + 102e-9, stop])
        out = np.array([1.8, 0.0, 0.0, 1.8, 1.8])
        assert READ_OUT.trip_second(time, out, t_end_second=T_END) == pytest.approx(100e-9, rel=1e-9)
        late = RampReadOut(t_clock_second=10.5e-9, count_max=100)
        assert late.code_from_waveforms(np.append(time, 1e-5), np.append(out, 1.8), t_end_second=T_END) == 9

    def test_a_trip_before_the_ramp_and_a_short_run_are_refused(self):
        stop = READ_OUT.t_stop_second(T_END)
        with pytest.raises(SimulatorError, match="below the threshold"):
            READ_OUT.trip_second(np.array([0.0, stop]), np.array([1.8, 1.8]), t_end_second=T_END)
        with pytest.raises(SimulatorError, match="the run ended at"):
            READ_OUT.trip_second(np.array([0.0, stop / 2]), np.zeros(2), t_end_second=T_END)

    def test_settings_without_sense_are_refused(self):
        with pytest.raises(InputError, match="later than"):
            READ_OUT.control_lines(t_start_second=0.5e-9, t_end_second=T_END)
        for bad in ({"count_max": 0}, {"t_clock_second": 0.0}, {"t_settle_second": 0.0}):
            with pytest.raises(InputError, match="must be positive"):
                RampReadOut(**bad)

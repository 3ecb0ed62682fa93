"""The exported sub-circuits in ngspice: their charges are the model's."""

import dataclasses
import re
import subprocess

import numpy as np
import pytest

from spice_netlists.batch import simulate
from spice_netlists.ngspice import find_ngspice
from spice_netlists.vacask import run_vacask
from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of
from tests.tolerances import SPICE_LINEAR, VERILOG_A
from tilemodel.config.errors import InputError
from tilemodel.exports import TARGETS

_SIGMAS = ("access_resistance_sigma", "mirror_ratio_sigma", "adc_gain_sigma", "adc_unit_capacitor_sigma")
CLAMP_OFFSETS = {
    "seed": 1,
    **dict.fromkeys((*_SIGMAS, "adc_offset_sigma_lsb"), 0.0),
    "clamp_offset_sigma_volt": 1e-3,
}
TILES = {
    "clamp offsets": pair_tile(wires={"r_bit_line_ohm": 5.0}, mismatch=CLAMP_OFFSETS),
    "pair": pair_tile(),
    "wires that matter": pair_tile(wires={"r_bit_line_ohm": 5.0}),
    "split": pair_tile(drive={"coding": "split", "split_low_bits": 3}),
    "switch": switch_tile(),
    "switch, wires that matter": switch_tile(wires={"r_bit_line_ohm": 5.0}),
}


def bench_charges(export, folder):
    """Charges that the bench prints, by pass, vector and line."""
    for name, text in export.files.items():
        (folder / name).write_text(text)
    command = [str(find_ngspice()), "-n", "-b", "bench.cir"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    found = re.findall(r"^q_(\d+)_(\d+)_(\d+)\s*=\s*(\S+)", done.stdout, re.MULTILINE)
    return {tuple(int(index) for index in indices): float(charge) for *indices, charge in found}


@pytest.mark.spice
@pytest.mark.parametrize("name", TILES)
def test_sub_circuits_give_the_models_charges(name, tmp_path):
    probe = probe_of(TILES[name], n_vec=3)
    found = bench_charges(TARGETS["ngspice"](probe), tmp_path)
    outputs = probe.programmed.passes(probe.ticks)
    expected = np.stack([output.charge_line_coulomb for output in outputs])
    assert len(found) == expected.size
    errors = [abs(charge - expected[index]) for index, charge in found.items()]
    assert max(errors) < SPICE_LINEAR * np.abs(expected).max()


@pytest.mark.spice
@pytest.mark.parametrize("name", ["wires that matter", "switch, wires that matter"])
def test_sub_circuits_give_the_whole_circuits_charges(name, tmp_path):
    probe = probe_of(TILES[name], n_vec=2)
    found = bench_charges(TARGETS["ngspice"](probe), tmp_path)
    whole = simulate(probe.tile, probe.conductances, probe.ticks).charge_line_coulomb
    charges = np.array([found[0, *index] for index in np.ndindex(whole.shape)]).reshape(whole.shape)
    assert np.abs(charges - whole).max() < SPICE_LINEAR * np.abs(whole).max()


@pytest.mark.spice
def test_curved_access_and_pulse_charges_give_what_is_predicted(tmp_path):
    probe = probe_of(TILES["switch, wires that matter"], n_vec=3)
    fitted = probe.model.parameters.model_copy(
        update={"r_access_slope_ohm_per_ampere": 1e7, "q_pulse_coulomb": 1e-16, "c_pulse_farad": 1e-16}
    )
    probe = dataclasses.replace(probe, model=probe.model.model_copy(update={"parameters": fitted}))
    export = TARGETS["ngspice"](probe)
    assert "charge at pulse ends" in [loss.quantity for loss in export.losses]
    found, predicted = bench_charges(export, tmp_path), export.predict(probe)
    pairs = predicted.shape[1]
    charges = np.array([found[0, *index] for index in np.ndindex(3, pairs * 2)]).reshape(3, pairs, 2)
    charges = charges[..., 0] - charges[..., 1]
    assert np.abs(charges - predicted).max() < SPICE_LINEAR * np.abs(charges).max()


def test_tiles_without_a_sub_circuit_are_refused():
    curved = pair_tile(cell={"device": {"kind": "sinh", "v_sinh_volt": 0.5, "polarity_asymmetry": 0.0}})
    with pytest.raises(InputError, match="ngspice export"):
        TARGETS["ngspice"](probe_of(curved))


def test_a_cut_window_is_refused():
    with pytest.raises(InputError, match="whole tail"):
        TARGETS["ngspice"](probe_of(pair_tile(read_out={"window": "cut"})))


def test_clamp_offsets_on_rows_with_resistance_are_refused():
    offsets = pair_tile(wires={"r_row_ohm": 1.0}, mismatch=CLAMP_OFFSETS)
    with pytest.raises(InputError, match="clamp offsets"):
        TARGETS["ngspice"](probe_of(offsets))


@pytest.mark.vacask
@pytest.mark.parametrize("name", ["pair", "wires that matter", "split", "clamp offsets"])
def test_verilog_a_modules_give_the_models_charges(name):
    probe = probe_of(TILES[name], n_vec=3)
    files = dict(TARGETS["verilog-a"](probe).files)
    bench = files.pop("bench.sim")
    expected = np.stack([output.charge_line_coulomb for output in probe.programmed.passes(probe.ticks)])
    windows = re.findall(r"^// window (\d+) (\d+) (\S+) (\S+)", bench, re.MULTILINE)
    sources = [f"vclamp{line}" for line in range(expected.shape[-1])]
    waves = run_vacask(bench, save=sources, t_stop_second=float(windows[-1][3]), timeout_second=120, files=files)
    time, current = waves.time_second, waves.sensed
    steps = np.diff(time) * (current[:, 1:] + current[:, :-1]) / 2
    area = np.concatenate([np.zeros((len(current), 1)), np.cumsum(steps, axis=1)], axis=1)
    for number, vector, begin, end in windows:
        edges = [float(begin), float(end)]
        charge = [np.diff(np.interp(edges, time, line))[0] for line in area]
        errors = np.abs(np.array(charge) - expected[int(number), int(vector)])
        assert errors.max() < VERILOG_A * np.abs(expected).max()


def test_gated_tiles_are_sent_from_verilog_a_to_ngspice():
    with pytest.raises(InputError, match="--to ngspice"):
        TARGETS["verilog-a"](probe_of(TILES["switch"]))

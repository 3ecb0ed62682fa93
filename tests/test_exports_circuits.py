"""The exported sub-circuits in ngspice: their charges are the model's."""

import dataclasses
import re
import subprocess

import numpy as np
import pytest

from spice_netlists.batch import simulate
from spice_netlists.ngspice import find_ngspice
from spice_netlists.vacask import find_vacask
from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of
from tests.tolerances import SPICE_LINEAR, VERILOG_A
from tilemodel.config.errors import InputError
from tilemodel.conversion import converter_bank
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


CONVERTERS = {
    "oscillator": {"kind": "cco", "f_hertz_per_ampere": 6.24e14, "phase_cycle": 0.3, "count_max": 400},
    "curved oscillator": {
        "kind": "cco",
        "f_hertz_per_ampere": 6.24e14,
        "i_half_ampere": 5e-5,
        "phase_cycle": 0.0,
        "count_max": 4000,
    },
    "linear": {
        "kind": "linear",
        "adc_bits": 10,
        "charge_full_scale_coulomb": 2e-13,
        "gain": 1.03,
        "offset_lsb": 2.4,
        "inl_lsb": [0.0, 5.0, -3.0, 0.0],
    },
    "ramp": {
        "kind": "ramp",
        "adc_bits": 9,
        "charge_full_scale_coulomb": 2e-13,
        "gain": 1.02,
        "ramp_curvature": 0.05,
        "offset_lsb": 0.3,
    },
    "sar": {"kind": "sar", "adc_bits": 9, "charge_full_scale_coulomb": 2e-13, "offset_lsb": 0.3},
}
MISMATCH = {
    "seed": 3,
    **dict.fromkeys((*_SIGMAS, "clamp_offset_sigma_volt"), 0.0),
    "adc_gain_sigma": 0.02,
    "adc_offset_sigma_lsb": 2.0,
}


def printed(export, folder, name="q"):
    """What the bench prints, by pass, vector and line."""
    for file, text in export.files.items():
        (folder / file).write_text(text)
    if export.target == "ngspice":
        command = [str(find_ngspice()), "-n", "-b", "bench.cir"]
    else:
        command = [str(find_vacask()), "-n", "1", "bench.sim"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    found = re.findall(rf"^{name}_(\d+)_(\d+)_(\d+)\s*=\s*(\S+)", done.stdout, re.MULTILINE)
    return {tuple(int(index) for index in indices): float(value) for *indices, value in found}


def line_codes(probe):
    """The model's codes by pass, vector and line, and the levels that they are of."""
    bank, passes = converter_bank(probe.tile), probe.programmed.passes(probe.ticks)
    if bank.input == "current":
        return np.stack([bank.codes_of_cycles(output.cycle_line.copy()) for output in passes])
    return np.stack([bank.codes(output.charge_line_coulomb) for output in passes])


def check_codes(found, probe):
    """Equal but for levels at an edge, which the simulators' tolerances shift."""
    expected = line_codes(probe)
    assert len(found) == expected.size
    off = np.array([code - expected[index] for index, code in found.items()])
    assert np.ptp(expected) > 50
    assert np.abs(off - np.rint(off)).max() < 1e-6
    assert np.abs(off).max() <= 1
    assert (np.abs(off) > 0.5).mean() < 0.02


@pytest.mark.spice
@pytest.mark.parametrize("name", TILES)
def test_sub_circuits_give_the_models_charges(name, tmp_path):
    probe = probe_of(TILES[name], n_vec=3)
    found = printed(TARGETS["ngspice"](probe), tmp_path)
    outputs = probe.programmed.passes(probe.ticks)
    expected = np.stack([output.charge_line_coulomb for output in outputs])
    assert len(found) == expected.size
    errors = [abs(charge - expected[index]) for index, charge in found.items()]
    assert max(errors) < SPICE_LINEAR * np.abs(expected).max()


@pytest.mark.spice
@pytest.mark.parametrize("name", ["wires that matter", "switch, wires that matter"])
def test_sub_circuits_give_the_whole_circuits_charges(name, tmp_path):
    probe = probe_of(TILES[name], n_vec=2)
    found = printed(TARGETS["ngspice"](probe), tmp_path)
    whole = simulate(probe.tile, probe.conductances, probe.ticks).charge_line_coulomb
    charges = np.array([found[0, *index] for index in np.ndindex(whole.shape)]).reshape(whole.shape)
    assert np.abs(charges - whole).max() < SPICE_LINEAR * np.abs(whole).max()


@pytest.mark.parametrize(
    ("target", "slope", "cell"),
    [
        pytest.param("ngspice", 1e7, "POLY(2)", marks=pytest.mark.spice),
        pytest.param("ngspice", 1e8, "sqrt", marks=pytest.mark.spice),
        pytest.param("verilog-a", 1e8, "sqrt", marks=pytest.mark.vacask),
    ],
)
def test_curved_access_and_pulse_charges_give_what_is_predicted(target, slope, cell, tmp_path):
    probe = probe_of(TILES["switch, wires that matter"], n_vec=3)
    fitted = probe.model.parameters.model_copy(
        update={"r_access_slope_ohm_per_ampere": slope, "q_pulse_coulomb": 1e-16, "c_pulse_farad": 1e-16}
    )
    probe = dataclasses.replace(probe, model=probe.model.model_copy(update={"parameters": fitted}))
    export = TARGETS[target](probe)
    assert "charge at pulse ends" in [loss.quantity for loss in export.losses]
    assert cell in export.files["tile.va" if target == "verilog-a" else "tile.sub"]
    found, predicted = printed(export, tmp_path), export.predict(probe)
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
@pytest.mark.parametrize(
    "name", ["pair", "wires that matter", "split", "clamp offsets", "switch", "switch, wires that matter"]
)
def test_verilog_a_modules_give_the_models_charges(name, tmp_path):
    probe = probe_of(TILES[name], n_vec=3)
    found = printed(TARGETS["verilog-a"](probe), tmp_path)
    expected = np.stack([output.charge_line_coulomb for output in probe.programmed.passes(probe.ticks)])
    assert len(found) == expected.size
    errors = [abs(charge - expected[index]) for index, charge in found.items()]
    assert max(errors) < VERILOG_A * np.abs(expected).max()


@pytest.mark.spice
@pytest.mark.parametrize("name", CONVERTERS)
@pytest.mark.parametrize("kind", ["pair", "switch"])
def test_ngspice_converters_give_the_models_codes(name, kind, tmp_path):
    make = {"pair": pair_tile, "switch": switch_tile}[kind]
    probe = probe_of(make(adc=CONVERTERS[name], mismatch=MISMATCH), n_vec=4)
    check_codes(printed(TARGETS["ngspice"](probe), tmp_path, "code"), probe)


@pytest.mark.vacask
@pytest.mark.parametrize("name", CONVERTERS)
@pytest.mark.parametrize("kind", ["pair", "switch"])
def test_verilog_a_converters_give_the_models_codes(name, kind, tmp_path):
    make = {"pair": pair_tile, "switch": switch_tile}[kind]
    probe = probe_of(make(adc=CONVERTERS[name], mismatch=MISMATCH), n_vec=4)
    check_codes(printed(TARGETS["verilog-a"](probe), tmp_path, "code"), probe)


def test_mismatched_capacitors_are_listed():
    mismatch = {**MISMATCH, "adc_unit_capacitor_sigma": 0.1}
    export = TARGETS["ngspice"](probe_of(pair_tile(adc=CONVERTERS["sar"], mismatch=mismatch), n_vec=20))
    assert next(loss for loss in export.losses if "capacitors" in loss.quantity).errors.max_lsb >= 1


CURVED = pair_tile(cell={"device": {"kind": "sinh", "v_sinh_volt": 0.5, "polarity_asymmetry": 0.0}})


@pytest.mark.parametrize(
    ("tile", "remedy"),
    [
        (pair_tile(wires={"r_row_ohm": 2.0}), "take --to ngspice, which couples"),
        (CURVED, "take --to json"),
    ],
)
def test_verilog_a_refuses_with_what_there_is_for_each_tile(tile, remedy):
    probe = probe_of(tile)
    with pytest.raises(InputError, match=remedy) as refused:
        TARGETS["verilog-a"](probe)
    other = "ngspice" if "ngspice" in str(refused.value) else "json"
    assert TARGETS[other](probe).files

"""The exported sub-circuits in ngspice: their charges are the model's."""

import re
import subprocess

import numpy as np
import pytest

from spice_netlists.batch import simulate
from spice_netlists.ngspice import find_ngspice
from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of
from tests.tolerances import SPICE_LINEAR
from tilemodel.config.errors import InputError
from tilemodel.exports import TARGETS

TILES = {
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


def test_tiles_without_a_sub_circuit_are_refused():
    curved = pair_tile(cell={"device": {"kind": "sinh", "v_sinh_volt": 0.5, "polarity_asymmetry": 0.0}})
    with pytest.raises(InputError, match="ngspice export"):
        TARGETS["ngspice"](probe_of(curved))


def test_a_cut_window_is_refused():
    with pytest.raises(InputError, match="whole tail"):
        TARGETS["ngspice"](probe_of(pair_tile(read_out={"window": "cut"})))

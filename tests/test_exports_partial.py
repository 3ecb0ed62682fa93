"""Exports to MemTorch and NeuroSim: names that they have, and what is said of the rest."""

import json
import runpy
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of
from tests.test_exports_crosssim import passive_tile
from tests.tolerances import ROUNDING
from tilemodel.exports import TARGETS
from tilemodel.model import ideal_charge

GOLDEN = Path(__file__).parent / "golden"
PARAM_CPP = "Param::Param() {{\n{}\n\tif (memcelltype == 1) {{\n\t\tcellBit = 1;\n\t}}\n}}\n"


def known(target):
    return json.loads((GOLDEN / f"{target}_fields.json").read_text())


def values_of(target, tile):
    export = TARGETS[target](probe_of(tile))
    return json.loads(export.files[f"{target}.json"]), export


@pytest.mark.parametrize("tile", [pair_tile(), switch_tile(), passive_tile(r_row_ohm=3.0)])
@pytest.mark.parametrize("target", ["memtorch", "neurosim"])
def test_every_name_is_one_of_the_targets(target, tile):
    values, _ = values_of(target, tile)
    for group in set(known(target)) - {"source", "what"}:
        assert values[group].keys() <= set(known(target)[group])


def test_memtorch_without_rows_is_the_ideal_mac_and_says_so():
    tile = pair_tile(wires={"r_bit_line_ohm": 20.0})
    values, export = values_of("memtorch", tile)
    probe = probe_of(tile)
    assert values["patch_model"]["transistor"] is True
    assert np.array_equal(export.predict(probe), ideal_charge(tile, probe.conductances, probe.ticks))
    lost = next(loss for loss in export.losses if loss.quantity == "bit line wires")
    assert lost.errors.max_percent > 0.1


def test_memtorch_with_equal_wires_is_our_mesh_of_one_column():
    """One bit line a crossbar: nothing that G+ and G- could share but the row's driver, which is next to nothing."""
    tile = passive_tile(r_bit_line_ohm=10.0, r_row_ohm=1e-3)
    values, export = values_of("memtorch", tile)
    probe = probe_of(tile)
    assert values["patch_model"]["line_resistance"] == 10.0
    scale = np.abs(probe.charge_coulomb).max()
    too_many_row_wires = np.abs(export.predict(probe) - probe.charge_coulomb).max() / scale
    assert 0 < too_many_row_wires < 0.05


def test_neurosim_rounds_weights_to_half_a_step_at_most():
    probe = probe_of(pair_tile())
    _, export = values_of("neurosim", pair_tile())
    ideal = ideal_charge(probe.tile, probe.conductances, probe.ticks)
    g, drive = probe.tile.conductance, probe.tile.drive
    unit = (g.g_max_siemens - g.g_min_siemens) * probe.tile.v_read_volt * drive.t_lsb_second
    most = np.abs(probe.ticks).sum(axis=1, keepdims=True) * unit / 255
    assert np.all(np.abs(export.predict(probe) - ideal) <= most * (1 + ROUNDING))


def test_the_script_sets_the_first_assignment_only(tmp_path):
    _, export = values_of("neurosim", switch_tile())
    for name, text in export.files.items():
        (tmp_path / name).write_text(text)
    script = runpy.run_path(str(tmp_path / "set_neurosim_param.py"))
    names = script["VALUES"]["param_cpp"]
    changed = script["with_values"](PARAM_CPP.format("\n".join(f"\t{name} = 7*3;  // x" for name in names)), names)
    assert f"\tresistanceOn = {names['resistanceOn']!r};  // x" in changed
    assert "\t\tcellBit = 1;" in changed
    with pytest.raises(SystemExit, match="resistanceOn"):
        script["with_values"]("accesstype = 1;", {"resistanceOn": 1.0})


def test_modules_are_carried_as_they_are():
    module = files("tilemodel.exports.modules").joinpath("memtorch_patch.py").read_text()
    assert values_of("memtorch", pair_tile())[1].files["memtorch_patch.py"] == module

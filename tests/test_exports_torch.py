"""The exported state in our own layer: the probe's conductances and charges, whatever the columns' largest weights."""

import io

import numpy as np
import pytest

from tests.conftest import pair_tile, switch_tile
from tests.exported import probe_of
from tests.tolerances import ROUNDING, relative
from tilemodel.config.operands import Conductances
from tilemodel.exports import TARGETS, Probe

torch = pytest.importorskip("torch")
TileLinear = pytest.importorskip("tilemodel.torch").TileLinear

pytestmark = pytest.mark.torch
IDEAL = {"kind": "ideal"}
TILES = {
    "pair": pair_tile(adc=IDEAL, wires={"r_bit_line_ohm": 5.0}),
    "split": pair_tile(adc=IDEAL, drive={"coding": "split", "split_low_bits": 3}),
    "rows": pair_tile(adc=IDEAL, wires={"r_bit_line_ohm": 5.0, "r_row_ohm": 3.0}),
    "gated": switch_tile(adc=IDEAL, drive={"sign": "two_phase"}),
}


def own_conductances(probe, rng):
    """Any G+ and G- of the range, not those of weights."""
    g = probe.tile.conductance
    shape = probe.conductances.g_plus.shape
    plus, minus = (rng.uniform(g.g_min_siemens, g.g_max_siemens, shape) for _ in range(2))
    given = Conductances(g_plus=plus, g_minus=minus)
    return Probe(model=probe.model, conductances=given, ticks=probe.ticks, seed=None)


def loaded(export, folder):
    for name, data in export.files.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    arrays = np.load(io.BytesIO(export.files["state.npz"]))
    state = {name: torch.from_numpy(arrays[name]) for name in arrays}
    n_out, n_in = state["weight"].shape
    linear = torch.nn.Linear(n_in, n_out, bias=False, dtype=torch.float64)
    layer = TileLinear.from_model(folder / "model.json", linear)
    layer.load_state_dict(state)
    return layer.eval()


@pytest.mark.parametrize("own", [False, True], ids=["weights", "own conductances"])
@pytest.mark.parametrize("name", TILES)
def test_the_layer_computes_what_the_export_says(name, own, tmp_path, rng):
    probe = probe_of(TILES[name])
    probe = own_conductances(probe, rng) if own else probe
    export = TARGETS["torch"](probe)
    layer = loaded(export, tmp_path)
    with torch.no_grad():
        found = layer.codes(torch.from_numpy(probe.ticks)).numpy()
    assert found == relative(export.predict(probe), 100 * ROUNDING)


def test_outputs_are_in_units_of_the_weights(tmp_path, rng):
    """Without wires the layer is x W^T of the exported weights: the columns' scales are taken back."""
    wires = {"r_bit_line_ohm": 0.0, "c_bit_line_farad": 0.0}
    probe = own_conductances(probe_of(pair_tile(adc=IDEAL, wires=wires, read_out={"v_clamp_volt": 0.4})), rng)
    layer = loaded(TARGETS["torch"](probe), tmp_path)
    inputs = torch.from_numpy(probe.ticks / probe.tile.drive.n_tick_max)
    with torch.no_grad():
        found, expected = layer(inputs).numpy(), (inputs @ layer.weight.T).numpy()
    assert found == relative(expected, 100 * ROUNDING)

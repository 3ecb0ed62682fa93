"""The bridge to PySpice: its sub-circuits as cells, a tile as its Circuit."""

import warnings

import numpy as np
import pytest

from calibration import calibrate
from reports import validate
from spice_netlists import SpiceTile
from spice_netlists.deck import Deck, build_deck
from spice_netlists.engines import run_deck
from spice_netlists.pyspice import cell_from_subcircuit
from tests.conftest import pair_tile, pulses_of, switch_tile
from tests.tolerances import SAME_CIRCUIT, relative
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances, conductances_from_weights, random_ticks, random_weights

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    Netlist = pytest.importorskip("PySpice.Spice.Netlist")

pytestmark = pytest.mark.spice


def one_cell_more():
    """The standard switch cell, written with PySpice."""
    cell = Netlist.SubCircuit("my_cell", "bl", "wl", "sl", g=1e-6)
    cell.R("mem", "bl", "m", "{1/g}")
    cell.VoltageControlledSwitch("acc", "m", "sl", "wl", cell.gnd, model="my_switch")
    cell.model("my_switch", "sw", vt=0.5, vh=0, ron=880.0, roff=1e15)
    return cell


def charges(deck):
    waveforms = run_deck(deck, timeout_second=60)
    return deck.charge_sign * np.trapezoid(waveforms.sensed, waveforms.time_second, axis=1)


def test_a_pyspice_subcircuit_is_a_cell_like_the_standard_one(rng):
    tile = switch_tile()
    c = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 2)
    cell = cell_from_subcircuit(one_cell_more(), v_gate_volt=1.0)
    own = SpiceTile(tile=tile, conductances=c, cell=cell).simulate(ticks).charge_line_coulomb
    standard = SpiceTile(tile=tile, conductances=c).simulate(ticks).charge_line_coulomb
    assert np.abs(own - standard).max() < SAME_CIRCUIT * np.abs(standard).max()


def test_a_subcircuit_of_other_pins_is_refused():
    with pytest.raises(InputError, match="expected three pins"):
        cell_from_subcircuit(Netlist.SubCircuit("four", "bl", "wl", "sl", "bulk", g=1), v_gate_volt=1.0)
    two = cell_from_subcircuit(Netlist.SubCircuit("two", "bl", "wl", g=1), v_gate_volt=1.0)
    nothing = np.zeros((8, 3))
    with pytest.raises(InputError, match="a gated_1t1r cell has 3 pins, this one has 2"):
        SpiceTile(tile=switch_tile(), conductances=Conductances(g_plus=nothing, g_minus=nothing), cell=two).decks(
            np.full(8, 1)
        )


@pytest.mark.parametrize("make", [pair_tile, switch_tile])
def test_a_tile_as_a_pyspice_circuit_is_the_same_circuit(make, rng):
    tile = make()
    c = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = random_ticks(tile, rng, 1)[0]
    deck = build_deck(tile, c, pulses_of(tile, ticks))
    circuit = SpiceTile(tile=tile, conductances=c).circuit(ticks)
    analysis = deck.text[deck.text.index("* Analysis") :]
    same = Deck(**{**vars(deck), "text": str(circuit) + "\n" + analysis})
    assert np.abs(charges(same) - charges(deck)).max() < SAME_CIRCUIT * np.abs(charges(deck)).max()


def test_the_periphery_of_a_circuit_can_be_changed(rng):
    """A clamp with a series resistance in place of the ideal one: less current flows."""
    tile = switch_tile()
    c = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = np.full(8, 127)
    deck = build_deck(tile, c, pulses_of(tile, ticks))
    circuit = SpiceTile(tile=tile, conductances=c).circuit(ticks)
    circuit["Vclamp0"].detach()
    circuit.V("clamp0", "behind", circuit.gnd, "DC 0.2")
    circuit.R("clamp0", "c0", "behind", 5000)
    analysis = deck.text[deck.text.index("* Analysis") :]
    changed = charges(Deck(**{**vars(deck), "text": str(circuit) + "\n" + analysis}))
    assert changed[0] < 0.9 * charges(deck)[0]
    assert changed[1] == relative(charges(deck)[1], 1e-5)


def test_a_cell_of_ones_own_is_calibrated_and_validated():
    """The model knows nothing of the cell but its charges: its resistance and the tile's outputs come out right."""
    tile = switch_tile(spec={"max_error_percent_full_scale": 0.0005})
    cell = cell_from_subcircuit(one_cell_more(), v_gate_volt=1.0)
    model = calibrate(tile, cell=cell)
    assert model.parameters.r_access_ohm == relative(880.0, 1e-3)
    assert validate(tile, model, cell=cell, n_vec=2).passed
    with pytest.raises(InputError, match="belong together"):
        validate(tile, model, n_vec=1)

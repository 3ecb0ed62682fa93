"""Decks: golden texts, structure, and what cannot get into them."""

from pathlib import Path

import numpy as np
import pytest

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import build_deck
from tests.conftest import pair_tile, pulses_of, switch_tile
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances

GOLDEN = Path(__file__).parent / "golden"


def small(make, **tables):
    tile = make(array={"n_row": 2, "n_col": 2, "read_out_end": "alternating"}, **tables)
    conductances = Conductances(
        g_plus=np.array([[1e-6, 2e-6], [4e-6, 0.0]]), g_minus=np.array([[8e-6, 1e-5], [2e-5, 2.5e-5]])
    )
    return tile, conductances


@pytest.mark.parametrize(("name", "make", "ticks"), [("pair", pair_tile, [3, -127]), ("switch", switch_tile, [0, 5])])
def test_decks_equal_the_golden_ones(name, make, ticks):
    """Regenerate with tests/golden/regenerate.py and read the difference before committing it."""
    tile, conductances = small(make)
    assert build_deck(tile, conductances, pulses_of(tile, ticks)).text == (GOLDEN / f"{name}.cir").read_text()


def test_equal_inputs_give_equal_hashes_and_others_do_not():
    tile, conductances = small(pair_tile)
    first = build_deck(tile, conductances, pulses_of(tile, [1, 2]))
    assert first.sha256 == build_deck(tile, conductances, pulses_of(tile, [1, 2])).sha256
    assert first.sha256 != build_deck(tile, conductances, pulses_of(tile, [1, 3])).sha256


def test_zero_conductance_leaves_the_cell_out_and_zero_wire_the_segments():
    tile, conductances = small(pair_tile, wires={"r_bit_line_ohm": 0.0})
    text = build_deck(tile, conductances, pulses_of(tile, [1, 1])).text
    assert "Rgrp0_1 " in text
    assert "Rgrp1_1 " not in text
    assert "Rw" not in text
    assert "Rgrp0_0 rp0 c0 " in text


def test_a_column_group_holds_its_own_lines_only():
    tile, conductances = small(switch_tile)
    deck = build_deck(tile, conductances, pulses_of(tile, [1, 1]), columns=[1])
    assert deck.lines == (2, 3)
    assert deck.sense_vectors == ("i(vclamp2)", "i(vclamp3)")
    assert "X0_" not in deck.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".subckt other bl wl sl g=1\n.ends", "no '.subckt mine'"),
        (".subckt mine bl wl sl bulk g=1\n.ends", "expected three pins"),
        (".subckt mine bl wl sl\n.ends", "a parameter g"),
        (".subckt mine bl wl sl g=1\n.ends\n.control\nshell ls\n.endc", "'.control' has no place"),
        (".subckt mine bl wl sl g=1\n.ends\n.include /etc/passwd", "'.include' has no place"),
    ],
)
def test_a_cell_circuit_is_a_sub_circuit_and_nothing_else(text, message):
    with pytest.raises(InputError, match=message):
        CellCircuit(name="mine", text=text, v_gate_volt=1.0)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["a/m.lib", "b/m.lib"], "two have the name 'm.lib'"),
        (["a/m.lib", "b/M.lib"], "two have the name 'm.lib'"),
        (["a/Deck.cir"], "'Deck.cir': a model file cannot have the name"),
        (["a/vector_0000.cir"], "'vector_0000.cir': a model file cannot have the name"),
    ],
)
def test_model_files_must_not_fall_on_each_other(files, message, tmp_path):
    tile, conductances = small(switch_tile)
    paths = tuple(tmp_path / name for name in files)
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"* {path}")
    text = ".subckt mine bl wl sl g=1\n.ends"
    cell = CellCircuit(name="mine", text=text, v_gate_volt=1.0, model_files=paths)
    with pytest.raises(InputError, match=message):
        build_deck(tile, conductances, pulses_of(tile, [1, 1]), cell=cell)


@pytest.mark.parametrize("pins", ["bl wl", "bl wlp wln slp sln"])
def test_a_cell_circuit_has_the_pins_of_its_tile(pins):
    tile, conductances = small(switch_tile)
    cell = CellCircuit(name="mine", text=f".subckt mine {pins} g=1\n.ends", v_gate_volt=1.0)
    with pytest.raises(InputError, match=f"a gated_1t1r cell has 3 pins, this one has {len(pins.split())}"):
        build_deck(tile, conductances, pulses_of(tile, [1, 1]), cell=cell)

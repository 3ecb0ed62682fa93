"""Files by an enemy: any bytes give an answer or one clear error, in little time and memory, and give no orders."""

import io
import json
import pickle
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from spice_netlists.cells import CellCircuit
from spice_netlists.deck import build_deck
from spice_netlists.errors import SimulatorError
from spice_netlists.rawfile import read_raw
from spice_netlists.screening import check_file_name, model_file_sha256
from tests.conftest import pair_tile, pulses_of, switch_mapping
from tilemodel.compact import load_model
from tilemodel.config.arrays import ARRAYS_MAX_BYTES, load_arrays, read_arrays
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile, tile_from_mapping
from tilemodel.config.operands import Conductances, load_conductances, load_ticks
from tilemodel_cli.main import main

ROOT = Path(__file__).parents[1]
TILES = [path.read_bytes() for path in sorted((ROOT / "examples").rglob("*.toml"))]
MODEL = (ROOT / "docs/studies/sky130_rows/model_met3.json").read_bytes()
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


SPICES = [b"1e999", b"-1", b"nan", b"[[", b'"', b"\n[x]\n"]


@st.composite
def damaged(draw, originals):
    """One of the files `originals` with bytes changed, cut out, doubled or put in."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 40))
        new = draw(
            st.one_of(st.binary(max_size=8), st.sampled_from([b"1e999", b"-1", b"nan", b"[[", b'"', b"\n[x]\n"]))
        )
        if draw(st.booleans()):
            data[place : place + length] = new
        else:
            data[place:place] = data[place : place + length]
    return bytes(data)


def complaint(load, path, *, otherwise):
    """The one error that `load` may raise, as text."""
    try:
        load(path)
    except InputError as error:
        return str(error)
    return otherwise


@fuzz
@given(data=st.one_of(damaged(TILES), st.binary(max_size=200)))
@example(data=b"a=" + b"[" * 5000)
@example(data=b"a=" + b"1" * 5000)
@example(data=b"[array]\nn_row=1e400")
@example(data=b'preset="../../../etc/passwd.toml"')
@example(data=b'preset="\\u0000.toml"')
def test_any_tile_file_is_read_or_refused(tmp_path, data):
    path = tmp_path / "tile.toml"
    path.write_bytes(data)
    assert ".toml" in complaint(load_tile, path, otherwise=".toml")


@fuzz
@given(data=st.one_of(damaged([MODEL]), st.binary(max_size=200)))
@example(data=b"[" * 100_000)
@example(data=b"1" * 5000)
@example(data=b'{"schema_version": NaN}')
def test_any_model_file_is_read_or_refused(tmp_path, data):
    path = tmp_path / "model.json"
    path.write_bytes(data)
    assert "model.json" in complaint(load_model, path, otherwise="model.json")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["provenance", "conditions"], [], "conditions: .*at least 1 item"),
        (
            ["provenance", "conditions", 0, "n_row"],
            0,
            r"\[provenance.conditions\]: n_row: .*greater than or equal to 1",
        ),
        (["fit", "residual_max_coulomb"], -1.0, r"\[fit\]: residual_max_coulomb: .*greater than or equal to 0"),
        (["fit", "fitted", 0], "nonsense", "fit.fitted: 'nonsense' is none of the parameters, c_pulse_farad"),
        (["parameters", "r_access_ohm"], 1e300, "r_access_ohm: .*less than or equal to 1000000000"),
    ],
)
def test_a_model_that_says_the_impossible_is_refused_by_name(place, value, message, tmp_path):
    """Each ended in a traceback further on."""
    content = json.loads(MODEL)
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message) as caught:
        load_model(tmp_path / "model.json")
    assert "model.json" in str(caught.value)


def _npz(compressed):
    file = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(file, g_plus=np.full((4, 2), 1e-5), g_minus=np.full((4, 2), 2e-5))
    return file.getvalue()


def _npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ARRAYS = [_npz(False), _npz(True), _npy(np.arange(8).reshape(2, 4)), _npy(np.ones((2, 4), order="F"))]


@fuzz
@given(data=st.one_of(damaged(ARRAYS), st.binary(max_size=200), st.binary(max_size=99).map(b"PK\x03\x04".__add__)))
def test_any_array_file_is_read_or_refused(data):
    try:
        arrays = read_arrays(io.BytesIO(data), 10_000)
    except InputError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= 10_000
    assert all(array.dtype.kind in "biufU" for array in arrays.values())


def test_sound_arrays_come_back(tmp_path):
    for name, array in {
        "f": np.ones((2, 3), order="F") * 1.5,
        "c": np.arange(6).reshape(2, 3),
        "e": np.empty((0, 3)),
    }.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(load_arrays(tmp_path / f"{name}.npy")[""], array)
    np.savez_compressed(tmp_path / "all.npz", x=np.arange(3.0), y=np.array("text"))
    arrays = load_arrays(tmp_path / "all.npz")
    assert arrays["x"].tolist() == [0, 1, 2]
    assert str(arrays["y"]) == "text"


def test_pickles_are_refused(tmp_path):
    class Order:
        def __reduce__(self):
            return Path.touch, (tmp_path / "done",)

    np.save(tmp_path / "x.npy", np.array([Order()], dtype=object), allow_pickle=True)
    (tmp_path / "y.npy").write_bytes(pickle.dumps(Order()))
    for name in ("x.npy", "y.npy"):
        with pytest.raises(InputError, match="not a sound numpy file of plain numbers"):
            load_arrays(tmp_path / name)
    assert not (tmp_path / "done").exists()


def test_a_decompression_bomb_is_refused_with_the_limit(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inputs.npy", _npy(np.zeros(4_000_000)))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    with pytest.raises(InputError, match=r"bomb.npz: unpacks to 32000128 bytes; the limit is 1000000"):
        load_arrays(tmp_path / "bomb.npz", 1_000_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(method):
    """A damaged bzip2 stream raises OSError, which the fuzzer found; lzma takes what memory its header asks for."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("x.npy", _npy(np.arange(3)))
    data = bytearray(file.getvalue())
    data[40] ^= 255
    for content in (file.getvalue(), bytes(data)):
        with pytest.raises(InputError, match="in a way that numpy does not use"):
            read_arrays(io.BytesIO(content))


def test_an_absurd_shape_is_refused_with_the_limit(tmp_path):
    head = _npy(np.zeros((2, 4))).replace(b"'shape': (2, 4), }  ", b"'shape': (200000, 2000000), }")
    (tmp_path / "x.npy").write_bytes(head)
    tile = pair_tile(array={"n_row": 4})
    with pytest.raises(InputError, match=f"x.npy: unpacks to .* bytes; the limit is {ARRAYS_MAX_BYTES}"):
        load_ticks(tile, tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(_npy(np.zeros((2, 4))).replace(b"(2, 4), }  ", b"(2, 4000), }"))
    with pytest.raises(InputError, match="does not fit into its"):
        load_ticks(tile, tmp_path / "x.npy")


def test_too_many_arrays_are_refused_with_the_limit(tmp_path):
    np.savez(tmp_path / "many.npz", **{f"a{index}": np.zeros(1) for index in range(65)})
    with pytest.raises(InputError, match="holds 65 arrays; the limit is 64"):
        load_conductances(pair_tile(), tmp_path / "many.npz")


def test_an_absurd_tile_is_refused_with_the_limit():
    with pytest.raises(InputError, match=r"n_row x n_col is 4294967296 cells; the limit is 67108864"):
        pair_tile(array={"n_row": 65536, "n_col": 65536})


@pytest.mark.parametrize(("name", "limit"), [("tile.toml", 1_000_000), ("model.json", 10_000_000)])
def test_an_absurd_file_is_refused_with_the_limit(tmp_path, name, limit):
    (tmp_path / name).write_bytes(b"#" * (limit + 1))
    with pytest.raises(InputError, match=f"more than {limit} bytes"):
        (load_tile if name == "tile.toml" else load_model)(tmp_path / name)


RAW = (
    b"Title: x\nDate: today\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: 2\nNo. Points: 3\nVariables:\n"
    b"\t0\ttime\ttime\n\t1\ti(v)\tcurrent\nBinary:\n" + np.arange(6.0).tobytes()
)


@fuzz
@given(data=st.one_of(damaged([RAW]), st.binary(max_size=200)))
@example(data=RAW.replace(b"Points: 3", b"Points: " + b"9" * 5000))
@example(data=RAW.replace(b"Variables: 2", b"Variables: 0"))
def test_any_raw_file_is_read_or_refused(tmp_path, data):
    path = tmp_path / "out.raw"
    path.write_bytes(data)
    try:
        vectors = read_raw(path, ("time", "i(v)"))
    except SimulatorError:
        return
    assert vectors.shape[0] == 2
    assert np.isfinite(vectors).all()


ORDERS = [
    ".control\nshell touch done\n.endc",
    ".CONTROL\nshell touch done\n.endc",
    "  \t.controlled\nshell touch done\n.endc",
    "\r.control\nshell touch done\n.endc",
    ".if (1)\n.control\nshell touch done\n.endc\n.endif",
    "*#shell touch done",
    "*# shell touch done",
    ".include done",
    ".incx done",
    '.inc "done"',
    ".lib done x",
    ".model m d_process (process_file=done)",
]


@pytest.mark.parametrize("order", ORDERS)
def test_circuits_and_models_give_no_orders(tmp_path, order):
    cell = f".subckt mine bl wl sl g=1\nR1 bl sl {{1/g}}\n.ends\n{order}\n"
    with pytest.raises(InputError, match="has no place in it"):
        CellCircuit(name="mine", text=cell, v_gate_volt=1.0)
    (tmp_path / "model.lib").write_text(f"* a model\n{order}\n", newline="")
    with pytest.raises(InputError, match="has no place in a model file"):
        model_file_sha256(tmp_path / "model.lib")


@pytest.mark.parametrize(
    "name",
    ['x".cir', "x\n.control", "x y.lib", ".spiceinit", "$(touch done).lib", "`id`.lib", "deck.cir", "..", "é.lib", ""],
)
def test_names_of_model_files_do_not_end_their_line(name):
    with pytest.raises(InputError, match="rename it"):
        check_file_name(name)


@pytest.mark.parametrize("name", ["C4M.Sky130_logic_tt_model.spice", "my-models+v2.lib", "a"])
def test_ordinary_names_are_accepted(name):
    check_file_name(name)


@fuzz
@given(name=st.text(max_size=30))
@example(name="t\n.control\nshell touch done\n.endc")
@example(name="t; touch done")
def test_no_name_of_a_tile_reaches_a_deck_but_a_plain_one(name):
    try:
        tile = pair_tile_named(name)
    except InputError:
        return
    deck = build_deck(
        tile,
        Conductances(g_plus=np.full((2, 1), 1e-5), g_minus=np.full((2, 1), 1e-5)),
        pulses_of(tile, [1, 1]),
    )
    assert name in deck.text.split("\n")[0]
    assert name.isascii()
    assert not set(name) & set("\n\r\"'`$;&|<>*#{}() \t")


def pair_tile_named(name):
    tile = pair_tile(array={"n_row": 2, "n_col": 1})
    return tile_from_mapping(tile.model_dump(mode="json", exclude={"sources"}) | {"name": name})


@fuzz
@given(name=st.text(min_size=1, max_size=20))
@example(name="mine\n.control")
def test_no_name_of_a_subcircuit_but_a_plain_one(name):
    access = {"kind": "subckt", "file": "x.cir", "subckt": name, "model_files": [], "v_gate_volt": 1.0}
    mapping = switch_mapping(cell={"access": access})
    try:
        tile_from_mapping(mapping)
    except InputError:
        return
    assert name.replace("_", "").replace(".", "").isalnum()
    assert name.isascii()


@pytest.mark.spice
def test_a_hostile_model_file_is_not_run(tmp_path, monkeypatch, capsys):
    """The whole way: a tile file that names a cell whose model file would call a shell."""
    monkeypatch.chdir(tmp_path)
    base = tomllib.loads((ROOT / "examples/switch_32x8.toml").read_text())
    assert base["preset"]
    Path("cell.cir").write_text(".subckt mine bl wl sl g=1\nR1 bl sl {1/g}\n.ends\n")
    Path("evil.lib").write_text(f"*#shell touch {tmp_path}/done\n")
    keys = 'kind = "subckt", file = "cell.cir", subckt = "mine", model_files = ["evil.lib"], v_gate_volt = 1.8'
    access = f"access = {{ {keys} }}"
    Path("tile.toml").write_text(
        f'name = "t"\npreset = "sky130_1t1r"\n[array]\nn_row = 2\nn_col = 1\n[cell]\n{access}\n'
    )
    assert main(["netlist", "tile.toml", "-o", "decks"]) == 2
    assert "evil.lib: '*#shell' has no place in a model file" in capsys.readouterr().err
    assert not Path("done").exists()
    assert not Path("decks").exists()


def test_the_model_for_these_tests_is_sound():
    assert json.loads(MODEL)["schema_version"] == "tilemodel-compact-1"
    assert all(tomllib.loads(data.decode()) for data in TILES)

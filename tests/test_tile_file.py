"""Tile files: presets underneath, sources kept, and messages that name file, table, key and remedy."""

import re
from pathlib import Path

import pytest

from tests.conftest import pair_mapping, switch_mapping
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile, preset_names, tile_from_mapping

EXAMPLES = sorted(Path("examples").glob("*.toml"))

TILE = """
name = "mine"
preset = "ibm_pcm_14nm"
[array]
n_row = 4
n_col = 2
"""


def write(tmp_path, text, name="tile.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_load_under_their_own_name(path):
    assert load_tile(path).name == path.stem


def test_tile_file_stands_above_its_preset(tmp_path):
    tile = load_tile(write(tmp_path, TILE + "[wires]\nr_bit_line_ohm = 0.35\n"))
    assert tile.wires.r_bit_line_ohm == 0.35
    assert tile.sources["wires.r_bit_line_ohm"].kind == "tile file"
    assert tile.wires.c_bit_line_farad == 0.4e-15
    assert tile.sources["wires.c_bit_line_farad"].kind == "assumed"


def test_another_kind_of_cell_drops_the_presets_keys(tmp_path):
    text = (
        TILE + '[adc]\nkind = "linear"\nadc_bits = 8\ncharge_full_scale_coulomb = 1e-12\ngain = 1.0\noffset_lsb = 0.0\n'
        "inl_lsb = []\n"
    )
    tile = load_tile(write(tmp_path, text))
    assert tile.adc.kind == "linear"
    assert "adc.f_hertz_per_ampere" not in tile.sources


def test_every_value_of_a_preset_has_a_source():
    for name in preset_names():
        tile = load_tile(next(path for path in EXAMPLES if f'"{name}"' in path.read_text()))
        own = set(re.findall(r"^(\w+) = (?!\{)", Path(f"tilemodel/presets/{name}.toml").read_text(), re.MULTILINE))
        assert own <= {"kind", "reltol", "abstol_ampere", "vntol_volt", "chgtol_coulomb"}
        assert any(source.kind == "assumed" for source in tile.sources.values())


def test_users_own_preset_is_taken_from_the_tile_files_folder(tmp_path):
    write(
        tmp_path,
        '[wires]\nr_bit_line_ohm = {value = 7.0, unit = "ohm", kind = "measured", source = "chip"}',
        "lab.toml",
    )
    text = TILE.replace('"ibm_pcm_14nm"', '"lab.toml"')
    with pytest.raises(InputError, match=r"table \[cell\] is missing"):
        load_tile(write(tmp_path, text))


def test_hash_depends_on_values_not_on_name_or_source():
    tile = tile_from_mapping(pair_mapping())
    assert tile.sha256() == tile_from_mapping({**pair_mapping(), "name": "other"}).sha256()
    assert tile.sha256() != tile_from_mapping(pair_mapping(wires={"r_bit_line_ohm": 3.0})).sha256()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid TOML"),
        (TILE + "[wires]\nr_bl_ohm = 1.0\n", r"\[wires\]: unknown key 'r_bl_ohm'; did you mean 'r_bit_line_ohm'\?"),
        (TILE + "[wire]\nr_bit_line_ohm = 1.0\n", "unknown key 'wire'; did you mean 'wires'"),
        (TILE + "[wires]\nr_bit_line_ohm = '1'\n", r"\[wires\]: r_bit_line_ohm: .*valid number, got '1'"),
        (TILE + "[wires]\nr_bit_line_ohm = nan\n", r"r_bit_line_ohm: .*finite number, got nan"),
        (TILE + "[wires]\nr_bit_line_ohm = -1.0\n", r"r_bit_line_ohm: .*greater than or equal to 0, got -1.0"),
        (
            TILE + "[wires]\nr_bit_line_ohm = {value = 1.0, unit = 'farad', kind = 'assumed', source = 'x'}\n",
            "unit = 'farad'",
        ),
        (
            TILE + "[wires]\nr_bit_line_ohm = {value = 1.0, unit = 'ohm', kind = 'guess', source = 'x'}\n",
            "kind: .*'published'",
        ),
        (TILE + "[wires]\nr_bit_line_ohm = {value = 1.0, kind = 'assumed', origin = 'x'}\n", "unknown key 'origin'"),
        (TILE.replace("n_row = 4", "n_row = 4.5"), r"\[array\]: n_row: .*integer, got 4.5"),
        (TILE.replace("n_row = 4", "n_row = 0"), r"n_row: .*greater than or equal to 1"),
        (
            TILE.replace("n_col = 2", ""),
            r"\[array\]: key 'n_col' is missing; give it in the tile file or name a preset",
        ),
        (TILE.replace("ibm_pcm_14nm", "ibm"), r"unknown preset 'ibm'; known are ibm_pcm_14nm, sky130_1t1r"),
        (TILE.replace("ibm_pcm_14nm", "gone.toml"), "there is no preset file .*gone.toml"),
        (TILE.replace("ibm_pcm_14nm", "ibm_pcm"), "unknown preset 'ibm_pcm'; did you mean 'ibm_pcm_14nm'"),
        (TILE + "[adc]\nkind = 'cc0'\n", r"\[adc\]: needs kind = .*, got 'cc0'; did you mean 'cco'\?"),
        (TILE.replace('"mine"', '"a/../b"'), "name: .*pattern"),
        (TILE.replace('"mine"', '"x\\n.include /etc/passwd"'), "name: .*pattern"),
        (
            TILE + "[cell]\nkind = 'rail'\n",
            r"\[cell\]: needs kind = one of 'rail_pair', 'rail_quad', 'passive', 'gated_1t1r', 'gated_2t1r'",
        ),
        (TILE + "[drive]\nt_edge_second = 2e-9\n", "t_edge_second must not exceed t_lsb_second"),
        (TILE + "[conductance]\ng_min_siemens = 1.0\n", "g_min_siemens must be smaller"),
        ("wires = 3\n" + TILE, "wires must be a table, got 3"),
        (TILE + "[sources]\nfoo = 1\n", "unknown key 'sources'"),
        (TILE.replace("ibm_pcm_14nm", "\\u0000.toml"), "cannot be read"),
        ("a." * 3000 + "a = 1\n" + TILE, "nested too deeply|not valid TOML"),
        (TILE + "[adc]\ncount_max = " + "9" * 6000 + "\n", "not valid TOML"),
        (TILE + "[wires]\nr_bit_line_ohm = 1e-9\n", "0 or at least 1e-3"),
        (TILE + "[drive]\nt_edge_second = 1e-15\nt_lsb_second = 1e-5\n", "at least 1e-9 of the longest pulse"),
    ],
)
def test_messages_name_the_place_and_the_remedy(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        load_tile(path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.toml: cannot be read"):
        load_tile(tmp_path / "none.toml")


def test_clamp_below_the_source_line_is_refused():
    with pytest.raises(InputError, match="must lie above"):
        tile_from_mapping(switch_mapping(read_out={"v_clamp_volt": -0.1}))


SPREADS = {
    "access_resistance_sigma": 0.0,
    "clamp_offset_sigma_volt": 0.0,
    "mirror_ratio_sigma": 0.0,
    "adc_gain_sigma": 0.0,
    "adc_offset_sigma_lsb": 0.0,
    "adc_unit_capacitor_sigma": 0.0,
}
RAMP_TILE = "examples/circuits/read_out_sky130.toml"


@pytest.mark.parametrize("name", ["mirror_ratio_sigma", "adc_unit_capacitor_sigma", "adc_gain_sigma"])
def test_a_spread_without_anything_to_act_on_is_refused(name):
    """Each would be ignored; at 0 they may all stand there."""
    tile_from_mapping(pair_mapping(mismatch={"seed": 1, **SPREADS}))
    with pytest.raises(InputError, match=f"mismatch.{name} acts on .* set it to 0"):
        tile_from_mapping(pair_mapping(mismatch={"seed": 1, **SPREADS, name: 0.1}))


@pytest.mark.parametrize(
    ("make", "reason"), [(pair_mapping, "a rail_pair cell has none"), (switch_mapping, "switches have no gate voltage")]
)
def test_a_supply_without_transistors_is_refused(make, reason):
    tile_from_mapping(make(conditions={"supply_factor": 1.0}))
    with pytest.raises(InputError, match=f"supply_factor = 0.9 .*{reason}"):
        tile_from_mapping(make(conditions={"supply_factor": 0.9}))


def test_a_supply_of_the_cells_alone_is_refused_where_the_read_out_has_transistors_too():
    values = load_tile(RAMP_TILE).model_dump(mode="python", exclude={"sources"})
    with pytest.raises(InputError, match="does not reach the read-out's transistors"):
        tile_from_mapping({**values, "conditions": {"supply_factor": 0.9}})

"""Error budgets: what is alone is alone, figures follow definition and theory, the table of 512 rows comes out."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from reports.budget import LABELS, error_budget
from reports.budget_page import draw_budget, write_budget
from reports.page import render_template
from reports.write import _residual_line
from tests.conftest import pair_tile, switch_tile
from tests.tolerances import ROUNDING, relative
from tilemodel.compact import CompactModel, ConditionRecord, FitStatistics, Provenance, save_model
from tilemodel.config.errors import InputError, OutputError
from tilemodel.config.load import load_tile
from tilemodel.parameters import GatedParameters
from tilemodel.solvers.ladder import transfer_to_clamp
from tilemodel.validity import ValidityRange
from tilemodel.variants import with_tables
from tilemodel_cli.main import main

EXAMPLE = Path(__file__).parents[1] / "examples/budget_ibm_512x64.toml"

NO_WIRES = {"r_bit_line_ohm": 0.0}
NO_OFFSET = {"v_clamp_volt": 0.4}
CCO = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4095}
NO_MISMATCH = dict.fromkeys(
    (
        "access_resistance_sigma",
        "clamp_offset_sigma_volt",
        "mirror_ratio_sigma",
        "adc_gain_sigma",
        "adc_offset_sigma_lsb",
        "adc_unit_capacitor_sigma",
    ),
    0.0,
)
MIRROR = {"kind": "mirror", "r_clamp_ohm": 50.0, "ratio": 0.25, "c_integration_farad": 1e-12, "r_reset_ohm": 1.0}

# Spread of the figures from seed to seed, three times (measured 1 % with 64 columns, 0.4 % with 512), and what the
# closed form lacks (a cell sees its own drop, and cells differ): 0.5 %
SAMPLED = {64: 0.035, 512: 0.015}
# How far physics.md's table lies from the limit of many columns: half its last digit, and the spread of a few columns
ROUNDED, FEW_COLUMNS = 0.05, 0.035

# Section 6 of physics.md: IR drop, left after a gain and an offset per column, ADC; in % of the MAC's deviation
TABLE = {25e-6: (9.0, 3.7, 0.6), 15e-6: (5.6, 2.2, 0.9), 5e-6: (2.2, 0.9, 3.0)}


RECORD = ConditionRecord(
    name="made up",
    n_row=32,
    n_col=8,
    v_read_volt=0.2,
    tile_sha256="",
    conductances_sha256="",
    ticks_sha256="",
    deck_sha256=[],
    residual_current_fraction=None,
)


def names(budget):
    return [row.name for row in budget.rows]


def ibm(g_max, n_col):
    tile = load_tile(EXAMPLE)
    return with_tables(
        tile,
        array=tile.array.model_copy(update={"n_col": n_col}),
        conductance=tile.conductance.model_copy(update={"g_max_siemens": g_max}),
    )


def three_figures(budget):
    wires = budget.row("wires")
    return wires.std_percent, wires.std_after_fit_percent, budget.row("adc").std_percent


def many_columns(g_max, n_row=512, g_min=0.1e-6, r_ohm=0.15, sigma=1 / 3):
    """The same three figures for infinitely many columns, every cell conducting as the mean cell does.

    A row's error is its own attenuation times its product, so that the MAC's relative error is the attenuation's root
    mean square, and its standard deviation over the rows after a gain. Truncation leaves 1 / sqrt(3) LSB.
    """
    edge = 1 / sigma
    magnitude = 2 * sigma * (norm.pdf(0) - norm.pdf(edge)) + 2 * norm.sf(edge)
    power = sigma**2 * (1 - 2 * norm.sf(edge) - 2 * edge * norm.pdf(edge)) + 2 * norm.sf(edge)
    g_cell = 2 * g_min + (g_max - g_min) * magnitude
    lost = 1 - transfer_to_clamp(np.full((n_row, 1), g_cell), r_ohm, 0.0)[0]
    mac = 0.2 * 127e-9 * (g_max - g_min) * np.sqrt(n_row) * power
    return 100 * np.sqrt(np.mean(lost**2)), 100 * lost.std(), 100 / (np.sqrt(3) * 6.24e13 * mac)


@pytest.mark.parametrize("n_col", SAMPLED)
@pytest.mark.parametrize("g_max", TABLE)
def test_512_rows_give_the_closed_form_and_so_the_table(g_max, n_col):
    """The table's nine numbers are those of a few columns, up to 4 % from the limit of many: docs/budget.md."""
    n_vec = 200
    fitted = np.array([1, np.sqrt(1 - 2 / n_vec), 1])  # two numbers of each column are fitted to 200 vectors
    figures = np.array(three_figures(error_budget(ibm(g_max, n_col), n_vec=n_vec))) / fitted
    for measured, expected, printed in zip(figures, many_columns(g_max), TABLE[g_max], strict=True):
        assert measured == relative(expected, SAMPLED[n_col])
        assert abs(expected - printed) < ROUNDED + FEW_COLUMNS * expected


def test_the_tables_own_adc_numbers_show_its_spread():
    """Truncation costs 1 / sqrt(3) LSB whatever the conductances, so its share goes as one over their range."""
    share = {g_max: many_columns(g_max)[2] * (g_max - 0.1e-6) for g_max in TABLE}
    assert len({round(value, 12) for value in share.values()}) == 1
    largest_at_15 = (TABLE[15e-6][2] + ROUNDED) * 14.9
    smallest_at_5 = (TABLE[5e-6][2] - ROUNDED) * 4.9
    assert largest_at_15 < smallest_at_5  # 0.9 and 3.0 cannot be of one batch: 3.0 at 5 uS means 1.0 at 15 uS


def test_an_ideal_tile_has_quantization_only():
    budget = error_budget(pair_tile(wires=NO_WIRES, read_out=NO_OFFSET))
    assert names(budget) == ["quantization", "together"]
    alone, together = budget.rows
    assert together.std_percent == relative(alone.std_percent, 1e-9)
    assert together.max_percent == relative(alone.max_percent, 1e-9)
    assert alone.std_lsb is alone.max_lsb is budget.lsb_coulomb is None
    with pytest.raises(InputError, match="has no contribution 'wires'"):
        budget.row("wires")


PAIR = {"wires": NO_WIRES, "read_out": NO_OFFSET}
SINH = {"kind": "sinh", "v_sinh_volt": 0.4, "polarity_asymmetry": 0.0}


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        ("wires", {"wires": {"r_bit_line_ohm": 2.0}}),
        ("wires", {"wires": {**NO_WIRES, "r_terminal_ohm": 5.0}}),
        ("wires", {"wires": {**NO_WIRES, "r_row_ohm": 5.0}}),
        ("driver", {"wires": {**NO_WIRES, "r_driver_ohm": 50.0}}),
        ("clamp", {"read_out": {"v_clamp_volt": 0.401}}),
        ("clamp", {"read_out": {**NO_OFFSET, "circuit": {"kind": "resistive", "r_clamp_ohm": 100.0}}}),
        ("clamp", {"read_out": {**NO_OFFSET, "circuit": MIRROR}}),
        ("device", {"cell": {"device": SINH}}),
        ("device", {"cell": {"device": {"kind": "linear", "polarity_asymmetry": 0.1}}}),
        ("adc", {"adc": CCO}),
        ("mismatch", {"mismatch": {**NO_MISMATCH, "seed": 1, "clamp_offset_sigma_volt": 1e-3}}),
    ],
)
def test_a_tile_has_the_contribution_that_it_was_given(name, tables):
    budget = error_budget(pair_tile(**{**PAIR, **tables}), n_vec=20)
    assert names(budget) == ["quantization", name, "together"]
    assert budget.row(name).std_percent > 0.01


def test_gated_tiles_have_an_access_device_and_no_clamp_offset():
    budget = error_budget(switch_tile(adc={**CCO, "f_hertz_per_ampere": 1e13}), n_vec=20)
    assert names(budget) == ["quantization", "wires", "access", "adc", "together"]
    for row in budget.rows:
        assert row.std_lsb * budget.lsb_coulomb == relative(row.std_percent / 100 * budget.mac_std_coulomb, ROUNDING)
        assert row.max_lsb * budget.lsb_coulomb == relative(row.max_percent / 100 * budget.mac_std_coulomb, ROUNDING)


def test_what_is_alone_does_not_see_the_rest():
    parts = {
        "wires": {"wires": {"r_bit_line_ohm": 2.0, "r_row_ohm": 1.0}},
        "driver": {"wires": {**NO_WIRES, "r_driver_ohm": 50.0}},
        "clamp": {"read_out": {"v_clamp_volt": 0.401, "circuit": {"kind": "resistive", "r_clamp_ohm": 100.0}}},
        "device": {"cell": {"device": SINH}},
        "adc": {"adc": CCO},
    }
    everything = pair_tile(
        wires={"r_bit_line_ohm": 2.0, "r_row_ohm": 1.0, "r_driver_ohm": 50.0},
        read_out=parts["clamp"]["read_out"],
        cell=parts["device"]["cell"],
        adc=CCO,
    )
    budget = error_budget(everything, n_vec=20)
    assert names(budget) == ["quantization", *parts, "together"]
    for name, tables in parts.items():
        single = error_budget(pair_tile(**{**PAIR, **tables}), n_vec=20).row(name)
        assert budget.row(name).std_percent == relative(single.std_percent, 1e-9)
        assert budget.row(name).max_percent == relative(single.max_percent, 1e-9)


def test_a_cut_window_is_a_contribution_of_its_own():
    slow = {"r_bit_line_ohm": 5.0, "c_bit_line_farad": 100e-15}
    cut = {"window": "cut", "t_tail_second": 0.1e-9}
    size = {"n_row": 64}
    budget = error_budget(pair_tile(array=size, wires=slow, read_out=cut), n_vec=20)
    assert names(budget) == ["quantization", "wires", "clamp", "settling", "together"]
    settled = error_budget(pair_tile(array=size, wires=slow, read_out={"t_tail_second": 1e-6}), n_vec=20)
    assert budget.row("wires").std_percent == relative(settled.row("wires").std_percent, 1e-9)
    assert 0 < budget.row("settling").std_percent < budget.row("wires").std_percent
    long = error_budget(pair_tile(array=size, wires=slow, read_out={**cut, "t_tail_second": 1e-6}), n_vec=20)
    assert long.row("settling").max_percent < 1e-6


def test_quantization_is_that_of_a_uniform_rounding_error():
    budget = error_budget(ibm(25e-6, 64))
    inputs = 0.3312  # standard deviation of a normal one of 1/3, clipped at +-1
    assert budget.row("quantization").std_percent == relative(100 / (np.sqrt(12) * 127 * inputs), 0.02)


def test_small_independent_parts_add_up_in_squares():
    # Rounding to nearest: truncation pulls to zero, as IR drop does, and adds to it without any square
    adc = {
        "kind": "linear",
        "adc_bits": 9,
        "charge_full_scale_coulomb": 8e-12,
        "gain": 1.0,
        "offset_lsb": 0.0,
        "inl_lsb": [],
    }
    tile = pair_tile(array={"n_row": 256, "n_col": 32}, wires={"r_bit_line_ohm": 0.04}, read_out=NO_OFFSET, adc=adc)
    budget = error_budget(tile)
    parts = [row.std_percent for row in budget.rows[:-1]]
    assert names(budget) == ["quantization", "wires", "adc", "together"]
    assert max(parts) < 0.9 * np.hypot.reduce(parts)
    assert budget.row("together").std_percent == relative(np.hypot.reduce(parts), 0.03)


def test_a_gain_of_the_clamp_is_fitted_away_and_a_mirrors_ratio_is_no_error():
    resistive = {"kind": "resistive", "r_clamp_ohm": 50.0}
    clamp = error_budget(pair_tile(**{**PAIR, "read_out": {"v_clamp_volt": 0.402, "circuit": resistive}})).row("clamp")
    assert clamp.std_after_fit_percent < 1e-9 < clamp.std_percent
    assert abs(clamp.mean_percent) > clamp.std_percent
    plain = error_budget(pair_tile(**{**PAIR, "read_out": {**NO_OFFSET, "circuit": resistive}}))
    mirror = error_budget(pair_tile(**{**PAIR, "read_out": {**NO_OFFSET, "circuit": MIRROR}}))
    assert mirror.mac_std_coulomb == relative(0.25 * plain.mac_std_coulomb, ROUNDING)
    assert mirror.row("clamp").std_percent == relative(plain.row("clamp").std_percent, 1e-9)


def transistor_tile(tmp_path):
    path = tmp_path / "transistors.toml"
    path.write_text('name = "transistors"\npreset = "sky130_1t1r"\n[array]\nn_row = 8\nn_col = 3\n')
    return path


def compact(tile, r_access_ohm):
    parameters = GatedParameters.of_switch(r_bit_line_ohm=tile.wires.r_bit_line_ohm, r_access_ohm=r_access_ohm)
    fit = {"fitted": [], "standard_error": [], "correlation": [], "n_observation": 1}
    residual = {"residual_rms_coulomb": 0.0, "residual_max_coulomb": 0.0}
    return CompactModel(
        schema_version="tilemodel-compact-2",
        tile=tile,
        parameters=parameters,
        fit=FitStatistics(**fit, **residual, residual_max_percent_of_largest_charge=0.0),
        provenance=Provenance(
            package="tilemodel",
            engine="by hand",
            seed=0,
            cell_sha256=None,
            conditions=[RECORD],
            reference_error_percent_of_largest_charge=0.0,
        ),
        validity=ValidityRange.of_experiment(tile, [tile.array.n_row], [tile.v_read_volt]),
    )


def test_calibrated_parameters_are_those_of_the_access_device(tmp_path):
    tile = load_tile(transistor_tile(tmp_path))
    with pytest.raises(InputError, match="tilemodel calibrate"):
        error_budget(tile)
    small, large = (error_budget(tile, compact(tile, r_ohm)) for r_ohm in (500.0, 1000.0))
    assert 1.5 < large.row("access").std_percent / small.row("access").std_percent < 2.1
    assert large.row("wires") == small.row("wires")
    assert large.provenance["calibration"]["engine"] == "by hand"


def test_pages_are_the_same_to_the_byte_and_stand_alone(tmp_path):
    for name in ("a", "b"):
        write_budget(error_budget(switch_tile(adc=CCO), n_vec=10, seed=3), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["budget.csv", "budget.json", "budget.svg", "index.html"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    page = (tmp_path / "a/index.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert all(LABELS[name] in page for name in ("quantization", "wires", "access", "adc", "together"))
    ET.parse(tmp_path / "a/budget.svg")
    rows = list(csv.DictReader((tmp_path / "a/budget.csv").read_text().splitlines()))
    content = json.loads((tmp_path / "a/budget.json").read_text())
    assert content["schema_version"] == "tilemodel-budget-1"
    assert [float(row["std_percent"]) for row in rows] == [row["std_percent"] for row in content["rows"]]
    assert content["provenance"]["seed"] == 3
    write_budget(error_budget(switch_tile(), n_vec=10), tmp_path / "a")
    assert next(csv.DictReader((tmp_path / "a/budget.csv").read_text().splitlines()))["std_lsb"] == ""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/data.csv").write_text("1")
    with pytest.raises(OutputError, match="not an earlier output"):
        write_budget(error_budget(switch_tile(), n_vec=10), tmp_path / "mine")


def test_a_figure_of_rounding_errors_alone_can_be_drawn():
    tile = pair_tile(wires=NO_WIRES, read_out=NO_OFFSET, drive={"input_bits": 2})
    assert "<svg" in draw_budget(error_budget(tile, n_vec=5))


def test_seeds_draw_other_operands_and_too_few_vectors_are_refused():
    first, again, other = (error_budget(pair_tile(), n_vec=10, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.provenance["conductances_sha256"] != other.provenance["conductances_sha256"]
    with pytest.raises(InputError, match="at least 3 vectors"):
        error_budget(pair_tile(), n_vec=2)


def test_a_read_out_that_is_also_the_converter_is_refused():
    with pytest.raises(InputError, match="a budget cannot take apart"):
        error_budget(load_tile(EXAMPLE.parent / "circuits/read_out_sky130.toml"))


def test_the_command_from_end_to_end(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = transistor_tile(tmp_path)
    save_model(compact(load_tile(path), 880.0), "model.json")
    assert main(["budget", "model.json", "--vectors", "20", "--seed", "5", "-o", "out"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"access device +\d", printed)
    assert f"budget: {(tmp_path / 'out/index.html').as_uri()}" in printed
    assert json.loads(Path("out/budget.json").read_text())["n_vec"] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.toml", "-o", "out"], "none.toml: cannot be read"),
        (["none.json", "-o", "out"], "none.json: cannot be read"),
        (["transistors.toml", "-o", "out"], "run `tilemodel calibrate"),
        (["transistors.toml", "-o", "."], "is in use as the current folder"),
        (["transistors.toml", "-o", "transistors.toml"], "is not a folder"),
    ],
)
def test_mistakes_are_exit_status_2_with_a_message(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    transistor_tile(tmp_path)
    assert main(["budget", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["transistors.toml"]


def test_the_options_are_checked_and_the_example_exists(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["budget", "tile.toml", "--vectors", "2", "-o", "out"])
    assert stop.value.code == 2
    with pytest.raises(SystemExit):
        main(["budget", "--help"])
    assert f"tilemodel budget examples/{EXAMPLE.name}" in capsys.readouterr().out


def test_a_report_tells_what_was_not_measured_and_what_the_model_bounds():
    assert _residual_line(None) == "not measured: outputs are sampled"
    assert _residual_line(0.0123) == "0.012 of the largest"
    figures = dict.fromkeys(
        ("full_scale_coulomb", "max_error_percent_full_scale", "rms_error_percent_full_scale"), 1.0
    ) | dict.fromkeys(("ideal_max_error_percent_full_scale", "reference_error_percent_full_scale"), 1.0)
    tile = pair_tile().model_dump(mode="json")
    with_bound = {**figures, "error_bound_percent_full_scale": 0.25, "outside_bound_percent": 0.0}
    without = {**figures, "error_bound_percent_full_scale": None, "outside_bound_percent": None}
    page, bare = (
        render_template("report.html", tile=tile, accuracy={**values, "code_match_percent": None}, provenance={})
        for values in (with_bound, without)
    )
    assert "largest error bound that the model states" in page
    assert "outputs outside their bound" in page
    assert "bound" not in bare

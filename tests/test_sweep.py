"""Validation over conditions: limits by group, the worst condition named, nothing lost because one condition failed."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from reports.compare import read_report
from reports.run_times import TIMING_FILES
from reports.sweep import run_sweep, sweep_conditions
from reports.sweep_page import write_sweep
from tests.conftest import pair_tile
from tests.tolerances import SPICE_LINEAR, relative
from tilemodel.config.errors import InputError
from tilemodel.config.load import load_tile
from tilemodel.coverage import settling_need_second
from tilemodel_cli.main import main

SMALL = {"n_row": 4, "n_col": 2}
MISMATCH = {
    "seed": 7,
    "access_resistance_sigma": 0.0,
    "clamp_offset_sigma_volt": 1e-3,
    "mirror_ratio_sigma": 0.0,
    "adc_gain_sigma": 0.0,
    "adc_offset_sigma_lsb": 0.0,
    "adc_unit_capacitor_sigma": 0.0,
}
TRANSISTOR = load_tile("examples/sky130_32x8.toml")


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def names(conditions):
    return [condition.name for condition in conditions]


def test_every_combination_once_and_the_nominal_one_first():
    conditions = sweep_conditions(
        TRANSISTOR, corners=["tt", "ss"], temperatures_celsius=[-40.0, 27.0], supply_factors=[0.9, 1.0]
    )
    assert names(conditions)[0] == "nominal"
    assert len(set(names(conditions))) == len(conditions) == 2 * 2 * 2  # tt, 27, 1.0 is the nominal one
    slow = next(item for item in conditions if item.name == "ss_-40C_0.9x_supply")
    assert slow.tile.cell.access.corner == slow.corner == "ss"
    assert (slow.tile.conditions.temperature_celsius, slow.tile.conditions.supply_factor) == (-40.0, 0.9)
    assert slow.tile.sources["cell.access.corner"].source == "condition of this validation"


def test_wires_have_corners_too():
    tile = pair_tile(array=SMALL)
    conditions = sweep_conditions(tile, wire_resistance_factors=[0.8, 1.0, 1.25])
    assert names(conditions) == ["nominal", "27C_1x_supply_0.8x_wires", "27C_1x_supply_1.25x_wires"]
    assert conditions[1].tile.wires_in_use.r_bit_line_ohm == pytest.approx(0.8 * tile.wires.r_bit_line_ohm)
    with pytest.raises(InputError, match="wire_resistance_factor"):
        sweep_conditions(tile, wire_resistance_factors=[0.0])


def test_chips_are_drawn_by_the_tiles_own_seeds():
    tile = pair_tile(array=SMALL, mismatch=MISMATCH)
    conditions = sweep_conditions(tile, n_chip=3)
    assert names(conditions) == ["nominal", "chip_7", "chip_8", "chip_9"]
    assert [item.tile.mismatch and item.tile.mismatch.seed for item in conditions] == [None, 7, 8, 9]


def test_what_a_tile_does_not_have_is_refused():
    with pytest.raises(InputError, match="which the tile file does not have"):
        sweep_conditions(pair_tile(), n_chip=1)
    with pytest.raises(InputError, match="corners need access transistors"):
        sweep_conditions(pair_tile(), corners=["ss"])
    with pytest.raises(InputError, match=r"\[cell.access\]: corner"):
        sweep_conditions(TRANSISTOR, corners=["sss"])
    with pytest.raises(InputError, match=r"\[conditions\]: temperature_celsius"):
        sweep_conditions(TRANSISTOR, temperatures_celsius=[1000.0])


def test_limits_of_a_group_stand_above_the_common_ones():
    own = {"max_error_percent_full_scale": 0.5}
    tile = pair_tile(
        array=SMALL,
        mismatch=MISMATCH,
        spec={"max_error_percent_full_scale": 0.1, "max_code_difference_lsb": 1, "corners": own},
    )
    nominal, hot, chip = sweep_conditions(tile, temperatures_celsius=[85.0], n_chip=1)
    assert [item.tile.spec.max_error_percent_full_scale for item in (nominal, hot, chip)] == [0.1, 0.5, 0.1]
    assert [item.tile.spec.max_code_difference_lsb for item in (nominal, hot, chip)] == [1, 1, 1]


def test_limits_of_groups_leave_the_hash_of_other_tiles():
    """A tile without them keeps the hash that stands in reports and models from before there were any."""
    assert load_tile("examples/switch_32x8.toml").sha256().startswith("8c492d80e76079f6")
    plain = pair_tile(spec={"max_error_percent_full_scale": 0.1})
    own = pair_tile(spec={"max_error_percent_full_scale": 0.1, "corners": {"max_error_percent_full_scale": 0.2}})
    assert plain.sha256() != own.sha256()


@pytest.fixture(scope="module")
def sweep():
    """Three temperatures and two chips in ngspice; at 125 degrees the wires settle too slowly for the window."""
    tile = pair_tile(array=SMALL, wires={"r_bit_line_ohm": 200.0, "c_bit_line_farad": 1e-14}, mismatch=MISMATCH)
    # 20 % more resistance fit into the tail, the 44 % at 125 degrees do not
    tail = 1.2 * settling_need_second(tile, 200.0)
    tile = tile.model_copy(update={"read_out": tile.read_out.model_copy(update={"t_tail_second": tail})})
    limits = tile.spec.model_copy(update={"max_error_percent_full_scale": 100 * SPICE_LINEAR})
    tight = limits.model_copy(update={"max_error_percent_full_scale": 1e-12})
    spec = limits.model_copy(update={"monte_carlo": tight})
    conditions = sweep_conditions(tile.model_copy(update={"spec": spec}), temperatures_celsius=[-40.0, 125.0], n_chip=2)
    return run_sweep(conditions, n_vec=1, seed=2)


@pytest.mark.spice
def test_a_condition_that_fails_is_kept_with_its_reason(sweep):
    assert names(item.condition for item in sweep.results) == [
        "nominal",
        "-40C_1x_supply",
        "125C_1x_supply",
        "chip_7",
        "chip_8",
    ]
    passed = [item.passed for item in sweep.results]
    assert passed == [True, True, False, False, False]  # no simulator agrees to 1e-12 %
    assert "t_tail_second" in sweep.results[2].failure
    assert not sweep.passed
    assert sweep.chips() == (0, 2)


@pytest.mark.spice
def test_the_worst_condition_is_the_one_furthest_beyond_its_limit(sweep):
    (with_failed,) = sweep.summaries()
    assert (with_failed.worst.temperature_celsius, with_failed.worst_measured) == (125.0, None)
    assert not with_failed.passed
    (summary,) = replace(sweep, results=[item for item in sweep.results if item.validation]).summaries()
    errors = {
        item.condition.name: item.validation.accuracy.max_error_percent_full_scale
        for item in sweep.results
        if item.validation
    }
    assert (summary.smallest, summary.largest) == (min(errors.values()), max(errors.values()))
    assert summary.typical == errors["nominal"]
    worst = max(("chip_7", "chip_8"), key=errors.get)  # the others are far inside their limit
    assert (summary.worst.name, summary.worst.chip_seed) == (worst, int(worst[-1]))
    assert (summary.worst_measured, summary.worst_limit) == (errors[worst], 1e-12)
    assert not summary.passed


@pytest.mark.spice
def test_conditions_change_the_circuit(sweep):
    """Cold wires lose less, and each chip has its own offsets: in SPICE as in the model."""
    ideal = {
        item.condition.name: item.validation.accuracy.ideal_max_error_percent_full_scale
        for item in sweep.results
        if item.validation
    }
    assert len(set(ideal.values())) == 4
    charges = [item.validation.reference.charge_coulomb for item in sweep.results if item.validation]
    assert not any((charges[0] == other).all() for other in charges[1:])


@pytest.mark.spice
def test_the_folder_holds_page_markdown_tables_and_a_report_each(sweep, tmp_path):
    for name in ("a", "b"):
        write_sweep(sweep, tmp_path / name, {"simulation_second": float(name == "a")})
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    for path in files:
        same = (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
        assert same or path.name in TIMING_FILES, path
    top = {str(path) for path in files if len(path.parts) == 1}
    assert top == {"index.html", "report.md", "report.json", "timing.json", "conditions.csv", "points.csv"}
    content = json.loads((tmp_path / "a" / "report.json").read_text())
    rows = table(tmp_path / "a" / "conditions.csv")
    assert [row["condition"] for row in rows] == [row["condition"] for row in content["conditions"]]
    points = table(tmp_path / "a" / "points.csv")
    assert len(points) == 4 * 2  # four conditions that could be validated, one vector, two columns
    first = sweep.results[0].validation.reference.charge_coulomb[0, 0]
    assert float(points[0]["charge_spice_coulomb"]) == relative(first, 1e-15)
    page, text = ((tmp_path / "a" / name).read_text() for name in ("index.html", "report.md"))
    for shown in (page, text):
        assert "chip of seed 8" in shown
        assert "125 °C" in shown
        assert "t_tail_second" in shown
    for target in re.findall(r"""(?:src|href)=["'](?!data:)([^"']*)""", page):
        assert (tmp_path / "a" / target).is_file(), target
    assert read_report(tmp_path / "a" / "conditions" / "nominal").n_vec == 1
    with pytest.raises(InputError, match="compare the folders in"):
        read_report(tmp_path / "a")


@pytest.mark.spice
def test_the_command_says_what_fails_and_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = 'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 4\nn_col = 2\n[wires]\nr_bit_line_ohm = 50.0\n'
    text += "[mismatch]\n" + "".join(f"{key} = {value}\n" for key, value in MISMATCH.items())
    limits = "[spec]\nmax_error_percent_full_scale = 0.01\n"
    Path("good.toml").write_text(text + limits)
    Path("bad.toml").write_text(text + limits + "[spec.corners]\nmax_error_percent_full_scale = 1e-12\n")
    command = ["--vectors", "1", "--temperatures", "-40", "85", "--chips", "1", "-o"]
    assert main(["validate", "good.toml", *command, "good"]) == 0
    assert main(["validate", "bad.toml", *command, "bad"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"FAIL  max_error_percent_full_scale: min .* worst at (-40|85) °C, supply x 1, nominal", printed)
    assert "FAIL  -40C_1x_supply" in printed
    assert "`drive.t_edge_second = " in Path("bad/report.md").read_text()  # assumed by the preset
    assert main(["validate", "bad.toml", *command, "good"]) == 1  # an earlier report is replaced


@pytest.mark.spice
def test_a_sweep_simulated_again_is_the_same_to_the_byte(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = 'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 4\nn_col = 2\n[wires]\nr_bit_line_ohm = 50.0\n'
    Path("t.toml").write_text(text + "[mismatch]\n" + "".join(f"{key} = {value}\n" for key, value in MISMATCH.items()))
    command = ["validate", "t.toml", "--vectors", "2", "--temperatures", "85", "--chips", "1", "--no-store", "-o"]
    for name in ("a", "b"):
        assert main([*command, name]) == 0
    files = [
        {str(path.relative_to(name)): path.read_bytes() for path in Path(name).rglob("*") if path.is_file()}
        for name in ("a", "b")
    ]
    assert len([name for name in files[0] if name.endswith("out.raw")]) == 3 * 3
    timed = {name for name in files[0] if Path(name).name in TIMING_FILES}
    assert {name for name in files[0] | files[1] if files[0].get(name) != files[1].get(name)} <= timed
    assert files[0]["timing.json"] != files[1]["timing.json"]

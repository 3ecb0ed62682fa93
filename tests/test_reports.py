"""Reports: the figures are those of the data, equal inputs give equal bytes, nothing is fetched from outside."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from reports.accuracy import judge, measure_accuracy
from reports.page import value_rows
from reports.validation import validate
from reports.write import write_report
from tests.conftest import pair_tile
from tilemodel.config.errors import InputError, OutputError
from tilemodel.config.load import load_tile
from tilemodel.config.tile import SpecConfig
from tilemodel.output import TileOutput

CCO = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4095}


def output(charge, code=None):
    charge = np.array(charge, dtype=float)
    return TileOutput(
        charge_coulomb=charge,
        charge_line_coulomb=charge,
        code=None if code is None else np.array(code),
        error_bound_coulomb=None,
        n_saturated=0,
        provenance={},
    )


def test_errors_are_percent_of_the_ideal_macs_largest_charge():
    ideal = np.array([[100.0, -200.0]])
    accuracy = measure_accuracy(
        output([[99.0, -198.0]], [[4, 5]]), output([[99.0, -197.0]], [[4, 7]]), ideal, np.array([[0.5, 0.0]])
    )
    assert accuracy.full_scale_coulomb == 200
    assert accuracy.max_error_percent_full_scale == pytest.approx(0.5)
    assert accuracy.rms_error_percent_full_scale == pytest.approx(0.5 / np.sqrt(2))
    assert accuracy.ideal_max_error_percent_full_scale == pytest.approx(1.0)
    assert accuracy.reference_error_percent_full_scale == pytest.approx(0.25)
    assert (accuracy.code_match_percent, accuracy.max_code_difference_lsb) == (50.0, 2)


def test_verdicts_follow_the_limits():
    accuracy = measure_accuracy(
        output([[99.0]], [[4]]), output([[98.0]], [[4]]), np.array([[100.0]]), np.array([[0.0]])
    )
    spec = SpecConfig(max_error_percent_full_scale=0.9, min_code_match_percent=100.0, max_code_difference_lsb=0)
    assert [verdict.passed for verdict in judge(accuracy, spec)] == [False, True, True]
    spec = SpecConfig(max_error_percent_full_scale=1.1)
    assert [verdict.passed for verdict in judge(accuracy, spec)] == [True]
    without_codes = replace(accuracy, code_match_percent=None, max_code_difference_lsb=None)
    assert not judge(without_codes, SpecConfig(min_code_match_percent=1.0))[0].passed


def test_a_batch_without_any_signal_is_refused():
    with pytest.raises(InputError, match="no full scale"):
        measure_accuracy(output([[0.0]]), output([[0.0]]), np.zeros((1, 1)), np.zeros((1, 1)))


@pytest.mark.spice
def test_a_report_is_the_same_to_the_byte_and_stands_alone(tmp_path):
    tile = pair_tile(adc=CCO, spec={"max_error_percent_full_scale": 0.0005, "max_code_difference_lsb": 1})
    for name in ("a", "b"):
        validation = validate(tile, n_vec=2, seed=4)
        write_report(validation, tmp_path / name, {"simulation_second": float(name == "a")})
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert [str(name) for name in names] == [
        "figures/codes.svg",
        "figures/columns.svg",
        "figures/error.svg",
        "figures/histogram.svg",
        "figures/ir_drop.svg",
        "figures/linearity.svg",
        "figures/parity.svg",
        "figures/transient.svg",
        "index.html",
        "points.csv",
        "points.npz",
        "report.json",
        "report.md",
        "timing.json",
    ]
    for name in names:
        same = (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert same == (name.name != "timing.json"), name
    page = (tmp_path / "a" / "index.html").read_text()
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    assert "ngspice-" in page
    content = json.loads((tmp_path / "a" / "report.json").read_text())
    assert content["passed"] is True
    assert len(content["provenance"]["reference"]["deck_sha256"]) == 2
    points = np.load(tmp_path / "a" / "points.npz")
    rows = list(csv.DictReader((tmp_path / "a" / "points.csv").read_text().splitlines()))
    assert [float(row["charge_spice_coulomb"]) for row in rows] == points["charge_spice_coulomb"].ravel().tolist()
    assert [int(row["code_model"]) for row in rows] == points["code_model"].ravel().tolist()
    markdown = (tmp_path / "a" / "report.md").read_text()
    assert "| max_code_difference_lsb | 1 | 0 | pass |" in markdown
    assert f"| {content['accuracy']['max_error_percent_full_scale']:.3g} |" in markdown
    error = np.abs(points["charge_model_coulomb"] - points["charge_spice_coulomb"]).max()
    assert content["accuracy"]["max_error_percent_full_scale"] == pytest.approx(
        100 * error / np.abs(points["charge_ideal_coulomb"]).max()
    )


@pytest.mark.spice
def test_values_say_under_which_conditions_even_where_the_tile_file_does_not():
    rows = {row["key"]: row for row in value_rows(load_tile("examples/switch_32x8.toml").model_dump(mode="json"))}
    temperature = rows["conditions.temperature_celsius"]
    assert (temperature["value"], temperature["kind"]) == ("27.0", "default")
    assert rows["conditions.supply_factor"]["value"] == "1.0"
    hot = value_rows(load_tile("examples/circuits/conditions_hot_wires.toml").model_dump(mode="json"))
    stated = [row for row in hot if row["key"] == "conditions.temperature_celsius"]
    assert [row["kind"] for row in stated] == ["tile file"]


def test_names_cannot_break_the_page_and_foreign_folders_stay(tmp_path):
    tile = pair_tile(array={"n_row": 2, "n_col": 1})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "data.csv").write_text("1")
    validation = validate(tile, n_vec=1)
    with pytest.raises(OutputError, match="not an earlier output"):
        write_report(validation, tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]

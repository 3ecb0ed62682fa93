"""The worked studies: their pages say what their results hold, and a small one runs."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

STUDIES = Path(__file__).parents[1] / "docs" / "studies"
# Of the fitted wire, many times its standard error (1e-7 Ohm)
WIRE_OHM = 1e-5


def load(name: str) -> tuple[ModuleType, dict]:
    folder = STUDIES / name
    spec = importlib.util.spec_from_file_location(name, folder / "study.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, json.loads((folder / "results.json").read_text())


@pytest.mark.parametrize("name", ["exports", "reference_tile", "sky130_corners"])
def test_a_page_is_what_its_results_give(name):
    module, results = load(name)
    assert module.page(results) == (STUDIES / name / "README.md").read_text()


def test_a_calibration_at_each_condition_beats_that_of_another():
    module, results = load("sky130_corners")
    nominal, *others = results["conditions"]
    assert nominal["accuracy"]["as it stands"] == nominal["accuracy"]["own"]
    for item in others:
        errors = [item["accuracy"][way]["max_error_percent_full_scale"] for way in module.WAYS]
        assert errors[2] < min(errors[:2])  # little, where the access resistance is the nominal one (ss, -40 Celsius)


@pytest.mark.spice
def test_the_reference_tile_at_32_rows(monkeypatch):
    module, _ = load("reference_tile")
    monkeypatch.setattr(module, "SEEDS", 2)
    found = module.study(25e-6, seed=0, runner=None, n_row=32)
    assert found["passed"]
    assert found["fit"]["r_bit_line_ohm"]["value"] == pytest.approx(0.15, abs=WIRE_OHM)
    again = module.study(25e-6, seed=0, runner=None, n_row=32)
    assert again == found


@pytest.mark.spice
def test_the_exports_of_the_reference_tile_at_32_rows():
    """The reference in ngspice, the files of ours and ngspice's bench, within what the study says of the model."""
    module, results = load("exports")
    found = module.study(module.reference_tile(32), ("json", "numpy", "ngspice"), None)["targets"]
    for name, item in found.items():
        assert item["spice_max_percent"] < results["spec_percent"], name
        assert item["codes_equal_percent"] in (100, None)


def test_deviations_count_from_what_rounds_to_the_table():
    module, _ = load("reference_tile")
    found = {"mean_percent": 3.2, "spread_percent": 0.05}
    assert module.deviations(3.2, found) == 0
    assert module.deviations(3.0, found) == pytest.approx(3.0)

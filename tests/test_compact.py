"""The compact model file: its schemas, its older version, and the range in which it was calibrated."""

import json
import warnings
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from tests.conftest import switch_tile
from tests.test_budget import compact
from tilemodel.compact import SCHEMA_VERSION, compact_schema, load_model, save_model
from tilemodel.config.errors import InputError
from tilemodel.config.operands import Conductances
from tilemodel.validity import OutsideRangeWarning

SCHEMAS = Path("tilemodel/schemas")
OLD = sorted(Path("docs/studies/sky130_rows").glob("model_*.json"))
TILE = switch_tile()


def schema(version):
    return json.loads((SCHEMAS / f"{version.removeprefix('tilemodel-')}.json").read_text())


def conductances(n_row=8, low=0.1e-6, high=25e-6):
    g_plus = np.full((n_row, 3), high)
    return Conductances(g_plus=g_plus, g_minus=np.full_like(g_plus, low))


def test_the_shipped_schema_is_the_codes():
    assert schema(SCHEMA_VERSION) == compact_schema(), "run make schemas and commit what it wrote"


def test_what_is_written_obeys_the_shipped_schema(tmp_path):
    save_model(compact(TILE, 880.0), tmp_path / "model.json")
    content = json.loads((tmp_path / "model.json").read_text())
    jsonschema.validate(content, schema(content["schema_version"]))
    del content["validity"]["n_row_max"]
    with pytest.raises(jsonschema.ValidationError, match="n_row_max"):
        jsonschema.validate(content, schema(content["schema_version"]))
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"\[validity\]: key 'n_row_max' is missing"):
        load_model(tmp_path / "model.json")


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_models_of_version_1_load_with_the_range_of_their_conditions(path, tmp_path):
    content = json.loads(path.read_text())
    assert content["schema_version"] == "tilemodel-compact-1"
    jsonschema.validate(content, schema("tilemodel-compact-1"))
    model = load_model(path)
    assert model.parameters.model_dump(mode="json") == content["parameters"]
    assert model.validity.n_row_max == 32
    assert model.validity.g_max_siemens == content["tile"]["conductance"]["g_max_siemens"]
    voltages = [item["v_read_volt"] for item in content["provenance"]["conditions"]]
    assert (model.validity.v_read_min_volt, model.validity.v_read_max_volt) == (min(voltages), max(voltages))
    save_model(model, tmp_path / "new.json")
    assert load_model(tmp_path / "new.json") == model
    assert json.loads((tmp_path / "new.json").read_text())["schema_version"] == SCHEMA_VERSION


def test_there_are_models_of_version_1():
    assert len(OLD) >= 2


@pytest.mark.parametrize("version", ["tilemodel-compact-3", None, 2, ["tilemodel-compact-1"]])
def test_an_unknown_version_is_refused(version, tmp_path):
    content = json.loads(OLD[0].read_text()) | {"schema_version": version}
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="tilemodel-compact-2"):
        load_model(tmp_path / "model.json")


def test_version_1_without_conditions_has_no_range(tmp_path):
    content = json.loads(OLD[0].read_text())
    content["provenance"]["conditions"] = []
    (tmp_path / "model.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"\[provenance\]: conditions: List should have at least 1 item"):
        load_model(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("used", "distance"),
    [
        (conductances(n_row=24), r"24 rows, 3 times the most that were calibrated \(8\)"),
        (conductances(high=50e-6), r"g_plus rises to 5e-05 siemens, 2 times the largest .* \(2\.5e-05\)"),
        (conductances(low=0.05e-6), r"g_minus falls to 5e-08 siemens, 0\.5 times the smallest .* \(1e-07\)"),
    ],
)
def test_outside_its_range_a_model_warns_with_the_distance(used, distance):
    array = TILE.array.model_copy(update={"n_row": len(used.g_plus)})
    model = compact(TILE, 880.0)
    model = model.model_copy(
        update={"provenance": load_model(OLD[0]).provenance}  # conditions, for the error bound
    )
    with pytest.warns(OutsideRangeWarning, match=distance):
        model.tile_model(used, TILE.model_copy(update={"array": array}))


def test_inside_its_range_a_model_is_silent():
    model = compact(TILE, 880.0).model_copy(update={"provenance": load_model(OLD[0]).provenance})
    empty = conductances()
    empty.g_plus[0, 0] = 0.0  # an empty cell is no conductance
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.tile_model(conductances())
        model.tile_model(empty)
        fewer = TILE.array.model_copy(update={"n_row": 2})
        model.tile_model(conductances(n_row=2), TILE.model_copy(update={"array": fewer}))

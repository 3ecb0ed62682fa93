"""Two reports compared: only what SPICE's own errors cannot explain counts."""

import json
from pathlib import Path

import numpy as np
import pytest

from reports.compare import compare_reports, read_report
from tests.conftest import pair_tile
from tests.tolerances import relative
from tilemodel_cli.main import main

ADC = {
    "kind": "linear",
    "adc_bits": 8,
    "charge_full_scale_coulomb": 1.27e-10,  # 1 pC a step
    "gain": 1.0,
    "offset_lsb": 0.0,
    "inl_lsb": (),
}
TILE = pair_tile(adc=ADC, spec={"max_error_percent_full_scale": 0.05})


def report(folder, *, tile=TILE, passed=True, seed=0, limit=0.05, **accuracy):
    """A report folder with the given figures."""
    figures = {
        "n_output": 200,
        "full_scale_coulomb": 1e-10,
        "max_error_percent_full_scale": 0.02,
        "rms_error_percent_full_scale": 0.01,
        "ideal_max_error_percent_full_scale": 5.0,
        "reference_error_percent_full_scale": 0.001,
        "error_bound_percent_full_scale": 0.1,
        "outside_bound_percent": 0.0,
        "code_match_percent": 99.0,
        "max_code_difference_lsb": 1,
        "n_saturated": 0,
    } | accuracy
    spec = "max_error_percent_full_scale"
    content = {
        "schema_version": "tilemodel-report-1",
        "tile": tile.model_dump(mode="json"),
        "seed": seed,
        "n_vec": 8,
        "passed": passed,
        "verdicts": [{"spec": spec, "limit": limit, "measured": figures[spec], "passed": passed}],
        "accuracy": figures,
        "provenance": {"package": "tilemodel", "reference": {"engine": "ngspice-39"}},
    }
    Path(folder).mkdir()
    (Path(folder) / "report.json").write_text(json.dumps(content))
    return folder


def outcomes(a, b):
    comparison = compare_reports(read_report(a), read_report(b))
    return {change.figure.split(":")[0]: change.outcome for change in comparison.changes}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_report_equals_itself(capsys):
    a, b = report("a"), report("b")
    assert set(outcomes(a, b).values()) == {"same"}
    assert main(["compare", a, b]) == 0
    assert "differ in" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("figure", "inside", "outside"),
    [
        # both references: 3 x 0.001 % and the floor of 2e-5 %
        ("max_error_percent_full_scale", 0.02 + 0.00603, 0.02 + 0.00605),
        ("rms_error_percent_full_scale", 0.01 + 0.00603, 0.01 + 0.00605),
        ("outside_bound_percent", 0.0, 0.5),
        # 0.00604 % of 100 pC are 0.00604 steps, so 0.604 % of the codes may move, and one of 200 outputs
        ("code_match_percent", 99.0 - 1.10, 99.0 - 1.11),
        ("max_code_difference_lsb", 2, 3),
    ],
)
def test_the_references_errors_are_allowed_and_no_more(figure, inside, outside):
    a = report("a")
    within, beyond = report("within", **{figure: inside}), report("beyond", **{figure: outside})
    assert outcomes(a, within)[figure] == "same"
    assert outcomes(a, beyond)[figure] == "worse"
    assert outcomes(beyond, a)[figure] == "better"
    assert main(["compare", a, within]) == 0
    assert main(["compare", a, beyond]) == 1
    assert main(["compare", beyond, a]) == 0


def test_a_worse_reference_allows_more():
    a = report("a")
    b = report("b", max_error_percent_full_scale=0.04, reference_error_percent_full_scale=0.01)
    assert outcomes(a, b)["max_error_percent_full_scale"] == "same"
    change = compare_reports(read_report(a), read_report(b)).changes[0]
    assert change.allowed == relative(3 * 0.011 + 4e-5, 1e-9)


def test_a_spec_that_is_newly_missed_is_worse(capsys):
    a, b = report("a"), report("b", passed=False, limit=0.01)
    assert outcomes(a, b)["spec max_error_percent_full_scale"] == "worse"
    assert main(["compare", a, b]) == 1
    assert "WORSE" in capsys.readouterr().out
    assert outcomes(b, a)["spec max_error_percent_full_scale"] == "better"


def test_what_else_differs_is_listed(capsys):
    slow = TILE.model_copy(update={"wires": TILE.wires.model_copy(update={"r_bit_line_ohm": 3.0})})
    a, b = report("a"), report("b", tile=slow, seed=1)
    assert main(["compare", a, b]) == 0
    printed = capsys.readouterr().out
    assert "tile wires.r_bit_line_ohm: 2.0 and 3.0" in printed
    assert "seed: 0 and 1" in printed


def test_codes_of_one_report_only_are_not_comparable():
    ideal = pair_tile(spec={"max_error_percent_full_scale": 0.05})
    a, b = report("a"), report("b", tile=ideal, code_match_percent=None, max_code_difference_lsb=None)
    assert outcomes(a, b)["code_match_percent"] == "not comparable"
    assert main(["compare", a, b]) == 0


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"schema_version": "tilemodel-report-1"}', '{"schema_version": "tilemodel-budget-1"}', "\xff"]
)
def test_what_is_no_report_is_refused(text, capsys):
    a = report("a")
    Path("b").mkdir()
    Path("b/report.json").write_text(text, encoding="latin-1")
    assert main(["compare", a, "b"]) == 2
    assert "report.json" in capsys.readouterr().err
    assert main(["compare", a, "nowhere"]) == 2
    assert "give the path of a folder that `tilemodel validate` wrote" in capsys.readouterr().err


@pytest.mark.spice
def test_real_reports_compare():
    """From ngspice: a report against itself, and against one whose model has the wrong wires."""
    Path("tile.toml").write_text(
        'name = "t"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 6\nn_col = 2\n[wires]\nr_bit_line_ohm = 50.0\n'
    )
    Path("wrong.toml").write_text(Path("tile.toml").read_text().replace("50.0", "60.0"))
    np.savez("w.npz", weights=np.linspace(-1, 1, 12).reshape(6, 2))
    np.save("x.npy", np.eye(6))
    operands = ["--weights", "w.npz", "--inputs", "x.npy"]
    assert main(["mvm", "wrong.toml", *operands, "-o", "data.npz"]) == 0
    assert main(["calibrate", "tile.toml", "--data", "data.npz", *operands, "-o", "wrong.json"]) == 0
    validate = ["validate", "tile.toml", "--vectors", "2", "-o"]
    assert main([*validate, "a"]) == main([*validate, "again"]) == 0
    assert main(["compare", "a", "again"]) == 0
    assert set(outcomes("a", "again").values()) == {"same"}
    assert main([*validate, "wrong", "--model", "wrong.json"]) == 0
    assert main(["compare", "a", "wrong"]) == 1
    assert outcomes("a", "wrong")["max_error_percent_full_scale"] == "worse"


def test_sweeps_are_compared_condition_by_condition(tmp_path, capsys):
    """A folder of conditions against one in which a condition is worse and another one is missing."""
    worse = {"max_error_percent_full_scale": 1.0}
    for side, conditions in (("a", {"nominal": {}, "hot": {}}), ("b", {"nominal": worse, "cold": {}})):
        (tmp_path / side / "conditions").mkdir(parents=True)
        for name, figures in conditions.items():
            report(tmp_path / side / "conditions" / name, **figures)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    said = capsys.readouterr().out
    assert "nominal:" in said
    assert "WORSE" in said
    assert "only before: hot" in said
    assert "only after: cold" in said
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "a")]) == 0

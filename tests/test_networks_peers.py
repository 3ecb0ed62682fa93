"""The networks study beside IBM's simulators, on a network of two layers and a tile of few rows."""

from importlib.util import find_spec

import numpy as np
import pytest

from tests.conftest import pair_tile

if find_spec("torch") is None or find_spec("transformers") is None:
    pytest.skip("torch or transformers is not installed", allow_module_level=True)

import torch
from torch import nn

from docs.studies.networks.networks import Batch
from docs.studies.networks.page_peers import peers_section
from docs.studies.networks.peer_aihwkit import aihwkit_rows
from docs.studies.networks.peer_lightning import lightning_rows
from tilemodel.torch import Task, evaluate

N_ROW, N_TOKEN, N_WORD = 8, 3, 20
WIRES = {"r_bit_line_ohm": 2000.0}


class Words(nn.Module):
    """Mean of two layers' outputs over the tokens of a text, and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(N_WORD, 6)
        self.first, self.second, self.head = nn.Linear(6, 16), nn.Linear(16, 8), nn.Linear(8, 2)

    def forward(self, batch):
        hidden = self.second(torch.tanh(self.first(self.embedding(batch.tokens))))
        return self.head(hidden.mean(dim=1))


def batch_of(n_text, seed):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(N_WORD, (n_text, N_TOKEN), generator=generator)
    return Batch(tokens=tokens, mask=torch.ones_like(tokens), index=torch.arange(n_text))


def task_of():
    network, batch = Words().eval(), batch_of(40, 1)
    return Task(
        name="words",
        network=network,
        batches=[((batch,), network(batch).argmax(dim=1))],
        calibration=[(batch_of(30, 2),)],
    )


def tile_of(adc):
    return pair_tile(array={"n_row": N_ROW, "n_col": 8, "read_out_end": "alternating"}, wires=WIRES, adc=adc)


@pytest.mark.torch
@pytest.mark.lightning
@pytest.mark.skipif(find_spec("aihwkit_lightning") is None, reason="aihwkit-lightning is missing")
def test_lightning_without_noise_is_the_quantized_network():
    task, tile = task_of(), tile_of({"kind": "ideal"})
    scores = dict(evaluate(task, tile).scores)
    rows = {row["noise"]: row for row in lightning_rows(task, tile, scores, 2)}
    assert rows["off"]["score"] == rows["off"]["ours"]
    assert rows["off"]["out_noise"] is None
    assert 0 < rows["layers"]["out_noise"] < rows["layers_wires"]["out_noise"]  # a gain takes most of it
    assert all(np.isfinite(row["from_ours_low"]) for row in rows.values())


@pytest.mark.torch
@pytest.mark.aihwkit
@pytest.mark.skipif(find_spec("aihwkit") is None, reason="aihwkit is not installed")
def test_the_exported_tile_computes_what_ours_does():
    task = task_of()
    adc = {"kind": "cco", "f_hertz_per_ampere": 3e14, "phase_cycle": 0.0, "count_max": 2**20}
    own, exported = aihwkit_rows(task.network, tile_of(adc), task.calibration, batch_of(1, 3))
    assert exported["n_product"] == N_TOKEN * (2 * 1 + 2 * 1) + 1
    assert exported["error_max"] < 1e-2 < 5e-2 < exported["ideal_error_median"]
    assert exported["error_median"] < 0.2 * own["error_median"]
    assert exported["logits"]["aihwkit"] == pytest.approx(exported["logits"]["ours"], abs=1e-2)


@pytest.mark.torch
def test_the_page_names_what_is_not_installed():
    missing = {"left_out": "No module named 'aihwkit'"}
    text = peers_section({"tile": "stress", "n_seed": 3, "lightning": missing, "aihwkit": missing}, 10)
    assert text.count("not run (No module named 'aihwkit')") == 2

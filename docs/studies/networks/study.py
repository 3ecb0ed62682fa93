"""`make networks`: digital baselines of the networks that are to run through the tile.

Writes beside itself: README.md and results.json. Determined by the seed, up to the machine's float32 arithmetic.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from docs.studies.networks.networks import SentenceNetwork, albert, batches, bert, by_length, encode, train
from docs.studies.networks.packages import MINILM, SENTENCES
from docs.studies.networks.texts import Split, uci_sentences

HERE = Path(__file__).parent
SEED = 0
N_EPOCH = 3
NETWORKS: dict[str, Callable[[int], SentenceNetwork]] = {"BERT (MiniLM)": bert, "ALBERT started from MiniLM": albert}


def main() -> int:
    """Train and test each network; write the results."""
    torch.set_num_threads(2)
    texts = uci_sentences()
    accuracy = {name: digital(make, texts) for name, make in NETWORKS.items()}
    results = {
        "seed": SEED,
        "n_epoch": N_EPOCH,
        "n_train": len(texts.train),
        "n_test": len(texts.test),
        "packages": {item.name: item.sha256 for item in (MINILM, SENTENCES)},
        "accuracy": accuracy,
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "README.md").write_text(page(results))
    print(page(results))
    return 0


def digital(make: Callable[[int], SentenceNetwork], texts: Split) -> float:
    """Accuracy on the test sentences after fine-tuning."""
    network = make(SEED)
    train(network, encode(texts.train), texts.train_label, seed=SEED, n_epoch=N_EPOCH)
    tokens = encode(texts.test)
    right = np.empty(len(texts.test))
    with torch.no_grad():
        for batch in batches(tokens, by_length(tokens), 64):
            index = batch.index.numpy()
            right[index] = network(batch).argmax(dim=1).numpy() == texts.test_label[index]
    return float(right.mean())


def page(results: dict) -> str:
    """The README."""
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in results["accuracy"].items())
    error = max((value * (1 - value) / results["n_test"]) ** 0.5 for value in results["accuracy"].values())
    return f"""# Networks: digital baselines

Written by `make networks` (docs/studies/networks/study.py). UCI Sentiment Labelled Sentences: {results["n_train"]} to train on, {results["n_test"]} to
test on, of which none stands in both. Fine-tuned for {results["n_epoch"]} epochs, seed {results["seed"]}; one standard error of an accuracy is {error:.3f} at most.
Weights and texts come from their packages, pinned by hash, and are not part of this project. No network has run through a tile here yet.

| network | accuracy |
|---|---|
{rows}
"""


if __name__ == "__main__":
    sys.exit(main())

"""The study's labelled texts, split once and for all."""

import json
from dataclasses import dataclass

import numpy as np

from docs.studies.networks.packages import SENTENCES, unpacked

__all__ = ["Split", "uci_sentences"]

SOURCES = ("amazon", "imdb", "yelp")
SPLIT_SEED = 20260101


@dataclass(frozen=True, kw_only=True)
class Split:
    """Texts and their classes, 0 or 1."""

    train: list[str]
    train_label: np.ndarray
    test: list[str]
    test_label: np.ndarray


def uci_sentences(n_test: int = 1000) -> Split:
    """UCI Sentiment Labelled Sentences (Amazon, IMDb, Yelp); sentences of the test set are not in train."""
    folder = unpacked(SENTENCES) / "package" / "test" / "fixtures"
    texts: list[tuple[str, int]] = []
    for source in SOURCES:
        records = json.loads((folder / f"{source}.json").read_text(encoding="utf-8"))
        texts += [(item["text"].strip(), int(item["class"])) for item in records if item["class"] is not None]
    return _split(texts, n_test)


def _split(texts: list[tuple[str, int]], n_test: int) -> Split:
    order = np.random.default_rng(SPLIT_SEED).permutation(len(texts))
    test = [texts[index] for index in order[:n_test]]
    seen = {_bare(text) for text, _ in test}
    train = [texts[index] for index in order[n_test:] if _bare(texts[index][0]) not in seen]
    return Split(
        train=[text for text, _ in train],
        train_label=np.array([label for _, label in train]),
        test=[text for text, _ in test],
        test_label=np.array([label for _, label in test]),
    )


def _bare(text: str) -> str:
    return " ".join(text.lower().split())

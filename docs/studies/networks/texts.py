"""The study's two labelled sets of texts, split once and for all."""

import json
import tarfile
from dataclasses import dataclass

import numpy as np

from docs.studies.networks.packages import MOVIES, SENTENCES, unpacked

__all__ = ["Split", "movie_snippets", "uci_sentences"]

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


def movie_snippets(n_test: int = 1000) -> Split:
    """Snippets of movie reviews, rated by people (Hutto and Gilbert 2014): 1 where the mean rating is above 0."""
    archive = next(unpacked(MOVIES).glob("*/additional_resources/hutto_ICWSM_2014.tar.gz"))
    with tarfile.open(archive) as content:
        file = content.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
        assert file is not None
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    fields = [line.split("\t") for line in lines if line.count("\t") >= 2]
    return _split([(item[2].strip(), int(float(item[1]) > 0)) for item in fields], n_test)


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

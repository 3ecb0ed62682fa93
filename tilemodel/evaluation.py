"""What tiles do to a network: scores of every example, and their differences with confidence intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.paired import PairedDifference, paired_difference

__all__ = ["CONDITIONS", "DIGITAL", "TOGETHER", "Evaluation"]

DIGITAL, TOGETHER = "digital", "together"

CONDITIONS = {
    DIGITAL: "digital: the network as it is",
    "quantization": "input quantization",
    "wires": "wires (IR drop)",
    "access": "access device",
    "driver": "row drivers",
    "clamp": "clamp",
    "device": "device I-V",
    "adc": "ADC",
    "mismatch": "mismatch, converters included",
    "chip": "programming, age",
    "read_noise": "read noise",
    TOGETHER: "all together",
    "together_columns": "all, a gain and an offset a column calibrated",
    "together_ordered": "all, largest rows nearest to the read-out",
    "together_split": "all, bit lines of half the rows",
    "together_corrected": "all, inputs and columns scaled against IR drop",
    "together_compensated": "all, IR drop compensated at programming",
}
"""Under what a network can be evaluated, by name, and what a page calls it; the order of a page's rows.

Each but the first has its inputs in whole ticks; "quantization" has nothing else.
"""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of a network's examples under the conditions of a tile."""

    task: str
    metric: str
    tile: dict[str, Any]
    """The tile file's values."""
    scores: Mapping[str, NDArray[np.float64]]
    """By condition, [n_seed, n_example]; one seed where nothing is drawn."""
    confidence: float
    provenance: dict[str, Any]

    def score(self, name: str) -> float:
        """Mean score under a condition. Raises `InputError` if it was not evaluated."""
        return float(self._scores(name).mean())

    def difference(self, name: str, baseline: str = DIGITAL) -> PairedDifference:
        """Mean score of `name` less that of `baseline`, on the same examples (and seeds), with its interval."""
        score, reference = self._scores(name), self._scores(baseline)
        if len(reference) > len(score):
            score = np.broadcast_to(score, reference.shape)
        return paired_difference(score, reference, confidence=self.confidence)

    def as_dict(self) -> dict[str, Any]:
        """Plain values: a row a condition, without the examples' scores."""
        return {
            "task": self.task,
            "metric": self.metric,
            "confidence": self.confidence,
            "n_example": int(self._scores(next(iter(self.scores))).shape[1]),
            "rows": [self._row(name) for name in self.scores],
            "tile": self.tile,
            "provenance": self.provenance,
        }

    def _row(self, name: str) -> dict[str, Any]:
        scores = self._scores(name)
        row = {"name": name, "label": CONDITIONS[name], "n_seed": len(scores), "score": float(scores.mean())}
        row["by_seed"] = scores.mean(axis=1).tolist()
        if name == DIGITAL or DIGITAL not in self.scores:
            return row
        found = self.difference(name)
        return row | {
            "difference": found.mean,
            "low": found.low,
            "high": found.high,
            "significant": found.is_significant,
        }

    def _scores(self, name: str) -> NDArray[np.float64]:
        if name not in self.scores:
            raise InputError(f"{self.task}: {name!r} was not evaluated; there are {', '.join(self.scores)}")
        return self.scores[name]

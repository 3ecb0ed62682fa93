"""What the result of a fit to measured noise holds, whatever it was fitted to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.noise import ReadNoise, TelegraphNoise
from tilemodel.noise.process import LorentzianNoise
from tilemodel.noise.read_noise import read_noise_process, telegraph_process

__all__ = ["Candidate", "Estimate", "NoiseFit", "choose", "undecided"]

FloatArray = NDArray[np.float64]

# Fall of the log-likelihood of all held-out data that tells a law from the best
_TOLD = 2.0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A fitted number and its standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A law that was tried."""

    name: str
    n_parameter: int
    held_out_score: float
    """Mean log-likelihood of held-out data less that of the best candidate; 0 for the best, else negative."""
    held_out_error: float
    """Standard error of that difference."""
    as_good: bool
    """Whether held-out data do not tell it from the best."""


@dataclass(frozen=True, kw_only=True)
class NoiseFit:
    """The chosen law, how well it is known, and what the data cannot tell."""

    law: ReadNoise | TelegraphNoise
    parameters: dict[str, Estimate]
    candidates: tuple[Candidate, ...]
    curves: dict[str, FloatArray]
    """Spectrum and sigma(t) with 95 % bands, for plots and tables; see the fitting modules."""
    g_reference_siemens: float
    unknown: tuple[str, ...]
    """What the data cannot tell, one sentence each."""
    source: str
    """File name and hash of the data."""

    @property
    def process(self) -> LorentzianNoise:
        """The process of the law."""
        return telegraph_process(self.law) if isinstance(self.law, TelegraphNoise) else read_noise_process(self.law)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "law": self.law.model_dump(mode="json"),
            "parameters": {name: vars(item) for name, item in self.parameters.items()},
            "candidates": [vars(item) for item in self.candidates],
            "curves": {name: values.tolist() for name, values in self.curves.items()},
            "g_reference_siemens": self.g_reference_siemens,
            "unknown": list(self.unknown),
            "source": self.source,
        }


def choose(names: list[str], n_parameter: list[int], scores: FloatArray) -> tuple[int, tuple[Candidate, ...]]:
    """The simplest law that held-out data do not tell from the best one.

    They tell it if the log-likelihood falls by more than two standard errors, and by more than 2 in all (a likelihood
    ratio of 7: laws that contain each other differ by next to nothing, with a standard error as small).
    `scores` [n_candidate, n] are log-likelihoods of independent held-out data.
    """
    n = scores.shape[1]
    best = int(np.argmax(scores.mean(axis=1)))
    difference = scores - scores[best]
    mean, error = difference.mean(axis=1), difference.std(axis=1, ddof=1) / np.sqrt(n)
    as_good = (mean + 2 * error >= 0) | (-n * mean < _TOLD)
    candidates = tuple(
        Candidate(name=name, n_parameter=k, held_out_score=float(m), held_out_error=float(e), as_good=bool(good))
        for name, k, m, e, good in zip(names, n_parameter, mean, error, as_good, strict=True)
    )
    return min(np.flatnonzero(as_good).tolist(), key=lambda i: (n_parameter[i], -mean[i])), candidates


def undecided(candidates: tuple[Candidate, ...], chosen: int) -> list[str]:
    """A sentence if held-out data do not tell other laws from the best."""
    others = [item.name for index, item in enumerate(candidates) if index != chosen and item.as_good]
    return [f"whether the law is not rather {' or '.join(others)}: held-out data do not decide"] if others else []

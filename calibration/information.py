"""What data tell about parameters, from the model's Jacobian: covariances, and what cannot be told apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Information", "central_jacobian", "hardly_separated", "information", "leverage"]

FloatArray = NDArray[np.float64]

# From here on a pair's correlation means that the data hardly tell it apart
_HARDLY = 0.995
# Share of a parameter in a direction that the data do not show, of the largest, from which on it is named
_PART = 0.1


@dataclass(frozen=True, kw_only=True)
class Information:
    """What a Jacobian [n_observation, n_parameter] tells of its parameters."""

    covariance: FloatArray
    """(J^T J)^-1 [n_parameter, n_parameter], that of independent observations of variance 1; a parameter that is silent
    or mixed has an infinite variance."""
    silent: tuple[str, ...]
    """On which no observation depends."""
    mixed: tuple[tuple[str, ...], ...]
    """Groups of which only a combination shows."""


def information(jacobian: FloatArray, names: Sequence[str], weakest: float) -> Information:
    """Covariance by singular values of the column-scaled Jacobian.

    A direction with a singular value below `weakest` times the largest counts as one that nothing depends on.
    """
    length = np.linalg.norm(jacobian, axis=0)
    seen = np.flatnonzero(length > 0)
    _, singular, v_transposed = np.linalg.svd(jacobian[:, seen] / length[seen], full_matrices=False)
    strong = singular >= weakest * singular.max(initial=0.0)
    root = v_transposed[strong].T / singular[strong] / length[seen, np.newaxis]
    covariance = np.zeros((len(names), len(names)))
    covariance[np.ix_(seen, seen)] = root @ root.T
    mixed = tuple(
        tuple(
            names[index]
            for index, part in zip(seen.tolist(), direction, strict=True)
            if abs(part) > _PART * np.abs(direction).max()
        )
        for direction in v_transposed[~strong]
    )
    silent = tuple(name for name, size in zip(names, length, strict=True) if size == 0)
    lost = [
        index for index, name in enumerate(names) if name in {*silent, *(item for group in mixed for item in group)}
    ]
    covariance[lost, lost] = np.inf
    return Information(covariance=covariance, silent=silent, mixed=mixed)


def central_jacobian(function: Callable[[FloatArray], FloatArray], z: FloatArray, step: float) -> FloatArray:
    """Central differences of `function` at `z`, [n_observation, n_parameter]."""
    steps = step * np.eye(z.size)
    return np.column_stack([(function(z + side) - function(z - side)) / (2 * step) for side in steps])


def leverage(jacobian: FloatArray) -> FloatArray:
    """By how much each fitted value follows its datum, [n_observation]: diagonal of J (J^T J)^-1 J^T."""
    q, _ = np.linalg.qr(jacobian / np.linalg.norm(jacobian, axis=0))
    return np.asarray((q**2).sum(axis=1))


def hardly_separated(names: Sequence[str], correlation: FloatArray) -> tuple[tuple[str, str, float], ...]:
    """Pairs of parameters with a correlation close to +-1, with it."""
    return tuple(
        (names[i], names[j], float(correlation[i, j]))
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if abs(correlation[i, j]) > _HARDLY
    )

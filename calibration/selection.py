"""Model selection: does a simpler model explain the data as well?

A simpler model has parameters held at what they are in an ideal tile, or at what the tile file states, and is fitted
anew. With q parameters less, n outputs and k parameters in the full model, (S_simple - S) / q / (S / (n - k)) obeys
Fisher's F(q, n - k) if the simpler one is true and the scatter normal; S are sums of squared residuals. Outputs are
held out one at a time, in closed form: a residual becomes residual / (1 - leverage). AICc is
n ln(S / n) + 2 K + 2 K (K + 1) / (n - K - 1) with K = k + 1 (Hurvich and Tsai 1989).
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calibration.fit import Fit, Observation, fit_parameters
from calibration.names import shortened, stem
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig
from tilemodel.selection import ModelSelection, SimplerModel

__all__ = ["SIGNIFICANCE", "Refit", "ideal_value", "select_model", "select_parameters", "selection_lines"]

FloatArray = NDArray[np.float64]
Refit = Callable[[Mapping[str, float]], tuple[FloatArray, FloatArray]]
"""Residuals, as a fraction of the largest datum, and leverages [n_observation] with some parameters held."""

SIGNIFICANCE = 0.05
"""Of the F-test."""
_ONE = ("g_factor", "adc.gain", "adc.gain_line")
# No finite value of these is ideal: the tile file's is the simpler model
_STATED = (
    "read_out.circuit.ratio",
    "read_out.circuit.unity_gain_hertz",
    "adc.f_hertz_per_ampere",
    "adc.i_half_ampere",
)


def ideal_value(tile: TileConfig, name: str) -> float | None:
    """What the parameter `name` is in an ideal tile, or what `tile` states; None for a tile value to be looked up."""
    if name == "v_read_volt":
        return tile.v_read_volt
    if name == "v_clamp_volt":
        return tile.read_out.v_clamp_volt
    if name in _STATED:
        return None
    return 1.0 if stem(name) in _ONE else 0.0


def select_parameters(
    tile: TileConfig, observations: Sequence[Observation], fit: Fit, scales: dict[str, float]
) -> ModelSelection:
    """Compare a fit of `fit_parameters` with simpler ones."""
    ideal = {name: value for name in fit.fitted if (value := ideal_value(tile, name)) is not None}

    def refit(held: Mapping[str, float]) -> tuple[FloatArray, FloatArray]:
        left = {name: scale for name, scale in scales.items() if name not in held}
        simpler = fit_parameters(observations, fit.parameters.model_copy(update=dict(held)), left)
        return simpler.weighted_residual, simpler.leverage

    return select_model(ideal, len(fit.fitted), fit.weighted_residual, fit.leverage, refit)


def select_model(
    ideal: Mapping[str, float], n_fitted: int, residual: FloatArray, leverage: FloatArray, refit: Refit
) -> ModelSelection:
    """Hold each parameter of `ideal` alone, then as many as do no harm, the least needed first.

    Those of a tile's lines are held together: the simpler model is one of lines that are alike. Every simpler model is
    tested against the full one, of `n_fitted` parameters, whose residuals and leverages are given. One parameter at
    least stays fitted.
    """

    def judged(held: dict[str, float]) -> SimplerModel:
        try:
            simpler = refit(held)
        except InputError:  # no possible values of the others explain the data
            return SimplerModel(
                held=held, f_value=None, p_value=None, held_out_rms=None, aicc_change=None, suffices=False
            )
        return _compared(held, n_fitted, (residual, leverage), simpler)

    candidates: dict[str, dict[str, float]] = {}
    for name, value in ideal.items():
        candidates.setdefault(stem(name), {})[name] = value
    alone = [judged(held) for held in candidates.values() if len(held) < n_fitted]
    simplest, found = None, alone
    while True:
        best = max((item for item in found if item.suffices), key=lambda item: item.p_value or 0.0, default=None)
        if best is None:
            break
        simplest = best
        further = [best.held | held for held in candidates.values() if not held.keys() <= best.held.keys()]
        found = [judged(held) for held in further if len(held) < n_fitted]
    return ModelSelection(
        significance=SIGNIFICANCE, held_out_rms=_held_out(residual, leverage), without_one=alone, simplest=simplest
    )


def selection_lines(selection: ModelSelection) -> list[str]:
    """What was found, for a terminal."""
    lines = [
        f"{'simpler models':40s} {'p (F-test)':>10s} {'held-out error':>15s} {'AICc':>9s}",
        *(_line(item, selection.held_out_rms) for item in selection.without_one),
    ]
    if selection.simplest is None:
        return [*lines, "no simpler model explains the data as well"]
    last = _line(selection.simplest, selection.held_out_rms)
    more = [last] if selection.simplest not in selection.without_one else []
    return [*lines, *more, f"a simpler model explains the data as well: {_values(selection.simplest)}"]


def _line(item: SimplerModel, held_out_rms: float) -> str:
    if item.p_value is None or item.held_out_rms is None:
        return f"{_values(item):40s} no possible fit"
    aicc = "" if item.aicc_change is None else f"{item.aicc_change:+9.3g}"
    ratio = item.held_out_rms / held_out_rms if held_out_rms else math.inf
    return f"{_values(item):40s} {item.p_value:10.2g} {ratio:13.4g} x {aicc:>9s}{'  suffices' * item.suffices}"


def _values(item: SimplerModel) -> str:
    groups: dict[float, list[str]] = {}
    for name, value in item.held.items():
        groups.setdefault(value, []).append(name)
    return ", ".join(f"{name} = {value:g}" for value, names in groups.items() for name in shortened(names))


def _compared(
    held: dict[str, float], n_fitted: int, full: tuple[FloatArray, FloatArray], simpler: tuple[FloatArray, FloatArray]
) -> SimplerModel:
    n_observation, q = full[0].size, len(held)
    n_free = n_observation - n_fitted
    rest, more = _squares(full[0]), _squares(simpler[0])
    f_value = max(0.0, more - rest) / q / (rest / n_free)
    p_value = float(stats.f.sf(f_value, q, n_free))
    criteria = _aicc(n_observation, n_fitted, rest), _aicc(n_observation, n_fitted - q, more)
    return SimplerModel(
        held=held,
        f_value=f_value,
        p_value=p_value,
        held_out_rms=_held_out(*simpler),
        aicc_change=None if criteria[0] is None or criteria[1] is None else criteria[1] - criteria[0],
        suffices=p_value >= SIGNIFICANCE,
    )


def _squares(residual: FloatArray) -> float:
    """Sum of squares, never less than the rounding of the data's."""
    return max(float(residual @ residual), residual.size * float(np.finfo(np.float64).eps) ** 2)


def _aicc(n_observation: int, n_fitted: int, squares: float) -> float | None:
    """Akaike's criterion; None where there are too few data for its correction."""
    k = n_fitted + 1
    if n_observation <= k + 1:
        return None
    return n_observation * math.log(squares / n_observation) + 2 * k + 2 * k * (k + 1) / (n_observation - k - 1)


def _held_out(residual: FloatArray, leverage: FloatArray) -> float:
    return float(np.sqrt(np.mean((residual / np.maximum(1 - leverage, 1e-6)) ** 2)))

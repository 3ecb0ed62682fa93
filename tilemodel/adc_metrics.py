"""INL, DNL and missing codes of converters, from the charges at which their codes change.

Definitions and signs are in docs/converters.md. Everything is per line and deterministic.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import ConverterBank
from tilemodel.config.errors import InputError

__all__ = ["TransferMetrics", "code_edges_coulomb", "transfer_metrics"]

FloatArray = NDArray[np.float64]

_N_BISECTION = 64  # the first bracket is cut to less than the resolution of float64
_N_DOUBLING = 64
_MOST_EDGES = 2**20


@dataclass(frozen=True, kw_only=True)
class TransferMetrics:
    """Linearity of the converters of a bank; an LSB is the line's own mean step."""

    code: NDArray[np.int64]
    """[n_edge], the code that begins at each edge."""
    edge_coulomb: FloatArray
    """[n_edge, n_line], smallest charge with at least this code."""
    step_coulomb: FloatArray
    """[n_line], mean width of a code between the first edge and the last."""
    inl_end_point_lsb: FloatArray
    """[n_edge, n_line], from the line through the first and the last edge; positive where the code is too high."""
    inl_best_fit_lsb: FloatArray
    """[n_edge, n_line], from the least-squares line of code against edge; positive where the code is too high."""
    dnl_lsb: FloatArray
    """[n_edge - 1, n_line], of the codes `code[:-1]`: width over mean width, less 1."""
    missing: NDArray[np.bool_]
    """[n_edge - 1, n_line], which of the codes `code[:-1]` no charge gives."""


def transfer_metrics(
    bank: ConverterBank,
    *,
    lowest_code: int | None = None,
    highest_code: int | None = None,
    t_window_second: float | None = None,
) -> TransferMetrics:
    """Measure the converters of `bank` between two codes (None: the ends of their range).

    Arguments and errors as in `code_edges_coulomb`; at least 3 edges are needed.
    """
    code, edge = _codes_and_edges(bank, lowest_code, highest_code, t_window_second)
    if len(code) < 3:
        raise InputError(f"INL needs at least 3 code edges, got {len(code)}; give codes that lie further apart")
    step = (edge[-1] - edge[0]) / (len(code) - 1)
    if (step <= 0).any():
        raise InputError("a line goes from the lowest to the highest code at one charge; give codes further apart")
    width = np.diff(edge, axis=0)
    return TransferMetrics(
        code=code,
        edge_coulomb=edge,
        step_coulomb=step,
        inl_end_point_lsb=np.arange(len(code))[:, np.newaxis] - (edge - edge[0]) / step,
        inl_best_fit_lsb=_best_fit_residual(code.astype(np.float64), edge / step),
        dnl_lsb=width / step - 1,
        missing=width <= 0,
    )


def code_edges_coulomb(
    bank: ConverterBank,
    *,
    lowest_code: int | None = None,
    highest_code: int | None = None,
    t_window_second: float | None = None,
) -> FloatArray:
    """Smallest charge with at least each code from `lowest_code` + 1 to `highest_code`, [n_edge, n_line] [coulomb].

    By bisection of charge. An oscillator that is not linear sees a constant current for `t_window_second`, which it
    must be given. Raises `InputError` for an ideal converter and for codes that the converters do not reach.
    """
    return _codes_and_edges(bank, lowest_code, highest_code, t_window_second)[1]


def _codes_and_edges(
    bank: ConverterBank, lowest_code: int | None, highest_code: int | None, t_window_second: float | None
) -> tuple[NDArray[np.int64], FloatArray]:
    lowest = bank.smallest_code if lowest_code is None else lowest_code
    highest = bank.largest_code if highest_code is None else highest_code
    if not bank.smallest_code <= lowest < highest <= bank.largest_code:
        raise InputError(
            f"lowest_code {lowest} and highest_code {highest} must rise and lie in the converter's range, "
            f"{bank.smallest_code} to {bank.largest_code}"
        )
    if highest - lowest > _MOST_EDGES:
        raise InputError(f"{highest - lowest} code edges are too many; give codes at most {_MOST_EDGES} apart")
    code = np.arange(lowest + 1, highest + 1)
    span = _span(bank, lowest, highest, t_window_second)
    below = np.full((len(code), bank.n_line), -span)
    above = np.full((len(code), bank.n_line), span)
    for _ in range(_N_BISECTION):
        middle = (below + above) / 2
        reached = _codes(bank, middle, t_window_second) >= code[:, np.newaxis]
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    return code, above


def _span(bank: ConverterBank, lowest: int, highest: int, t_window_second: float | None) -> float:
    """A charge [coulomb] that gives every line at least `highest`, and its negative at most `lowest`."""
    span = bank.lsb_coulomb * max(abs(lowest), abs(highest))
    for _ in range(_N_DOUBLING):
        ends = _codes(bank, np.array([[-span], [span]]) * np.ones(bank.n_line), t_window_second)
        if (ends[0] <= lowest).all() and (ends[1] >= highest).all():
            return span
        span *= 2
    raise InputError(
        f"no charge takes all lines from code {lowest} to {highest}: they give {ends[0].max()} to {ends[1].min()} "
        "at most; give codes between these"
    )


def _codes(bank: ConverterBank, charge_coulomb: FloatArray, t_window_second: float | None) -> NDArray[np.int64]:
    if bank.input == "current":
        if t_window_second is None:
            raise InputError("an oscillator with i_half_ampere needs t_window_second, for which its current flows")
        return bank.codes_of_cycles(bank.rate_hertz(charge_coulomb / t_window_second) * t_window_second)
    codes = bank.codes(charge_coulomb)
    assert codes is not None  # `bank.smallest_code` has refused an ideal converter
    return codes


def _best_fit_residual(code: FloatArray, edge: FloatArray) -> FloatArray:
    """Codes [n_edge] less their least-squares line in `edge` [n_edge, n_line], a line of its own for each column."""
    code_centred = code - code.mean()
    edge_centred = edge - edge.mean(axis=0)
    slope = (edge_centred * code_centred[:, np.newaxis]).sum(axis=0) / (edge_centred**2).sum(axis=0)
    residual: FloatArray = code_centred[:, np.newaxis] - slope * edge_centred
    return residual

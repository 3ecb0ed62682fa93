"""A fit to measured data in words, for a terminal."""

from collections.abc import Sequence

from calibration.selection import selection_lines
from calibration.separation import separating_experiment
from tilemodel.compact import CompactModel
from tilemodel.fit_statistics import MeasuredStatistics, SetStatistics

__all__ = ["fit_lines"]


def fit_lines(model: CompactModel) -> list[str]:
    """What a fit to measured data found, for a terminal."""
    fit, more = model.fit, model.fit.measured
    assert more is not None
    lines = [f"{'':34s} {'value':>14s} {'std error':>10s}   95 % interval              by resampling"]
    for index, name in enumerate(fit.fitted):
        error = fit.standard_error[index]
        text = f"{name:34s} {more.value[index]:14.7g} "
        if error is None:
            lines.append(f"{text}   at its bound: the data would have it beyond, its error is not known")
            continue
        lines.append(f"{text}{error:10.2g}   {_ends(more, 'interval', index)}   {_ends(more, 'resampled', index)}")
    lines += [f"{name:34s} {value:14.7g}   fixed" for name, value in more.fixed.items()]
    lines += [f"{name:34s} {tie.value:14.7g}   {tie.ratio:g} x {tie.source}" for name, tie in more.tied.items()]
    if more.at_bound and len(more.at_bound) < len(fit.fitted):
        lines.append("errors are those with the parameters at bounds held there")
    for first, second, correlation in more.hardly_separated:
        lines.append(
            f"{first} and {second} are hardly told apart (correlation {correlation:.4f}); what would: "
            f"{separating_experiment([first, second])}"
        )
    if more.sets:
        for item in more.sets:
            lines += _residual_lines(item, item.n_observation, f"{item.name}: ")
    else:
        lines += _residual_lines(more, fit.n_observation, "")
    return lines + (selection_lines(fit.selection) if fit.selection is not None else [])


def _residual_lines(more: MeasuredStatistics | SetStatistics, n_observation: int, of_set: str) -> list[str]:
    """Of one data set."""
    column, row = _largest(more.column_mean), _largest(more.row_slope)
    lines = [
        f"{of_set}{n_observation} outputs, {more.n_saturated} more left out as saturated; residuals: rms "
        f"{more.rms:.3g}, largest {more.largest:.3g} {more.unit}"
    ]
    place = "bit line" if more.quantity in ("charge_line_coulomb", "code_line") else "column"
    if more.integration_error_coulomb is not None:
        lines.append(
            f"{of_set}charges are integrals of waveforms; without every second sample one changes by up to "
            f"{more.integration_error_coulomb:.3g} coulomb"
        )
    if column is not None:
        lines.append(f"{of_set}largest mean residual of a {place}: {column[1]:.3g} {more.unit} ({place} {column[0]})")
    if row is not None:
        lines.append(f"{of_set}largest slope of residuals with a row's input: {row[1]:.3g} {more.unit} (row {row[0]})")
    return lines


def _largest(values: Sequence[float | None]) -> tuple[int, float] | None:
    """Place and value of the largest in magnitude, of those that are known."""
    known = [(index, value) for index, value in enumerate(values) if value is not None]
    return max(known, key=lambda item: abs(item[1]), default=None)


def _ends(more: MeasuredStatistics, name: str, index: int) -> str:
    low, high = getattr(more, f"{name}_low")[index], getattr(more, f"{name}_high")[index]
    if low is None or high is None:
        return f"{'unknown: too few outputs':26s}"
    return f"{low:11.6g} to {high:<11.6g}"

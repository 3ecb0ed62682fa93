"""The figure of errors by row: the fast model on its own scale, the ideal MAC beside it."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.row_errors import RowErrors, row_errors
from reports.style import BLUE, GREY, ORANGE
from reports.validation import Validation

__all__ = ["errors_by_row", "rows_figure"]


def errors_by_row(validation: Validation) -> tuple[RowErrors, RowErrors] | None:
    """Of the fast model and of the ideal MAC; None where the batch does not tell them."""
    spice = validation.reference.charge_coulomb
    fast, ideal = (
        row_errors(validation.tile, validation.conductances, validation.ticks, predicted - spice)
        for predicted in (validation.fast.charge_coulomb, validation.ideal_coulomb)
    )
    return None if fast is None or ideal is None else (fast, ideal)


def rows_figure(validation: Validation) -> Figure | None:
    """Relative error of what each block of rows adds, with twice its standard error; None without."""
    found = errors_by_row(validation)
    if found is None:
        return None
    figure = Figure(figsize=(7.4, 3.0), layout="constrained")
    named = zip(figure.subplots(1, 2), found, ((BLUE, "o", "fast model"), (ORANGE, "x", "ideal MAC")), strict=True)
    for axes, errors, (colour, marker, name) in named:
        first, last = np.array(errors.first_row), np.array(errors.last_row)
        axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
        axes.errorbar(
            (first + last) / 2,
            errors.percent,
            xerr=(last - first) / 2,
            yerr=2 * np.array(errors.standard_error_percent),
            fmt=marker,
            markersize=5,
            color=colour,
            elinewidth=0.9,
        )
        axes.set(xlabel="row", ylabel="error of what the rows add [%]", title=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    return figure

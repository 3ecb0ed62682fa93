"""Figures of a validation, as SVG text that depends on the data alone (no dates, no random ids)."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.row_figure import rows_figure
from reports.style import BLUE, GREY, LEGEND_ABOVE, ORANGE, STYLE, svg_text
from reports.tile_figures import codes_figure, histogram_figure, ir_drop_figure, linearity_figure
from reports.transient_page import transient_figure
from reports.validation import Validation

__all__ = ["draw_figures"]

_MODEL, _IDEAL, _REFERENCE = BLUE, ORANGE, GREY


def draw_figures(validation: Validation) -> dict[str, str]:
    """SVG text by file name (without ending), of those that the tile has anything to draw for."""
    with mpl.rc_context(STYLE):
        figures = {
            "parity": _parity(validation),
            "error": _error(validation),
            "histogram": histogram_figure(validation),
            "columns": _columns(validation),
            "rows": rows_figure(validation),
            "transient": _transient(validation),
            "codes": codes_figure(validation),
            "ir_drop": ir_drop_figure(validation),
            "linearity": linearity_figure(validation),
        }
        return {name: svg_text(figure) for name, figure in figures.items() if figure is not None}


def _transient(validation: Validation) -> Figure | None:
    if validation.transient is None:
        return None
    return transient_figure(validation.transient, validation.accuracy.full_scale_coulomb)


def _parity(validation: Validation) -> Figure:
    """Charge of the model and of the ideal MAC against SPICE's."""
    spice, ideal, fast, unit = _charges(validation)
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    limit = 1.05 * max(np.abs(spice).max(), np.abs(ideal).max())
    axes.plot([-limit, limit], [-limit, limit], color=_REFERENCE, linewidth=0.8, zorder=0)
    axes.scatter(spice, ideal, s=12, marker="x", color=_IDEAL, linewidths=0.9, label="ideal MAC")
    axes.scatter(spice, fast, s=9, color=_MODEL, label="fast model")
    axes.set(xlabel=f"charge in SPICE [{unit}]", ylabel=f"predicted charge [{unit}]", aspect="equal")
    axes.legend(**LEGEND_ABOVE)
    return figure


def _error(validation: Validation) -> Figure:
    """Error of the model (left) and of the ideal MAC (right) against SPICE's charge, each on its own scale."""
    spice, ideal, fast, unit = _charges(validation)
    full_scale = np.abs(ideal).max()
    figure = Figure(figsize=(7.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, predicted, colour, name in ((left, fast, _MODEL, "fast model"), (right, ideal, _IDEAL, "ideal MAC")):
        axes.scatter(spice, 100 * (predicted - spice) / full_scale, s=9, color=colour)
        axes.axhline(0, color=_REFERENCE, linewidth=0.8, zorder=0)
        axes.set(xlabel=f"charge in SPICE [{unit}]", ylabel="error [% of full scale]", title=name)
    limit = validation.tile.spec.max_error_percent_full_scale
    if limit is not None:
        for sign in (-1, 1):
            left.axhline(sign * limit, color=_REFERENCE, linestyle="--", linewidth=0.9, zorder=0)
    left.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    return figure


def _columns(validation: Validation) -> Figure:
    """Largest error by column, and the reference's own, on a logarithmic scale."""
    full_scale = float(np.abs(validation.ideal_coulomb).max())
    spice = validation.reference.charge_coulomb
    figure = Figure(figsize=(7.4, 3.0), layout="constrained")
    axes = figure.add_subplot()
    curves = (
        (validation.ideal_coulomb - spice, _IDEAL, "x", "ideal MAC"),
        (validation.fast.charge_coulomb - spice, _MODEL, "o", "fast model"),
        (validation.reference_error_coulomb, _REFERENCE, "v", "SPICE, tolerances halved"),
    )
    for error, colour, marker, name in curves:
        largest = 100 * np.abs(error).max(axis=0) / full_scale
        axes.semilogy(np.arange(largest.size), largest, marker, color=colour, markersize=5, label=name)
    axes.set(xlabel="column", ylabel="largest |error| [% of full scale]")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(**LEGEND_ABOVE)
    return figure


def _charges(validation: Validation) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Charges of SPICE, ideal MAC and model, flat, in a readable unit, and that unit."""
    factor, unit = (1e15, "fC") if validation.accuracy.full_scale_coulomb < 1e-12 else (1e12, "pC")
    flat = [
        factor * array.ravel()
        for array in (validation.reference.charge_coulomb, validation.ideal_coulomb, validation.fast.charge_coulomb)
    ]
    return flat[0], flat[1], flat[2], unit

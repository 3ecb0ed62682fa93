"""Figures of a tile beside its charges: spread of errors, codes, IR drop over the array, converters' linearity."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from reports.measures import converter_metrics
from reports.style import BLUE, GREY, LEGEND_ABOVE, LIGHT_BLUE, ORANGE
from reports.validation import Validation

__all__ = ["codes_figure", "histogram_figure", "ir_drop_figure", "linearity_figure"]

# Of a curve; more only make the page large
_MOST_POINTS = 2000


def codes_figure(validation: Validation) -> Figure | None:
    """Difference of the model's code against SPICE's code; None where the tile has no codes."""
    spice, fast = validation.reference.code, validation.fast.code
    if spice is None or fast is None:
        return None
    figure = Figure(figsize=(7.4, 2.8), layout="constrained")
    axes = figure.add_subplot()
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axes.scatter(spice.ravel(), (fast - spice).ravel(), s=9, color=BLUE)
    axes.set(xlabel="code in SPICE [LSB]", ylabel="fast model - SPICE [LSB]")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def histogram_figure(validation: Validation) -> Figure:
    """Number of outputs by error of the fast model."""
    error = (validation.fast.charge_coulomb - validation.reference.charge_coulomb).ravel()
    figure = Figure(figsize=(7.4, 2.8), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(100 * error / np.abs(validation.ideal_coulomb).max(), bins="sqrt", color=LIGHT_BLUE, edgecolor=BLUE)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="error of the fast model [% of full scale]", ylabel="number of outputs")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def ir_drop_figure(validation: Validation) -> Figure:
    """Largest IR drop of each cell over the vectors, as a map of rows and lines."""
    drop = validation.ir_drop_percent
    figure = Figure(figsize=(7.4, 3.4), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(drop, aspect="auto", cmap="cividis", interpolation="nearest")
    axes.grid(visible=False)
    axes.set(xlabel="bit line", ylabel="row")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(image, label="IR drop [% of read voltage]")
    return figure


def linearity_figure(validation: Validation) -> Figure | None:
    """INL (end-point) and DNL against code, the extremes of all converters; None where they have no law."""
    metrics = converter_metrics(validation.tile)
    if metrics is None:
        return None
    figure = Figure(figsize=(7.4, 3.2), layout="constrained")
    panels = ((metrics.inl_end_point_lsb, "INL, end-point [LSB]"), (metrics.dnl_lsb, "DNL [LSB]"))
    for axes, (values, label) in zip(figure.subplots(1, 2), panels, strict=True):
        start, low, high = _extremes(values)
        code = metrics.code[start]
        axes.plot(code, high, color=BLUE, linewidth=0.9, label="largest")
        if not np.array_equal(low, high):
            axes.plot(code, low, color=ORANGE, linewidth=0.9, linestyle="--", label="smallest")
        axes.set(xlabel="code of a bit line [LSB]", ylabel=label)
    axes.legend(**LEGEND_ABOVE)
    return figure


def _extremes(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest of values [n_step, n_line] over lines and blocks of steps, and where each block starts."""
    start = np.arange(0, len(values), 1 + len(values) // _MOST_POINTS)
    low = np.minimum.reduceat(values.min(axis=1), start)
    high = np.maximum.reduceat(values.max(axis=1), start)
    return start, low, high

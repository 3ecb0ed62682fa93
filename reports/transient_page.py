"""One output in time on a page: currents of SPICE and model on each other, the residual of the charge below."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports.style import BLUE, GREY, LEGEND_ABOVE, LIGHT_BLUE
from reports.transient import Transient, no_transient
from reports.validation import Validation

__all__ = ["transient_caption", "transient_facts", "transient_figure"]

# Of a curve; more only make the page large
_MOST_POINTS = 1500


def transient_figure(transient: Transient, full_scale_coulomb: float) -> Figure:
    """Current over time, and the model's charge so far less SPICE's in % of `full_scale_coulomb`."""
    largest = np.abs(transient.spice_ampere).max()
    factor, unit = (1e9, "nA") if largest < 1e-6 else (1e6, "µA")
    figure = Figure(figsize=(7.4, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for current, style in (
        (transient.spice_ampere, {"color": LIGHT_BLUE, "linewidth": 3.0, "label": "SPICE"}),
        (transient.model_ampere, {"color": BLUE, "linewidth": 0.9, "linestyle": "--", "label": "fast model"}),
    ):
        shown = _extremes(current)
        above.plot(1e9 * transient.time_second[shown], factor * current[shown], **style)
    residual = 100 * transient.residual_coulomb / full_scale_coulomb
    shown = _extremes(residual)
    below.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    below.plot(1e9 * transient.time_second[shown], residual[shown], color=BLUE, linewidth=0.9)
    above.set(ylabel=f"current [{unit}]")
    below.set(xlabel="time [ns]", ylabel="residual of the charge\n[% of full scale]")
    below.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    above.legend(**LEGEND_ABOVE)
    return figure


def transient_facts(validation: Validation) -> dict[str, Any]:
    """Which output it is and what is left of its charge, as plain values; or why there is none."""
    transient = validation.transient
    if transient is None:
        return {"none_because": no_transient(validation.tile)}
    percent = 100 / validation.accuracy.full_scale_coulomb
    return {
        "vector": transient.vector,
        "column": transient.column,
        "pass": transient.pass_index,
        "n_pass": transient.n_pass,
        "largest_residual_percent_full_scale": percent * float(np.abs(transient.residual_coulomb).max()),
        "residual_at_end_percent_full_scale": percent * float(transient.residual_coulomb[-1]),
    }


def transient_caption(facts: dict[str, Any]) -> str:
    """What the figure shows, of `transient_facts`; empty without a figure."""
    if "none_because" in facts:
        return ""
    which = f", pass {facts['pass']} of {facts['n_pass']}" if facts["n_pass"] > 1 else ""
    return (
        f"The output that errs most (vector {facts['vector']}, column {facts['column']}{which}) in time: clamp current "
        "in SPICE and of the fast model; below, the model's charge so far less SPICE's. The model's wires settle at "
        "once, so that edges show; what is left at the end is the output's error."
    )


def _extremes(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places that a curve of `values` [n] needs: both ends, the smallest and the largest of each block of points."""
    start = range(0, len(values), 1 + 2 * len(values) // _MOST_POINTS)
    places = [0, len(values) - 1]
    for begin, block in zip(start, np.split(values, list(start[1:])), strict=True):
        places += [begin + int(np.argmin(block)), begin + int(np.argmax(block))]
    return np.unique(places)

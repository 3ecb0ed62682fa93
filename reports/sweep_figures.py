"""Figures of a sweep: the error at each condition, and how drawn chips spread."""

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.style import BLUE, GREY, LEGEND_ABOVE, LIGHT_BLUE, ORANGE, STYLE, svg_text
from reports.sweep import ConditionResult, Sweep

__all__ = ["draw_sweep_figures"]

# Beyond this the names of the conditions would overlap
_MOST_NAMES = 60


def draw_sweep_figures(sweep: Sweep) -> dict[str, str]:
    """SVG text by caption; conditions that failed to simulate are left out, and so is a figure without any data."""
    results = [result for result in sweep.results if result.validation is not None]
    chips = [result for result in results if result.condition.group == "monte_carlo"]
    with mpl.rc_context(STYLE):
        figures = {
            "Largest error of the fast model at each condition, and its limit there.": svg_text(_errors(results))
        }
        if chips:
            good, n_chip = sweep.chips()
            caption = (
                f"Drawn chips by largest error: {good} of {n_chip} meet all specs, a yield of {good / n_chip:.0%}."
            )
            figures[caption] = svg_text(_histogram(chips))
    return figures


def _errors(results: list[ConditionResult]) -> Figure:
    """Largest error by condition, on a logarithmic scale, with the names of the conditions where they fit."""
    figure = Figure(figsize=(7.4, 1.2 + 0.2 * min(len(results), _MOST_NAMES)), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(results))
    axes.semilogx([_error(result) for result in results], place, "o", color=BLUE, markersize=5, label="fast model")
    limits = [(y, limit) for y, result in enumerate(results) if (limit := _limit(result)) is not None]
    if limits:
        axes.plot(
            [limit for _, limit in limits], [y for y, _ in limits], "|", color=ORANGE, markersize=9, label="limit"
        )
    axes.set(xlabel="largest |error| [% of full scale]", ylabel="condition")
    axes.invert_yaxis()
    if len(results) <= _MOST_NAMES:
        axes.set_yticks(place, [result.condition.name for result in results])
    axes.legend(**LEGEND_ABOVE)
    return figure


def _histogram(chips: list[ConditionResult]) -> Figure:
    """Number of chips by largest error; dashed: the limit, where it is near enough to leave the bars their width."""
    figure = Figure(figsize=(7.4, 2.8), layout="constrained")
    axes = figure.add_subplot()
    errors = [_error(result) for result in chips]
    axes.hist(errors, bins="sqrt", color=LIGHT_BLUE, edgecolor=BLUE)
    limit = _limit(chips[0])
    if limit is not None and limit < 3 * max(errors):
        axes.axvline(limit, color=GREY, linestyle="--", linewidth=0.9)
    axes.set(xlabel="largest |error| [% of full scale]", ylabel="number of chips")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def _error(result: ConditionResult) -> float:
    assert result.validation is not None
    return result.validation.accuracy.max_error_percent_full_scale


def _limit(result: ConditionResult) -> float | None:
    return result.condition.tile.spec.max_error_percent_full_scale

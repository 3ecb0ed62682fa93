"""Write a fit to measured noise as a folder: preset for tile files, JSON, figures. Equal inputs give equal bytes."""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from calibration.noise_files import noise_preset_text, with_fitted_noise
from calibration.noise_fit import NoiseFit
from reports.style import BLUE, GREY, LEGEND_ABOVE, ORANGE, STYLE, svg_text
from tilemodel.compact import CompactModel
from tilemodel.config.files import atomic_folder
from tilemodel.config.noise import TelegraphNoise
from tilemodel.version import VERSION

__all__ = ["FIT_MARKER", "draw_noise_fit", "noise_fit_lines", "write_noise_fit"]

# A folder that holds this file is an earlier fit and may be replaced
FIT_MARKER = "fit.json"


def write_noise_fit(fit: NoiseFit, folder: str | Path, model: CompactModel | None = None) -> Path:
    """Write `fit` to `folder`: `noise.toml`, `fit.json`, figures; with `model`, also `model.json` that has the noise.

    Returns the path of `noise.toml`. Raises `OutputError` where that is not possible.
    """
    folder = Path(folder)
    content = {"schema_version": "tilemodel-noise-fit-1", "package": f"tilemodel {VERSION}", **fit.as_dict()}
    figures = draw_noise_fit(fit)
    with atomic_folder(folder, marker=FIT_MARKER) as temporary:
        (temporary / "noise.toml").write_text(noise_preset_text(fit))
        (temporary / FIT_MARKER).write_text(json.dumps(content, indent=2) + "\n")
        for name, text in figures.items():
            (temporary / f"{name}.svg").write_text(text)
        if model is not None:
            (temporary / "model.json").write_text(with_fitted_noise(model, fit).model_dump_json(indent=2) + "\n")
    return folder / "noise.toml"


def draw_noise_fit(fit: NoiseFit) -> dict[str, str]:
    """SVG text by name: `sigma`, and `spectrum` if the data were traces."""
    with mpl.rc_context(STYLE):
        figures = {"sigma": svg_text(_sigma(fit))}
        if "f_hertz" in fit.curves:
            figures["spectrum"] = svg_text(_spectrum(fit))
    return figures


def _sigma(fit: NoiseFit) -> Figure:
    curves, axes, figure = fit.curves, *_axes()
    low, high = curves["sigma"] - curves["sigma_low"], curves["sigma_high"] - curves["sigma"]
    t, unit = curves["t_second"], 1e6
    style: dict[str, Any] = {"fmt": "o", "markersize": 3, "linewidth": 0.9, "color": BLUE}
    axes.errorbar(t, unit * curves["sigma"], yerr=unit * np.array([low, high]), label="measured, 95 %", **style)
    if "sigma_expected" in curves:
        axes.plot(t, unit * curves["sigma_expected"], color=ORANGE, label="fit, about the traces' means")
        axes.plot(t, unit * curves["sigma_process"], color=GREY, linestyle="--", label="fit, of the process")
    else:
        for number, g in enumerate(np.unique(curves["g_siemens"])):
            rows = np.flatnonzero(curves["g_siemens"] == g)
            rows = rows[np.argsort(t[rows])]
            label = "_" if number else "fit, one curve a conductance"
            axes.plot(t[rows], unit * curves["sigma_process"][rows], color=ORANGE, linewidth=0.9, label=label)
    _logarithmic(axes, "duration of the read [s]", "sigma [uS]")
    axes.legend(**LEGEND_ABOVE)
    return figure


def _spectrum(fit: NoiseFit) -> Figure:
    curves, axes, figure = fit.curves, *_axes()
    f = curves["f_hertz"]
    axes.fill_between(f, curves["density_low"], curves["density_high"], color=BLUE, alpha=0.25, label="95 %")
    axes.plot(f, curves["density"], color=BLUE, linewidth=0.9, label="measured")
    axes.plot(f, fit.process.density(fit.g_reference_siemens, f), color=ORANGE, label="fit (without aliasing)")
    _logarithmic(axes, "frequency [Hz]", "density [S^2 / Hz]")
    axes.legend(**LEGEND_ABOVE)
    return figure


def _logarithmic(axes: Any, x: str, y: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _axes() -> tuple[Any, Figure]:
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    return figure.add_subplot(), figure


def noise_fit_lines(fit: NoiseFit) -> list[str]:
    """The law, how well it is known, the other laws, and what the data cannot tell, for a terminal."""
    kind = "telegraph" if isinstance(fit.law, TelegraphNoise) else fit.law.kind
    lines = [f"{kind} noise, at {fit.g_reference_siemens:.3g} S:"]
    lines += [f"  {name:20s} {item.value:12.5g} +- {item.standard_error:.2g}" for name, item in fit.parameters.items()]
    lines.append("  held-out log-likelihood a datum, less the best law's:")
    lines += [
        f"    {item.name:24s} {item.held_out_score:9.4f} +- {item.held_out_error:.4f} ({item.n_parameter} parameters)"
        for item in fit.candidates
    ]
    lines.append("  cannot be known from these data:")
    lines += [f"    {sentence}" for sentence in fit.unknown]
    return lines

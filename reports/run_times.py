"""Run times of a validation, the only thing in a report that depends on more than its inputs: timing.json and .html."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from reports.page import data_uri, render_template
from reports.style import BLUE, LIGHT_BLUE, STYLE, svg_text

__all__ = ["TIMING_FILES", "RunTimes", "write_times"]

TIMING_FILES = ("timing.json", "timing.html")
"""The files of a report that differ when it is written again from the same inputs."""


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """What the same batch took in SPICE and in the fast model."""

    n_vec: int
    spice_second: float
    """Of all runs one after another, each as long as it took when it was computed (results may come from a store)."""
    model_second: float
    """Of one call, the shortest of a few."""

    @property
    def ratio(self) -> float:
        """How many times faster the model is."""
        return self.spice_second / self.model_second

    @property
    def ratio_text(self) -> str:
        """It with three digits."""
        return f"{float(f'{self.ratio:.3g}'):,.10g}"


def write_times(times: RunTimes, folder: Path, name: str, further: dict[str, float]) -> None:
    """Write `TIMING_FILES` to `folder` for the tile `name`; `further` seconds go into the JSON."""
    content = {**further, **asdict(times), "ratio": times.ratio}
    (folder / "timing.json").write_text(json.dumps(content, indent=2) + "\n")
    page = render_template("timing.html", tile_name=name, times=times, figure=data_uri(_drawn(times)))
    (folder / "timing.html").write_text(page)


def _drawn(times: RunTimes) -> str:
    """Time a vector as bars on a logarithmic axis."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.9), layout="constrained")
        axes = figure.add_subplot()
        seconds = [1e3 * second / times.n_vec for second in (times.model_second, times.spice_second)]
        axes.barh(["fast model", "SPICE"], seconds, color=[BLUE, LIGHT_BLUE], left=0)
        axes.annotate(f"{times.ratio_text} x", (seconds[1], 1), (3, 0), textcoords="offset points", va="center")
        axes.set(xscale="log", xlim=(min(seconds) / 10, 6 * max(seconds)), xlabel="run time of a vector [ms]")
        axes.grid(visible=False, axis="y")
        axes.set_axisbelow(True)
        return svg_text(figure)

"""Write an error budget as a folder: page, figure, JSON, CSV. Equal inputs give equal bytes."""

import csv
import io
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.budget import Budget, BudgetRow
from reports.page import data_uri, figure_text, render_template, value_rows
from reports.style import BLUE, LEGEND_ABOVE, LIGHT_BLUE, STYLE, svg_text
from tilemodel.config.files import atomic_folder

__all__ = ["BUDGET_CAPTION", "BUDGET_MARKER", "budget_csv", "draw_budget", "write_budget"]

# A folder that holds this file is an earlier budget and may be replaced
BUDGET_MARKER = "budget.json"

BUDGET_CAPTION = (
    "Standard deviation of each contribution's error, in % of the ideal MAC's. Dark: the part that the best gain and "
    "offset of each column leave. A constant error shows in its mean, not here."
)
# Bars end here on the left, relative to the largest; what is shorter is rounding
_SHORTEST = 1e-5


def write_budget(budget: Budget, folder: str | Path) -> Path:
    """Write `budget` to `folder` (replacing an earlier budget) and return the path of its page.

    Raises `OutputError` where that is not possible; nothing half-written is left.
    """
    folder = Path(folder)
    figure = draw_budget(budget)
    content = {"schema_version": "tilemodel-budget-1", **budget.as_dict()}
    with atomic_folder(folder, marker=BUDGET_MARKER) as temporary:
        (temporary / BUDGET_MARKER).write_text(json.dumps(content, indent=2) + "\n")
        (temporary / "budget.csv").write_text(budget_csv(budget))
        (temporary / "budget.svg").write_text(figure)
        (temporary / "index.html").write_text(_page(budget, content, figure))
    return folder / "index.html"


def budget_csv(budget: Budget) -> str:
    """The rows as CSV, a header first; an empty field where there is no converter."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(BudgetRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in budget.rows)
    return text.getvalue()


def draw_budget(budget: Budget) -> str:
    """SVG text of the budget as bars on a logarithmic axis, largest on top."""
    rows = sorted(budget.rows, key=lambda row: row.std_percent)
    largest = rows[-1].std_percent
    left = _left_end(rows)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.0 + 0.32 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        labels = [row.label for row in rows]
        total = [max(row.std_percent, left) for row in rows]
        rest = [max(row.std_after_fit_percent, left) for row in rows]
        axes.barh(labels, [value - left for value in total], left=left, color=LIGHT_BLUE, label="error")
        axes.barh(labels, [value - left for value in rest], left=left, color=BLUE, label="left after gain and offset")
        for index, row in enumerate(rows):
            end = (total[index], index)
            axes.annotate(figure_text(row.std_percent), end, (3, 0), textcoords="offset points", va="center")
        axes.set(xscale="log", xlim=(left, 2.0 * largest), xlabel="standard deviation [% of the ideal MAC's]")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(visible=False, axis="y")
        axes.set_axisbelow(True)
        axes.legend(**LEGEND_ABOVE)
        return svg_text(figure)


def _left_end(rows: list[BudgetRow]) -> float:
    """Where the axis begins [%]: below the shortest bar that is more than rounding."""
    lengths = [length for row in rows for length in (row.std_percent, row.std_after_fit_percent)]
    floor = _SHORTEST * max(lengths)
    return 0.5 * min((length for length in lengths if length > floor), default=1.0)


def _page(budget: Budget, content: dict[str, Any], figure: str) -> str:
    parameters = budget.provenance["parameters"]
    calibration = budget.provenance["calibration"]
    provenance = {
        "package": budget.provenance["package"],
        "tile sha256": budget.provenance["tile_sha256"],
        "conductances sha256": budget.provenance["conductances_sha256"],
        "ticks sha256": budget.provenance["ticks_sha256"],
        "calibration": "none: all parameters from the tile file" if calibration is None else calibration["engine"],
    }
    return render_template(
        "budget.html",
        tile=content["tile"],
        budget=budget,
        seed=budget.provenance["seed"],
        figure={"uri": data_uri(figure), "caption": BUDGET_CAPTION},
        parameters={name: value for name, value in parameters.items() if name != "kind"},
        values=value_rows(content["tile"]),
        provenance=provenance,
    )

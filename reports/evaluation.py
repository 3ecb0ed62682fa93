"""Write an evaluation as a folder: page, figure, JSON, CSV, scores. Equal inputs give equal bytes."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from reports.page import data_uri, render_template, value_rows
from reports.style import BLUE, GREY, LEGEND_ABOVE, STYLE, svg_text
from tilemodel.config.files import atomic_folder
from tilemodel.evaluation import DIGITAL, Evaluation

__all__ = ["EVALUATION_MARKER", "draw_evaluation", "evaluation_csv", "evaluation_lines", "write_evaluation"]

# A folder that holds this file is an earlier evaluation and may be replaced
EVALUATION_MARKER = "evaluation.json"

_CAPTION = (
    "Score under each condition less the digital network's, with its confidence interval. Filled: the interval leaves "
    "0 out. Open: it does not."
)


def write_evaluation(evaluation: Evaluation, folder: str | Path) -> Path:
    """Write `evaluation` to `folder` (replacing an earlier evaluation) and return the path of its page.

    Raises `OutputError` where that is not possible; nothing half-written is left.
    """
    folder = Path(folder)
    figure = draw_evaluation(evaluation)
    content = {"schema_version": "tilemodel-evaluation-1", **evaluation.as_dict()}
    scores: dict[str, Any] = dict(evaluation.scores)
    with atomic_folder(folder, marker=EVALUATION_MARKER) as temporary:
        (temporary / EVALUATION_MARKER).write_text(json.dumps(content, indent=2) + "\n")
        (temporary / "evaluation.csv").write_text(evaluation_csv(evaluation))
        (temporary / "evaluation.svg").write_text(figure)
        (temporary / "index.html").write_text(_page(evaluation, content, figure))
        with (temporary / "scores.npz").open("wb") as file:
            np.savez(file, **scores)
    return folder / "index.html"


def evaluation_csv(evaluation: Evaluation) -> str:
    """A row a condition and seed, a header first: the mean score, in the metric's own unit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["condition", "seed", "score"])
    for row in evaluation.as_dict()["rows"]:
        writer.writerows([row["name"], number, score] for number, score in enumerate(row["by_seed"]))
    return text.getvalue()


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """The table of an evaluation, for a terminal."""
    content = evaluation.as_dict()
    factor, score_unit, unit = _units(evaluation)
    percent = f"{100 * evaluation.confidence:g} %"
    lines = [
        f"{evaluation.task}: {evaluation.metric}{score_unit} of {content['n_example']} examples on "
        f"{evaluation.tile['name']}, and its difference from digital{unit} with a {percent} interval",
        f"  {'':48s} {'score':>8s} {'difference':>10s}   interval",
    ]
    for row in content["rows"]:
        line = f"  {row['label']:48s} {factor * row['score']:8.2f}"
        if "difference" in row:
            low, high = factor * row["low"], factor * row["high"]
            line += f" {factor * row['difference']:+10.2f}   [{low:+.2f}, {high:+.2f}]"
            line += " *" if row["significant"] else ""
        lines.append(line)
    return [*lines, f"  *: the interval leaves 0 out; drawn conditions: {evaluation.provenance['n_seed']} seed(s)"]


def draw_evaluation(evaluation: Evaluation) -> str:
    """SVG text of the differences from digital with their intervals, in the order of the table."""
    factor, _, unit = _units(evaluation)
    rows = [row for row in evaluation.as_dict()["rows"] if "difference" in row]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.1 + 0.3 * max(len(rows), 1)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color=GREY, linewidth=1.0, zorder=1)
        for is_significant, fill, name in ((True, BLUE, "interval leaves 0 out"), (False, "white", "interval holds 0")):
            some = [index for index, row in enumerate(rows) if row["significant"] is is_significant]
            if not some:
                continue
            mean = [factor * rows[index]["difference"] for index in some]
            sides = [
                [factor * (rows[index]["difference"] - rows[index]["low"]) for index in some],
                [factor * (rows[index]["high"] - rows[index]["difference"]) for index in some],
            ]
            axes.errorbar(
                mean, some, xerr=sides, fmt="o", markersize=5.5, capsize=2.5, linewidth=1.2, color=BLUE,
                markerfacecolor=fill, label=name, zorder=2,
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
        axes.invert_yaxis()
        axes.set(xlabel=f"difference from digital{unit}")
        axes.grid(visible=False, axis="y")
        if rows:
            axes.legend(**LEGEND_ABOVE)
        return svg_text(figure)


def _units(evaluation: Evaluation) -> tuple[float, str, str]:
    """Factor to show scores by, unit of scores, unit of differences: percent and points where scores are fractions."""
    lowest = min(float(scores.min()) for scores in evaluation.scores.values())
    highest = max(float(scores.max()) for scores in evaluation.scores.values())
    return (100.0, " [%]", " [points]") if lowest >= 0 and highest <= 1 else (1.0, "", "")


def _page(evaluation: Evaluation, content: dict[str, Any], figure: str) -> str:
    factor, score_unit, unit = _units(evaluation)
    provenance = {name.replace("_", " "): value for name, value in evaluation.provenance.items()}
    calibration = evaluation.provenance["calibration"]
    provenance["calibration"] = (
        "none: all parameters from the tile file" if calibration is None else calibration["engine"]
    )
    return render_template(
        "evaluation.html",
        tile=content["tile"],
        evaluation=evaluation,
        content=content,
        baseline=DIGITAL,
        factor=factor,
        score_unit=score_unit,
        unit=unit,
        figure={"uri": data_uri(figure), "caption": _CAPTION},
        values=value_rows(content["tile"]),
        provenance=provenance,
    )

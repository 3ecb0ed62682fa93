"""Write a sweep as a folder: page, the same as Markdown, JSON, CSV of conditions and outputs, a report a condition."""

import json
from pathlib import Path
from typing import Any

from reports.page import data_uri, render_template, value_rows
from reports.run_folders import RunFolders
from reports.sweep import ConditionResult, Sweep, SweepCondition
from reports.sweep_figures import draw_sweep_figures
from reports.text import csv_text, point_rows
from reports.write import REPORT_MARKER, write_report
from tilemodel.config.files import atomic_folder
from tilemodel.version import VERSION

__all__ = ["sweep_content", "sweep_lines", "write_sweep"]

_FIGURES = (
    "max_error_percent_full_scale",
    "rms_error_percent_full_scale",
    "ideal_max_error_percent_full_scale",
    "reference_error_percent_full_scale",
    "code_match_percent",
    "max_code_difference_lsb",
)


def write_sweep(
    sweep: Sweep,
    folder: str | Path,
    timing: dict[str, float] | None = None,
    run_folders: RunFolders | None = None,
) -> Path:
    """Write the sweep to `folder` (replacing an earlier report) and return the path of its page.

    `run_folders` as in `write_report`: its limit is one for all conditions together.
    """
    folder = Path(folder)
    figures = [{"uri": data_uri(svg), "caption": caption} for caption, svg in draw_sweep_figures(sweep).items()]
    with atomic_folder(folder, marker=REPORT_MARKER) as temporary:
        for result in sweep.results:
            if result.validation is not None:
                (temporary / "conditions").mkdir(exist_ok=True)
                write_report(
                    result.validation, temporary / "conditions" / result.condition.name, run_folders=run_folders
                )
        content = sweep_content(sweep) | {"runs": None if run_folders is None else run_folders.counts()}
        (temporary / REPORT_MARKER).write_text(json.dumps(content, indent=2) + "\n")
        (temporary / "timing.json").write_text(json.dumps(timing or {}, indent=2) + "\n")
        (temporary / "index.html").write_text(render_template("sweep.html", **content, figures=figures))
        (temporary / "report.md").write_text(_markdown(content))
        (temporary / "conditions.csv").write_text(csv_text(content["conditions"]))
        (temporary / "points.csv").write_text(csv_text(_points(sweep)))
    return folder / "index.html"


def sweep_content(sweep: Sweep) -> dict[str, Any]:
    """Everything that page and Markdown show, as plain values."""
    good, n_chip = sweep.chips()
    tile = sweep.tile.model_dump(mode="json")
    return {
        "schema_version": "tilemodel-sweep-1",
        "package": f"tilemodel {VERSION}",
        "tile": tile,
        "seed": sweep.seed,
        "n_vec": sweep.n_vec,
        "passed": sweep.passed,
        "chips": {"passed": good, "drawn": n_chip},
        "specs": [
            {
                "spec": item.spec,
                "passed": item.passed,
                "min": item.smallest,
                "typ": item.typical,
                "max": item.largest,
                "worst": item.worst.name,
                **_place(item.worst),
                "worst_measured": item.worst_measured,
                "worst_limit": item.worst_limit,
            }
            for item in sweep.summaries()
        ],
        "conditions": [_condition_row(result) for result in sweep.results],
        "assumed": [f"{row['key']} = {row['value']}" for row in value_rows(tile) if row["kind"] == "assumed"],
    }


def sweep_lines(sweep: Sweep) -> list[str]:
    """The summary for a terminal: specs first, then the conditions that fail."""
    content = sweep_content(sweep)
    lines = [f"{sweep.tile.name}: {len(sweep.results)} conditions, {sweep.n_vec} vectors each"]
    lines += [
        f"  {'pass' if row['passed'] else 'FAIL'}  {row['spec']}: min {_text(row['min'])} typ {_text(row['typ'])} "
        f"max {_text(row['max'])}; worst at {_where(row)}: {_text(row['worst_measured'])}, limit "
        f"{_text(row['worst_limit'])}"
        for row in content["specs"]
    ]
    if content["chips"]["drawn"]:
        lines.append(f"  {content['chips']['passed']} of {content['chips']['drawn']} drawn chips meet all specs")
    lines += [
        f"  FAIL  {row['condition']} ({_where(row)}): {row['failure'] or row['missed']}"
        for row in content["conditions"]
        if not row["passed"]
    ]
    return lines


def _place(condition: SweepCondition) -> dict[str, Any]:
    return {
        "corner": condition.corner,
        "temperature_celsius": condition.temperature_celsius,
        "supply_factor": condition.supply_factor,
        "wire_resistance_factor": condition.wire_resistance_factor,
        "chip_seed": condition.chip_seed,
    }


def _condition_row(result: ConditionResult) -> dict[str, Any]:
    validation = result.validation
    accuracy = {} if validation is None else validation.accuracy.as_dict()
    missed = [] if validation is None else [item.spec for item in validation.verdicts if not item.passed]
    return {
        "condition": result.condition.name,
        "group": result.condition.group,
        **_place(result.condition),
        "passed": result.passed,
        "missed": " ".join(missed),
        "failure": result.failure,
        **{name: accuracy.get(name) for name in _FIGURES},
    }


def _where(row: dict[str, Any]) -> str:
    """A condition in words."""
    return ", ".join(
        [
            *([f"corner {row['corner']}"] if row["corner"] else []),
            f"{row['temperature_celsius']:g} °C",
            f"supply x {row['supply_factor']:g}",
            *([f"wires x {row['wire_resistance_factor']:g}"] if row["wire_resistance_factor"] != 1 else []),
            "nominal chip" if row["chip_seed"] is None else f"chip of seed {row['chip_seed']}",
        ]
    )


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _markdown(content: dict[str, Any]) -> str:
    lines = [
        f"# {content['tile']['name']}: accuracy against SPICE over conditions",
        "",
        f"{'**pass**' if content['passed'] else '**FAIL**'}: {len(content['conditions'])} conditions, "
        f"{content['n_vec']} vectors each (seed {content['seed']}), {content['package']}.",
        "",
        "| spec | | min | typ | max | worst | limit there | worst condition |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in content["specs"]:
        figures = [row[key] for key in ("min", "typ", "max", "worst_measured", "worst_limit")]
        verdict = "pass" if row["passed"] else "FAIL"
        lines.append(f"| {row['spec']} | {verdict} | {' | '.join(map(_text, figures))} | {_where(row)} |")
    if content["chips"]["drawn"]:
        lines += ["", f"{content['chips']['passed']} of {content['chips']['drawn']} drawn chips meet all specs."]
    lines += [
        "",
        "| condition | | max error [% of full scale] | SPICE itself [%] | equal codes [%] | |",
        "|---|---|---|---|---|---|",
    ]
    for row in content["conditions"]:
        figures = [row[key] for key in (_FIGURES[0], _FIGURES[3], _FIGURES[4])]
        verdict = "pass" if row["passed"] else "FAIL"
        note = (row["failure"] or row["missed"]).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {_where(row)} | {verdict} | {' | '.join(map(_text, figures))} | {note} |")
    if content["assumed"]:
        lines += ["", "Assumed values: " + ", ".join(f"`{key}`" for key in content["assumed"]) + "."]
    return "\n".join(lines) + "\n"


def _points(sweep: Sweep) -> list[dict[str, Any]]:
    """Every output of every condition."""
    return [
        {"condition": result.condition.name, **row}
        for result in sweep.results
        if result.validation is not None
        for row in point_rows(result.validation)
    ]

"""Write a validation as a folder: page, JSON, figures, points. Equal inputs give equal bytes but for timing.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from reports.figures import draw_figures
from reports.page import data_uri, render_template, value_rows
from reports.row_figure import errors_by_row
from reports.run_folders import RunFolders, RunList
from reports.text import csv_text, point_rows, report_markdown
from reports.transient_page import transient_caption, transient_facts
from reports.validation import Validation
from tilemodel.config.files import atomic_folder
from tilemodel.version import VERSION

__all__ = ["REPORT_MARKER", "write_report"]

# A folder that holds this file is an earlier report and may be replaced
REPORT_MARKER = "report.json"

_CAPTIONS = {
    "parity": "Predicted charge against SPICE's: fast model and ideal MAC.",
    "error": "Error against SPICE's charge, fast model and ideal MAC on their own scales; dashed: the spec.",
    "histogram": "Outputs by error of the fast model.",
    "columns": "Largest error of each column, and how far SPICE itself moves when its tolerances are halved.",
    "rows": "Relative error of what the rows of each block add to the ideal MAC, by least squares over all outputs "
    "beside an offset of each column, with twice its standard error (upright) and the block's rows (across).",
    "codes": "Converter codes: fast model less SPICE, against SPICE's.",
    "ir_drop": "IR drop of each cell, largest over the vectors; cells without an input or conductance show 0.",
    "linearity": "INL and DNL of the converters' laws, with the chip's mismatch: extremes of all converters.",
}


def write_report(
    validation: Validation,
    folder: str | Path,
    timing: dict[str, float] | None = None,
    run_folders: RunFolders | None = None,
) -> Path:
    """Write the report to `folder` (replacing an earlier report) and return the path of its page.

    `run_folders` writes a folder a simulator run, in `runs`; None: there are none. Raises `OutputError`
    where that is not possible; nothing half-written is left.
    """
    folder = Path(folder)
    figures = draw_figures(validation)
    with atomic_folder(folder, marker=REPORT_MARKER) as temporary:
        runs = None if run_folders is None else run_folders.write(validation, temporary / "runs")
        content = report_content(validation, runs)
        (temporary / "figures").mkdir()
        for name, svg in figures.items():
            (temporary / "figures" / f"{name}.svg").write_text(svg)
        (temporary / REPORT_MARKER).write_text(json.dumps(content, indent=2) + "\n")
        (temporary / "timing.json").write_text(json.dumps(timing or {}, indent=2) + "\n")
        (temporary / "index.html").write_text(render_page(content, figures))
        (temporary / "report.md").write_text(report_markdown(content, value_rows(content["tile"])))
        (temporary / "points.csv").write_text(csv_text(point_rows(validation)))
        _save_points(validation, temporary / "points.npz")
    return folder / "index.html"


def report_content(validation: Validation, runs: RunList | None = None) -> dict[str, Any]:
    """Everything that the page shows, as plain values; `runs` are those of the simulator."""
    tile = validation.tile
    return {
        "schema_version": "tilemodel-report-1",
        "tile": tile.model_dump(mode="json"),
        "seed": validation.seed,
        "n_vec": len(validation.ticks),
        "passed": validation.passed,
        "verdicts": [vars(verdict) for verdict in validation.verdicts],
        "accuracy": validation.accuracy.as_dict(),
        "measures": validation.measures.as_dict(),
        "rows": _rows_facts(validation),
        "transient": transient_facts(validation),
        "parameters": _parameter_rows(validation),
        "runs": None if runs is None else runs.as_dict(),
        "provenance": {
            "package": f"tilemodel {VERSION}",
            "reference": dict(validation.reference.provenance),
            "fast model": dict(validation.fast.provenance),
            "calibration": None if validation.model is None else validation.model.provenance.model_dump(mode="json"),
        },
    }


def render_page(content: dict[str, Any], figures: dict[str, str]) -> str:
    """The self-contained HTML page of a report."""
    reference = content["provenance"]["reference"]
    provenance = {
        "package": content["provenance"]["package"],
        "reference": reference["engine"],
        "simulator settings": json.dumps(reference["simulator"]),
        "tile sha256": reference["tile_sha256"],
        "conductances sha256": reference["conductances_sha256"],
        "decks": f"{len(reference['deck_sha256'])}, the first with sha256 {reference['deck_sha256'][0]}",
        "convergence": _convergence_line(reference["n_attempt"], reference["convergence_help"]),
        "current left at the end of the window": _residual_line(reference["residual_current_fraction"]),
        "calibration": _calibration_line(content["provenance"]["calibration"]),
    }
    captions = {**_CAPTIONS, "transient": transient_caption(content["transient"])}
    return render_template(
        "report.html",
        **{key: content[key] for key in ("tile", "seed", "n_vec", "verdicts", "accuracy", "parameters", "runs")},
        engine=reference["engine"],
        values=value_rows(content["tile"]),
        provenance=provenance,
        figures=[{"uri": data_uri(figures[name]), "caption": captions[name]} for name in figures],
        no_transient=content["transient"].get("none_because"),
    )


def _rows_facts(validation: Validation) -> dict[str, Any] | None:
    found = errors_by_row(validation)
    return None if found is None else {"fast_model": found[0].as_dict(), "ideal_mac": found[1].as_dict()}


def _residual_line(fraction: float | None) -> str:
    """Charges that are sampled at the window's end leave no current to look at."""
    return "not measured: outputs are sampled" if fraction is None else f"{fraction:.2g} of the largest"


def _convergence_line(n_attempt: list[int], helps: list[str | None]) -> str:
    """Whether the simulator needed a second attempt or help."""
    if max(n_attempt) == 1:
        return "every run at its first attempt"
    needed = sorted({item for item in helps if item is not None})
    repeated = f"{sum(n > 1 for n in n_attempt)} of {len(n_attempt)} runs took several attempts"
    return f"{repeated}; with help: {', '.join(needed)}" if needed else repeated


def _calibration_line(provenance: dict[str, Any] | None) -> str:
    if provenance is None:
        return "none: all parameters from the tile file"
    conditions = ", ".join(f"{item['name']} ({item['n_row']} rows)" for item in provenance["conditions"])
    return f"{provenance['engine']}, seed {provenance['seed']}: {conditions}"


def _parameter_rows(validation: Validation) -> list[dict[str, Any]]:
    """Each parameter of the fast model with its standard error, or where it came from if it has none."""
    model = validation.model
    if model is None:
        return _rows(validation.fast.provenance["parameters"], {}, "not fitted")
    errors = dict(zip(model.fit.fitted, model.fit.standard_error, strict=True))
    rows = _rows(model.parameters.model_dump(mode="json"), errors, "not fitted")
    if model.read_out is not None:
        fitted = model.read_out.parameters.model_dump(mode="json", exclude={"kind"})
        origin = f"fitted to {model.read_out.n_conversion} conversions"
        rows += _rows({f"read-out: {name}": value for name, value in fitted.items()}, {}, origin)
    return rows


def _rows(parameters: dict[str, Any], errors: dict[str, float | None], origin: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": value,
            "error": errors.get(name),
            "origin": "fitted, its error is not known" if name in errors else origin,
        }
        for name, value in parameters.items()
        if name != "kind"
    ]


def _save_points(validation: Validation, path: Path) -> None:
    arrays: dict[str, Any] = {
        **validation.conductances.arrays(),
        "ticks": validation.ticks,
        "charge_spice_coulomb": validation.reference.charge_coulomb,
        "charge_model_coulomb": validation.fast.charge_coulomb,
        "charge_ideal_coulomb": validation.ideal_coulomb,
    }
    if validation.reference.code is not None and validation.fast.code is not None:
        arrays |= {"code_spice": validation.reference.code, "code_model": validation.fast.code}
    if (transient := validation.transient) is not None:
        arrays |= {
            "transient_time_second": transient.time_second,
            "transient_spice_ampere": transient.spice_ampere,
            "transient_model_ampere": transient.model_ampere,
            "transient_residual_coulomb": transient.residual_coulomb,
        }
    with path.open("wb") as file:
        np.savez(file, **arrays)

"""A validation as text that other tools read: Markdown, and its outputs as CSV."""

import csv
import io
from typing import Any

import numpy as np

from reports.page import figure_text
from reports.validation import Validation

__all__ = ["csv_text", "point_rows", "report_markdown"]

_LABELS = {
    "max_error_percent_full_scale": "fast model, largest error [% of full scale]",
    "rms_error_percent_full_scale": "fast model, root mean square [%]",
    "ideal_max_error_percent_full_scale": "ideal MAC, largest [%]",
    "reference_error_percent_full_scale": "SPICE itself [%]",
    "error_bound_percent_full_scale": "largest error bound of the model [%]",
    "outside_bound_percent": "outputs outside their bound [%]",
    "code_match_percent": "equal codes [%]",
    "max_code_difference_lsb": "largest difference of codes [LSB]",
    "n_saturated": "saturated bit-line conversions",
}


def report_markdown(content: dict[str, Any], values: list[dict[str, str]]) -> str:
    """The result of `reports.write.report_content` as Markdown, with the tile's assumed `values`."""
    lines = [
        f"# {content['tile']['name']}: accuracy against SPICE",
        "",
        f"{'**pass**' if content['passed'] else '**FAIL**'}: {content['accuracy']['n_output']} outputs of "
        f"{content['n_vec']} random vectors (seed {content['seed']}), {content['provenance']['package']} against "
        f"{content['provenance']['reference']['engine']}.",
        "",
    ]
    if content["verdicts"]:
        lines += ["| spec | limit | measured | |", "|---|---|---|---|"]
        lines += [
            f"| {row['spec']} | {row['limit']:.6g} | {_measured(row['measured'])} | "
            f"{'pass' if row['passed'] else 'FAIL'} |"
            for row in content["verdicts"]
        ]
        lines.append("")
    lines += ["| figure | |", "|---|---|"]
    lines += [f"| {label} | {figure_text(content['accuracy'][key])} |" for key, label in _LABELS.items()]
    lines += ["", "| parameter | value | standard error |", "|---|---|---|"]
    for row in content["parameters"]:
        error = row["origin"] if row["error"] is None else f"{row['error']:.2g}"
        lines.append(f"| {row['name']} | {row['value']:.8g} | {error} |")
    assumed = [f"`{row['key']} = {row['value']}`" for row in values if row["kind"] == "assumed"]
    if assumed:
        lines += ["", f"Assumed values: {', '.join(assumed)}."]
    if content["runs"] is not None:
        rows = content["runs"]["rows"]
        kept = sum(row["left_out"] is None for row in rows)
        lines += ["", f"{kept} of {len(rows)} simulator runs in `runs/`; in a folder: `{content['runs']['again']}`."]
    return "\n".join(lines) + "\n"


def point_rows(validation: Validation) -> list[dict[str, Any]]:
    """Every output: what SPICE and the model gave."""
    spice, fast = validation.reference, validation.fast
    return [
        {
            "vector": vector,
            "column": column,
            "charge_spice_coulomb": float(spice.charge_coulomb[vector, column]),
            "charge_model_coulomb": float(fast.charge_coulomb[vector, column]),
            "code_spice": None if spice.code is None else int(spice.code[vector, column]),
            "code_model": None if fast.code is None else int(fast.code[vector, column]),
        }
        for vector, column in np.ndindex(*spice.charge_coulomb.shape)
    ]


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Rows with equal keys as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _measured(value: float | None) -> str:
    return "no converter" if value is None else f"{value:.4g}"

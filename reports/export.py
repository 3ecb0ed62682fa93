"""An export with its errors against SPICE: the target's files, `not_represented.json` and a page."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibration.reference import reference_error_coulomb, reference_output
from reports.page import figure_text, render_template
from spice_netlists.batch import Progress
from spice_netlists.runs import Runner
from tilemodel.config.errors import InputError
from tilemodel.config.files import atomic_folder
from tilemodel.config.operands import combine_lines
from tilemodel.exports import TARGETS, Errors, Export, Probe
from tilemodel.version import VERSION

__all__ = ["EXPORT_MARKER", "JudgedExport", "export_lines", "export_with_errors", "write_export"]

EXPORT_MARKER = "not_represented.json"


@dataclass(frozen=True, kw_only=True)
class JudgedExport:
    """An export, and how far what the target computes is from the model and from SPICE on the probe."""

    export: Export
    probe: Probe
    against_model: Errors
    against_spice: Errors | None
    """None: not simulated."""
    model_against_spice: Errors | None
    reference: dict[str, Any] | None
    """Engine, decks and own error of SPICE."""


def export_with_errors(
    probe: Probe,
    target: str,
    *,
    spice: bool = True,
    runner: Runner | None = None,
    on_done: Progress | None = None,
) -> JudgedExport:
    """Make the export to `target` and compare what it computes with the model and, if `spice`, with the circuit.

    Raises `InputError` for an unknown target and for a tile that it cannot hold; else as `spice_netlists.simulate`.
    """
    if target not in TARGETS:
        raise InputError(f"unknown target {target!r}; there are {', '.join(TARGETS)}")
    export = TARGETS[target](probe)
    found = export.predict(probe)
    if not spice:
        return JudgedExport(
            export=export,
            probe=probe,
            against_model=probe.errors(found),
            against_spice=None,
            model_against_spice=None,
            reference=None,
        )
    truth = reference_output(probe.tile, probe.conductances, probe.ticks, runner=runner, on_done=on_done)
    line = truth.charge_line_coulomb[:1]
    error_line = reference_error_coulomb(probe.tile, probe.conductances, probe.ticks[:1], line, runner=runner)
    own = combine_lines(probe.tile, error_line)
    charge = truth.charge_coulomb
    names = ("engine", "deck_sha256", "run_key", "simulator")
    reference = {name: truth.provenance[name] for name in names}
    reference["error_percent_full_scale"] = 100 * float(abs(own).max()) / probe.full_scale_coulomb
    return JudgedExport(
        export=export,
        probe=probe,
        against_model=probe.errors(found),
        against_spice=probe.errors(found, charge),
        model_against_spice=probe.errors(probe.charge_coulomb, charge),
        reference=reference,
    )


def write_export(judged: JudgedExport, folder: str | Path) -> Path:
    """Write the files, `not_represented.json` and `not_represented.html`; returns the folder.

    An existing folder is replaced only if it is an earlier export. Raises `OutputError`.
    """
    content = export_content(judged)
    with atomic_folder(folder, marker=EXPORT_MARKER) as temporary:
        for name, data in judged.export.files.items():
            path = temporary / name
            if isinstance(data, bytes):
                path.write_bytes(data)
            else:
                path.write_text(data, encoding="utf-8")
        (temporary / EXPORT_MARKER).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        page = render_template("export.html", tile=judged.probe.tile, files=sorted(judged.export.files), **content)
        (temporary / "not_represented.html").write_text(page, encoding="utf-8")
    return Path(folder)


def export_content(judged: JudgedExport) -> dict[str, Any]:
    """What `not_represented.json` holds."""
    export = judged.export
    return {
        "schema_version": "tilemodel-export-errors-1",
        "written_by": f"tilemodel {VERSION}",
        "target": export.target,
        "target_version": export.target_version,
        "upkeep": export.upkeep,
        "tile_name": judged.probe.tile.name,
        "tile_sha256": judged.probe.tile.sha256(),
        "not_represented": [
            {
                "quantity": loss.quantity,
                "value": loss.value,
                "done": loss.done,
                "errors": None if loss.errors is None else loss.errors.as_dict(),
            }
            for loss in export.losses
        ],
        "whole": {
            "target_against_spice": _plain(judged.against_spice),
            "target_against_model": _plain(judged.against_model),
            "model_against_spice": _plain(judged.model_against_spice),
        },
        "reference": judged.reference,
        "probe": judged.probe.provenance(),
    }


def export_lines(judged: JudgedExport) -> list[str]:
    """The summary for the terminal."""
    rows = [(loss.quantity, loss.errors) for loss in judged.export.losses]
    rows += [("as a whole, against the model", judged.against_model)]
    if judged.against_spice is not None:
        rows += [("as a whole, against SPICE", judged.against_spice)]
        rows += [("the model itself, against SPICE", judged.model_against_spice)]
    lines = [f"{judged.export.target} ({judged.export.target_version}, {judged.export.upkeep})"]
    lines.append(f"{'not represented':34s} {'rms':>9s} {'largest':>9s}  % of full scale")
    for name, errors in rows:
        rms, largest = (None, None) if errors is None else (errors.rms_percent, errors.max_percent)
        lines.append(f"{name:34s} {figure_text(rms):>9s} {figure_text(largest):>9s}")
    return lines


def _plain(errors: Errors | None) -> dict[str, float | None] | None:
    return None if errors is None else errors.as_dict()

"""Compare two reports of `tilemodel validate`: what got better or worse, beyond the references' own errors."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from reports.accuracy import REFERENCE_FLOOR, REFERENCE_MARGIN, Accuracy, Verdict
from tilemodel.config.adc import IdealAdc
from tilemodel.config.errors import InputError
from tilemodel.config.load import explain_validation, read_limited
from tilemodel.config.tile import TileConfig
from tilemodel.conversion import converter_bank

__all__ = [
    "Change",
    "Comparison",
    "compare_conditions",
    "compare_reports",
    "comparison_lines",
    "condition_lines",
    "read_conditions",
    "read_report",
]

_MAX_REPORT_BYTES = 200_000_000
# Figure, and whether it should be small (1) or large (-1)
_FIGURES = {
    "max_error_percent_full_scale": 1,
    "rms_error_percent_full_scale": 1,
    "outside_bound_percent": 1,
    "code_match_percent": -1,
    "max_code_difference_lsb": 1,
}
Outcome = Literal["better", "worse", "same", "not comparable"]


class Report(BaseModel):
    """What a comparison reads of a `report.json`."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    schema_version: Literal["tilemodel-report-1"]
    tile: TileConfig
    seed: int
    n_vec: int
    verdicts: list[Verdict]
    accuracy: Accuracy
    provenance: dict[str, Any]

    @property
    def reference_error_percent(self) -> float:
        """How far the reference may be off, of full scale: what halving its tolerances showed, with its margin."""
        return REFERENCE_MARGIN * self.accuracy.reference_error_percent_full_scale + 100 * REFERENCE_FLOOR

    @property
    def reference_error_lsb(self) -> float | None:
        """The same in code steps; None without a converter of known step."""
        if isinstance(self.tile.adc, IdealAdc):
            return None
        charge = self.reference_error_percent / 100 * self.accuracy.full_scale_coulomb
        return charge / converter_bank(self.tile).lsb_coulomb


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure of both reports."""

    figure: str
    before: float | None
    after: float | None
    allowed: float | None
    """Difference that the references' own errors explain."""
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two reports side by side."""

    changes: list[Change]
    differences: list[str]
    """In what else the reports differ: tile, draws, engines, versions."""

    @property
    def worse(self) -> bool:
        """Whether anything got worse."""
        return any(change.outcome == "worse" for change in self.changes)


def read_report(folder: str | Path) -> Report:
    """The report in `folder`. Raises `InputError` if it is none, or not one that can be compared."""
    path = Path(folder) / "report.json"
    text = read_limited(path, _MAX_REPORT_BYTES, "a folder that `tilemodel validate` wrote")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON: {error}") from None
    if isinstance(content, dict) and content.get("schema_version") == "tilemodel-sweep-1":
        raise InputError(f"{path}: is a report over conditions; compare the folders in {path.parent / 'conditions'}")
    try:
        return Report.model_validate(content)
    except ValidationError as error:
        raise InputError(explain_validation(error, Report, str(path), remedy="validate again")) from None


def read_conditions(folder: str | Path) -> dict[str, Report]:
    """The reports in `folder`, by condition: those of a sweep, or the only one, named "". Raises as `read_report`."""
    inside = Path(folder) / "conditions"
    if not inside.is_dir():
        return {"": read_report(folder)}
    return {path.name: read_report(path) for path in sorted(inside.iterdir())}


def compare_conditions(before: dict[str, Report], after: dict[str, Report]) -> dict[str, Comparison]:
    """The comparison of each condition that both have. Raises `InputError` if there is none."""
    both = [name for name in before if name in after]
    if not both:
        raise InputError(f"the reports have no condition in common: {', '.join(before)} and {', '.join(after)}")
    return {name: compare_reports(before[name], after[name]) for name in both}


def condition_lines(before: dict[str, Report], after: dict[str, Report]) -> list[str]:
    """The comparisons of all conditions, and the conditions that one report has alone."""
    lines = []
    for name, comparison in compare_conditions(before, after).items():
        lines += [*([f"{name}:"] if name else []), *comparison_lines(comparison)]
    for what, names in (("before", before.keys() - after.keys()), ("after", after.keys() - before.keys())):
        if names:
            lines.append(f"only {what}: {', '.join(sorted(names))}")
    return lines


def compare_reports(before: Report, after: Report) -> Comparison:
    """Every figure and spec of `after` against `before`."""
    figures = [_figure_change(name, sign, before, after) for name, sign in _FIGURES.items()]
    changes = [change for change in figures if change.before is not None or change.after is not None]
    return Comparison(changes=changes + _verdict_changes(before, after), differences=_differences(before, after))


def comparison_lines(comparison: Comparison) -> list[str]:
    """The comparison as a table, for a terminal."""
    lines = [f"{'':44s} {'before':>10s} {'after':>10s} {'allowed':>9s}"]
    lines += [
        f"{change.figure:44s} {_text(change.before):>10s} {_text(change.after):>10s} {_text(change.allowed):>9s}  "
        f"{change.outcome.upper() if change.outcome == 'worse' else change.outcome}"
        for change in comparison.changes
    ]
    if comparison.differences:
        lines.append("the reports differ in:")
        lines += [f"  {item}" for item in comparison.differences]
    return lines


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _figure_change(name: str, sign: int, before: Report, after: Report) -> Change:
    old, new = getattr(before.accuracy, name), getattr(after.accuracy, name)
    allowed = _allowed(name, before, after)
    outcome: Outcome = "same"
    if old is None or new is None or allowed is None:
        outcome, allowed = "not comparable", None
    elif abs(new - old) > allowed:
        outcome = "worse" if sign * (new - old) > 0 else "better"
    return Change(figure=name, before=old, after=new, allowed=allowed, outcome=outcome)


def _allowed(name: str, before: Report, after: Report) -> float | None:
    """What the errors of both references may change in a figure."""
    if name.endswith("error_percent_full_scale"):
        return before.reference_error_percent + after.reference_error_percent
    if name == "outside_bound_percent":  # judged with the reference's error in it, so each output counts
        return 0.0
    steps = [report.reference_error_lsb for report in (before, after)]
    if steps[0] is None or steps[1] is None:
        return None
    moved = steps[0] + steps[1]
    if name == "max_code_difference_lsb":
        return float(math.ceil(moved))
    # a code moves where its charge lies within the error of a step; one output more, for chance
    one = 100 / min(report.accuracy.n_output * report.tile.lines_per_column for report in (before, after))
    return min(100.0, 100 * moved * max(report.tile.lines_per_column for report in (before, after)) + one)


def _verdict_changes(before: Report, after: Report) -> list[Change]:
    """Specs that one report meets and the other misses, whatever the size of the change; and specs of one only."""
    old = {verdict.spec: verdict for verdict in before.verdicts}
    new = {verdict.spec: verdict for verdict in after.verdicts}
    changes = []
    for spec in dict.fromkeys((*old, *new)):
        outcome: Outcome = "same"
        if spec not in old or spec not in new:
            missed = spec in new and not new[spec].passed
            outcome = "worse" if missed else "not comparable"
        elif old[spec].passed != new[spec].passed:
            outcome = "better" if new[spec].passed else "worse"
        changes.append(
            Change(
                figure=f"spec {spec}: met (1) or missed (0)",
                before=float(old[spec].passed) if spec in old else None,
                after=float(new[spec].passed) if spec in new else None,
                allowed=None,
                outcome=outcome,
            )
        )
    return changes


def _differences(before: Report, after: Report) -> list[str]:
    found = [
        f"{name}: {getattr(before, name)} and {getattr(after, name)}"
        for name in ("seed", "n_vec")
        if getattr(before, name) != getattr(after, name)
    ]
    if found:
        found[-1] += " (other draws: the largest of other outputs)"
    ours, theirs = (_flat(report.tile.model_dump(mode="json", exclude={"sources"})) for report in (before, after))
    found += [
        f"tile {key}: {ours.get(key)} and {theirs.get(key)}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key)
    ]
    for name, old, new in (
        ("package", before.provenance.get("package"), after.provenance.get("package")),
        ("reference", _engine(before), _engine(after)),
    ):
        if old != new:
            found.append(f"{name}: {old} and {new}")
    return found


def _engine(report: Report) -> Any:
    reference = report.provenance.get("reference")
    return reference.get("engine") if isinstance(reference, dict) else None


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in tree.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {f"{prefix}{key}": item}
    return flat

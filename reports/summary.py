"""A validation, or an error budget, in a few lines of text."""

from reports.accuracy import Verdict, measured_text
from reports.budget import Budget, BudgetRow
from reports.page import figure_text
from reports.validation import Validation

__all__ = ["budget_lines", "summary_lines"]


def summary_lines(validation: Validation) -> list[str]:
    """The accuracy of a validation and its verdicts, for a terminal."""
    accuracy = validation.accuracy
    lines = [
        f"{validation.tile.name}: {accuracy.n_output} outputs against {validation.reference.provenance['engine']}, "
        "largest error in % of full scale:",
        f"  fast model {accuracy.max_error_percent_full_scale:.2g}   "
        f"ideal MAC {accuracy.ideal_max_error_percent_full_scale:.2g}   "
        f"SPICE itself {accuracy.reference_error_percent_full_scale:.2g}",
    ]
    if accuracy.code_match_percent is not None:
        lines.append(
            f"  codes equal in {accuracy.code_match_percent:.4g} %, "
            f"at most {accuracy.max_code_difference_lsb} LSB apart"
        )
    return lines + [
        f"  {'pass' if verdict.passed else 'FAIL'}  {verdict.spec} = {verdict.limit:g}, {_measured(verdict)}"
        for verdict in validation.verdicts
    ]


def _measured(verdict: Verdict) -> str:
    if verdict.measured is None:
        return measured_text(verdict.spec, None)
    return f"measured {verdict.measured:.3g}"


def budget_lines(budget: Budget) -> list[str]:
    """The rows of a budget as a table, for a terminal."""
    array = budget.tile.array
    return [
        f"{budget.tile.name}: {array.n_row} rows x {array.n_col} columns, {budget.n_vec} vectors; error in % of the "
        f"standard deviation of the ideal MAC ({budget.mac_std_coulomb:.3g} C)",
        f"  {'':20s} {'std':>9s} {'after fit':>9s} {'mean':>9s} {'largest':>9s} {'std LSB':>9s} {'max LSB':>9s}",
        *(_budget_line(row) for row in budget.rows),
        "  after fit: what the best gain and offset of each column leave of std",
        *([f"  {budget.n_saturated} saturated bit-line conversions"] if budget.n_saturated else []),
    ]


def _budget_line(row: BudgetRow) -> str:
    figures = (row.std_percent, row.std_after_fit_percent, row.mean_percent, row.max_percent, row.std_lsb, row.max_lsb)
    return f"  {row.label:20s} " + " ".join(f"{figure_text(value):>9s}" for value in figures)

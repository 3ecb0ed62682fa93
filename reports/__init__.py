"""reports: accuracy of the fast model against SPICE and error budgets of tiles, as figures and pages."""

from reports.accuracy import Accuracy, Verdict, judge, measure_accuracy
from reports.budget import Budget, BudgetRow, error_budget
from reports.budget_page import write_budget
from reports.validation import Validation, validate
from reports.write import write_report

__all__ = [
    "Accuracy",
    "Budget",
    "BudgetRow",
    "Validation",
    "Verdict",
    "error_budget",
    "judge",
    "measure_accuracy",
    "validate",
    "write_budget",
    "write_report",
]

"""reports: accuracy of the fast model against SPICE, as figures and pages."""

from reports.accuracy import Accuracy, Verdict, judge, measure_accuracy
from reports.validation import Validation, validate
from reports.write import write_report

__all__ = ["Accuracy", "Validation", "Verdict", "judge", "measure_accuracy", "validate", "write_report"]

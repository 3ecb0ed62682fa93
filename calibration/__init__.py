"""calibration: fits the fast model to SPICE transients."""

from calibration.experiment import Condition, Design, design_experiment
from calibration.fit import Fit, fit_parameters
from calibration.plan import Plan, plan_calibration
from calibration.procedure import calibrate
from calibration.reference import reference_error_coulomb, reference_output

__all__ = [
    "Condition",
    "Design",
    "Fit",
    "Plan",
    "calibrate",
    "design_experiment",
    "fit_parameters",
    "plan_calibration",
    "reference_error_coulomb",
    "reference_output",
]

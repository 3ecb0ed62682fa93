"""calibration: fits the fast model to SPICE transients."""

from calibration.experiment import Condition, design_experiment
from calibration.fit import Fit, fit_parameters
from calibration.procedure import calibrate
from calibration.reference import reference_error_coulomb, reference_output

__all__ = [
    "Condition",
    "Fit",
    "calibrate",
    "design_experiment",
    "fit_parameters",
    "reference_error_coulomb",
    "reference_output",
]

"""Law of the transistor-level read-out: what its clamp does to the line's current, and when its ramp trips.

Derivation and evidence: docs/read_out_sky130.md.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.section import Positive, Section

__all__ = ["RampReadOutParameters", "clamped_current", "trip_features", "trip_second"]

FloatArray = NDArray[np.float64]

# Line current at which the bleeding current of the clamp is doubled [ampere]
_KNEE = 4e-6
# Iterations of I = y v(I); each gains a factor of 20 and more
_ITERATIONS = 25


class RampReadOutParameters(Section):
    """Clamp at v(I) = v0 - r I - s ln(1 + I / 4 uA); q the line's charge less k y^2, y its conductance at first.

    The comparator trips at t0 + t1 q + t2 q^2 + t_square (integral of I^2) + t_log (integral of ln(1 + I / 4 uA))
    after the ramp's start.
    """

    kind: Literal["sky130_ramp"] = "sky130_ramp"
    v0_volt: Positive
    r_ohm: float
    s_volt: float
    k_coulomb_per_siemens2: float
    t0_second: float
    t1_second_per_coulomb: float
    t2_second_per_coulomb2: float
    t_square_second_per_ampere_coulomb: float
    t_log: float


def clamped_current(conductance_siemens: FloatArray, v0: float, r: float, s: float) -> FloatArray:
    """Current [ampere] of lines with `conductance_siemens` (any shape) into the clamp with the law v(I)."""
    current = conductance_siemens * v0
    for _ in range(_ITERATIONS):
        current = conductance_siemens * (v0 - r * current - s * np.log1p(np.maximum(current, 0.0) / _KNEE))
    return current


def trip_features(current_ampere: FloatArray, charge_coulomb: FloatArray, t_lsb_second: float) -> FloatArray:
    """What the time to the trip is a sum of, [5, n_vec, n_line], for currents by tick [n_vec, n_tick, n_line]."""
    square = (current_ampere**2).sum(axis=1) * t_lsb_second
    log = np.log1p(np.maximum(current_ampere, 0.0) / _KNEE).sum(axis=1) * t_lsb_second
    return np.stack([np.ones_like(charge_coulomb), charge_coulomb, charge_coulomb**2, square, log])


def trip_second(parameters: RampReadOutParameters, features: FloatArray) -> FloatArray:
    """Time from the ramp's start to the trip [second], [n_vec, n_line]."""
    p = parameters
    weights = (
        p.t0_second,
        p.t1_second_per_coulomb,
        p.t2_second_per_coulomb2,
        p.t_square_second_per_ampere_coulomb,
        p.t_log,
    )
    result: FloatArray = np.tensordot(np.array(weights), features, axes=1)
    return result

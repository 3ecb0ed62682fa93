"""Accuracy figures of a model against a reference, and the verdicts on a tile's specs."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.measures import Measures
from tilemodel.config.errors import InputError
from tilemodel.config.tile import SpecConfig
from tilemodel.output import TileOutput

__all__ = ["REFERENCE_FLOOR", "REFERENCE_MARGIN", "Accuracy", "Verdict", "judge", "measure_accuracy", "measured_text"]

FloatArray = NDArray[np.float64]

# Halving a simulator's tolerances moves its answer by a part of its error only; this many times the move is allowed
REFERENCE_MARGIN = 3.0
# What ngspice's tolerances leave on a linear circuit, of full scale
REFERENCE_FLOOR = 2e-7


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Errors in % of full scale, the largest |charge| of the batch's ideal MAC."""

    n_output: int
    full_scale_coulomb: float
    max_error_percent_full_scale: float
    rms_error_percent_full_scale: float
    ideal_max_error_percent_full_scale: float
    """Of the ideal MAC: what neglecting the circuit costs."""
    reference_error_percent_full_scale: float
    """Largest change of the reference when its tolerances and time step are halved."""
    error_bound_percent_full_scale: float | None
    """Largest error bound that the model itself gave with its answers."""
    outside_bound_percent: float | None
    """Outputs whose error exceeds their bound by more than the reference's own error and its tolerance."""
    code_match_percent: float | None
    """Outputs with equal codes; None for an ideal converter."""
    max_code_difference_lsb: int | None
    n_saturated: int
    """Bit-line conversions of the reference at the end of the converter's range."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One spec of the tile file and how it came out."""

    spec: str
    limit: float
    measured: float | None
    passed: bool


# Why a spec was not measured
_UNMEASURED = {
    "max_settling_percent": "not measured: outputs are sampled",
    "min_code_match_percent": "not measured: no converter codes",
    "max_code_difference_lsb": "not measured: no converter codes",
}
_NO_LAW = "not measured: no converter law, or too many code edges"


def measured_text(spec: str, measured: float | None) -> str:
    """The measured value of `spec` with four digits, or why there is none."""
    return _UNMEASURED.get(spec, _NO_LAW) if measured is None else f"{measured:.4g}"


def measure_accuracy(
    reference: TileOutput, model: TileOutput, ideal_coulomb: FloatArray, reference_error_coulomb: FloatArray
) -> Accuracy:
    """Compare `model` with `reference` over a batch; `ideal_coulomb` is [n_vec, n_col].

    Raises `InputError` if the ideal MAC is zero throughout.
    """
    full_scale = float(np.abs(ideal_coulomb).max())
    if full_scale == 0:
        raise InputError("the ideal MAC of every vector is zero, so there is no full scale; use more vectors or rows")
    percent = 100.0 / full_scale
    error = model.charge_coulomb - reference.charge_coulomb
    match, difference = None, None
    if reference.code is not None and model.code is not None:
        steps = np.abs(model.code - reference.code)
        match, difference = 100.0 * float(np.mean(steps == 0)), int(steps.max())
    return Accuracy(
        n_output=error.size,
        full_scale_coulomb=full_scale,
        max_error_percent_full_scale=percent * float(np.abs(error).max()),
        rms_error_percent_full_scale=percent * float(np.sqrt(np.mean(error**2))),
        ideal_max_error_percent_full_scale=percent * float(np.abs(ideal_coulomb - reference.charge_coulomb).max()),
        reference_error_percent_full_scale=percent * float(np.abs(reference_error_coulomb).max()),
        **_bound_figures(error, model.error_bound_coulomb, reference_error_coulomb, full_scale),
        code_match_percent=match,
        max_code_difference_lsb=difference,
        n_saturated=reference.n_saturated,
    )


def _bound_figures(
    error: FloatArray, bound: FloatArray | None, reference_error_coulomb: FloatArray, full_scale: float
) -> dict[str, float | None]:
    if bound is None:
        return {"error_bound_percent_full_scale": None, "outside_bound_percent": None}
    allowed = bound + REFERENCE_MARGIN * np.abs(reference_error_coulomb).max() + REFERENCE_FLOOR * full_scale
    return {
        "error_bound_percent_full_scale": 100.0 / full_scale * float(bound.max()),
        "outside_bound_percent": 100.0 * float(np.mean(np.abs(error) > allowed)),
    }


def judge(accuracy: Accuracy, spec: SpecConfig, measures: Measures | None = None) -> list[Verdict]:
    """A verdict for each limit that `spec` sets. A spec fails where the tile has nothing to measure it on."""
    measured_and_sign: dict[str, tuple[float | None, int]] = {
        "max_error_percent_full_scale": (accuracy.max_error_percent_full_scale, 1),
        "min_code_match_percent": (accuracy.code_match_percent, -1),
        "max_code_difference_lsb": (accuracy.max_code_difference_lsb, 1),
        "max_ir_drop_percent": (measures.ir_drop_percent if measures else None, 1),
        "max_inl_lsb": (measures.inl_lsb if measures else None, 1),
        "max_dnl_lsb": (measures.dnl_lsb if measures else None, 1),
        "max_missing_codes": (measures.missing_codes if measures else None, 1),
        "max_settling_percent": (measures.settling_percent if measures else None, 1),
    }
    verdicts = []
    for name, (measured, sign) in measured_and_sign.items():
        limit = getattr(spec, name)
        if limit is not None:
            passed = measured is not None and sign * measured <= sign * limit
            verdicts.append(Verdict(spec=name, limit=limit, measured=measured, passed=passed))
    return verdicts

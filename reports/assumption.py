"""How far a simulator's configuration is from the circuit: both on the vectors that `validate` takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reports.page import figure_text
from reports.validation import Validation, validate
from spice_netlists.batch import Progress
from spice_netlists.runs import Runner
from tilemodel.adc import lsb_coulomb
from tilemodel.column_fit import left_after_fit
from tilemodel.compact import CompactModel
from tilemodel.config.adc import IdealAdc
from tilemodel.config.cell import RailQuadCell
from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig
from tilemodel.imports import Configuration
from tilemodel.parameters import parameters_from_tile
from tilemodel.variants import parts_of, tile_with_only

__all__ = ["AssumptionCheck", "Difference", "assumption_lines", "check_assumption"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One cause and what it does to the charges."""

    cause: str
    rms_percent: float
    """Of full scale, the largest ideal |charge|."""
    max_percent: float | None
    """None where only a standard deviation is known."""
    rms_lsb: float | None
    """Of the tile's converter."""
    max_lsb: float | None


@dataclass(frozen=True, kw_only=True)
class AssumptionCheck:
    """A configuration compared with SPICE of a tile, cause by cause."""

    configuration: Configuration
    validation: Validation
    differences: tuple[Difference, ...]
    judged_percent: float
    """Largest error of the configuration's circuit without converter."""
    limit_percent: float | None
    """`[spec] max_error_percent_full_scale` of the tile file; None: it sets none."""

    @property
    def passed(self) -> bool:
        """Whether the configuration keeps to the tile's limit, if there is one."""
        return self.limit_percent is None or self.judged_percent <= self.limit_percent


def check_assumption(
    configuration: Configuration,
    tile: TileConfig,
    model: CompactModel | None = None,
    *,
    n_vec: int = 8,
    seed: int = 0,
    runner: Runner | None = None,
    on_done: Progress | None = None,
) -> AssumptionCheck:
    """Compare on random weights and vectors. Raises as `validate`, and `InputError` for a tile of 4-PCM cells."""
    if isinstance(tile.cell, RailQuadCell):
        raise InputError(f"tile {tile.name}: its weights are of two pairs, which the configuration has no place for")
    validation = validate(tile, model, n_vec=n_vec, seed=seed, runner=runner, on_done=on_done)
    differences = _differences(configuration, validation)
    return AssumptionCheck(
        configuration=configuration,
        validation=validation,
        differences=differences,
        judged_percent=next(d.max_percent for d in differences if d.cause == _CIRCUIT and d.max_percent is not None),
        limit_percent=tile.spec.max_error_percent_full_scale,
    )


_CIRCUIT = "its circuit, without converter"


def _differences(configuration: Configuration, validation: Validation) -> tuple[Difference, ...]:
    tile, g = validation.tile, validation.tile.conductance
    span = g.g_max_siemens - g.g_min_siemens
    weights = (validation.conductances.g_plus - validation.conductances.g_minus) / span
    inputs = validation.ticks / tile.drive.n_tick_max
    longest = tile.drive.n_tick_max * tile.drive.t_lsb_second
    unit = float(getattr(tile.read_out.circuit, "ratio", 1.0)) * span * tile.v_read_volt * longest
    analog = unit * configuration.product(weights, inputs, converted=False)
    digital = unit * configuration.product(weights, inputs, converted=True)
    truth = validation.reference.charge_coulomb
    found = {
        "no circuit at all (ideal MAC)": validation.ideal_coulomb - truth,
        _CIRCUIT: analog - truth,
        "  left after a gain and offset a column": left_after_fit(truth, analog),
        "its converter alone": digital - analog,
        "as a whole": digital - truth,
        "our fast model": validation.fast.charge_coulomb - truth,
        "SPICE itself (halved tolerances)": validation.reference_error_coulomb,
    }
    found.update(_parts(validation))
    scale = float(np.abs(validation.ideal_coulomb).max())
    lsb = None if isinstance(tile.adc, IdealAdc) else lsb_coulomb(tile.adc, signed=tile.signed_lines)
    rows = [_difference(cause, error, scale, lsb) for cause, error in found.items()]
    sigma = unit * _noise(configuration, inputs)
    if sigma > 0:
        rows.append(
            Difference(
                cause="its noise (standard deviation)",
                rms_percent=100 * sigma / scale,
                max_percent=None,
                rms_lsb=None if lsb is None else sigma / lsb,
                max_lsb=None,
            )
        )
    return tuple(rows)


def _parts(validation: Validation) -> dict[str, FloatArray]:
    """What each part of the tile adds alone, by the fast model: which of them the configuration lacks."""
    tile, model = validation.tile, validation.model
    parameters = parameters_from_tile(tile) if model is None else model.parameters
    given, ideal = validation.conductances, validation.ideal_coulomb
    return {
        f"for comparison, the tile's {part} alone": tile_with_only(tile, given, parameters, part)
        .mvm(validation.ticks)
        .charge_coulomb
        - ideal
        for part in parts_of(tile, parameters)
        if part != "adc"
    }


def _difference(cause: str, error: FloatArray, scale: float, lsb: float | None) -> Difference:
    rms, largest = float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())
    return Difference(
        cause=cause,
        rms_percent=100 * rms / scale,
        max_percent=100 * largest / scale,
        rms_lsb=None if lsb is None else rms / lsb,
        max_lsb=None if lsb is None else largest / lsb,
    )


def _noise(configuration: Configuration, inputs: FloatArray) -> float:
    """Of an output without wires, root mean square over the vectors; two cells a weight."""
    relative = 1 - configuration.g_min_siemens / configuration.g_max_siemens
    variance = 2 * (configuration.programming_sigma**2 + configuration.read_sigma**2)
    return float(np.sqrt(variance * np.mean((inputs**2).sum(axis=1)))) / relative


def assumption_lines(check: AssumptionCheck) -> list[str]:
    """The table for the terminal."""
    tile, size = check.validation.tile, check.validation.ticks.shape[0]
    lines = [f"{check.configuration.source} against SPICE of tile {tile.name}, {size} vectors"]
    lines.append(f"{'':42s} {'% of full scale':>19s} {'LSB':>19s}")
    lines.append(f"{'error of':42s} {'rms':>9s} {'largest':>9s} {'rms':>9s} {'largest':>9s}")
    for item in check.differences:
        numbers = (item.rms_percent, item.max_percent, item.rms_lsb, item.max_lsb)
        lines.append(f"{item.cause:42s} " + " ".join(f"{figure_text(number):>9s}" for number in numbers))
    n_default = len(check.configuration.defaults)
    if n_default:
        lines.append(
            f"{n_default} settings are not in the file: its defaults were taken (`tilemodel import` lists them)"
        )
    if check.limit_percent is None:
        lines.append("not judged: [spec] of the tile file sets no max_error_percent_full_scale")
    else:
        verdict = "within" if check.passed else "beyond"
        lines.append(
            f"its circuit errs by {figure_text(check.judged_percent)} % of full scale at most, "
            f"{verdict} the tile's limit of {check.limit_percent:g} %"
        )
    return lines

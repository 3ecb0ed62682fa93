"""Calibrate a transistor-level read-out: simulate tiles with it, fit its clamp's law, then its converter's."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from calibration.experiment import Condition, design_read_out_experiment
from spice_netlists.batch import Progress, simulate
from spice_netlists.cells import CellCircuit
from spice_netlists.runs import Runner
from tilemodel.compact import ReadOutFit
from tilemodel.config.errors import InputError
from tilemodel.config.passes import tile_passes
from tilemodel.config.read_out import Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.model import TileModel
from tilemodel.parameters import AnyParameters
from tilemodel.ramp_read_out import RampReadOutParameters, clamped_current, trip_features, trip_second

__all__ = ["calibrate_read_out"]

FloatArray = NDArray[np.float64]

# Lines that reach this share of the counter's end are left out: the circuit may have run out of voltage
_USED_SHARE = 0.9
# Typical sizes of v0 [V], r [ohm], s [V], k [C/S^2]
_CLAMP_SCALE = np.array([0.2, 5.0, 1e-3, 1e-7])


def calibrate_read_out(
    tile: TileConfig,
    parameters: AnyParameters,
    *,
    cell: CellCircuit | None = None,
    seed: int = 0,
    processes: int | None = None,
    runner: Runner | None = None,
    on_done: Progress | None = None,
) -> ReadOutFit:
    """Fit the law of `tile`'s read-out, the cells' `parameters` being known.

    Raises what `simulate` raises, and `InputError` if too few conversions end within the counter's range.
    """
    circuit = tile.read_out.circuit
    assert isinstance(circuit, Sky130RampReadOut)
    condition = design_read_out_experiment(tile, np.random.default_rng([seed, 1]))
    result = simulate(
        condition.tile,
        condition.conductances,
        condition.ticks,
        cell=cell,
        processes=processes,
        runner=runner,
        on_done=on_done,
    ).passes[0]
    assert result.trip_line_second is not None
    used = result.trip_line_second < _USED_SHARE * circuit.count_max * circuit.t_clock_second
    if used.sum() < 3 * len(RampReadOutParameters.model_fields):
        raise InputError(
            f"tile {tile.name} [read_out.circuit]: only {int(used.sum())} of {used.size} conversions of the experiment "
            "ended within the counter's range; raise count_max or t_clock_second"
        )
    conductance = _line_conductance(condition, parameters)
    clamp = _fit_clamp(tile, conductance, result.charge_line_coulomb, used)
    return _fit_trip(tile, circuit, conductance, clamp, result.charge_line_coulomb, result.trip_line_second, used)


def _line_conductance(condition: Condition, parameters: AnyParameters) -> FloatArray:
    """Conductance of the lines tick by tick, [n_vec, n_tick, n_line], from the cells' model under an ideal clamp."""
    tile = condition.tile
    ideal = tile.with_ideal_read_out()
    model = TileModel(ideal, condition.conductances, parameters)
    currents = model.currents(tile_passes(ideal, condition.ticks)[0])
    result: FloatArray = currents.current_ampere[:, 1:] / tile.v_read_volt
    return result


def _fit_clamp(tile: TileConfig, conductance: FloatArray, charge: FloatArray, used: NDArray[np.bool_]) -> FloatArray:
    """v0, r, s, k by least squares of the lines' charges."""
    scale = np.abs(charge[used]).max()

    def residual(z: FloatArray) -> FloatArray:
        flat: FloatArray = ((_charge(tile, conductance, z * _CLAMP_SCALE) - charge)[used]) / scale
        return flat

    start = np.array([tile.v_read_volt, 1.0, 0.5e-3, 0.0]) / _CLAMP_SCALE
    result: FloatArray = least_squares(residual, start, method="lm", x_scale="jac").x * _CLAMP_SCALE
    return result


def _charge(tile: TileConfig, conductance: FloatArray, clamp: FloatArray) -> FloatArray:
    v0, r, s, k = clamp
    current = clamped_current(conductance, v0, r, s)
    result: FloatArray = current.sum(axis=1) * tile.drive.t_lsb_second - k * conductance[:, 0] ** 2
    return result


def _fit_trip(
    tile: TileConfig,
    circuit: Sky130RampReadOut,
    conductance: FloatArray,
    clamp: FloatArray,
    charge: FloatArray,
    trip: FloatArray,
    used: NDArray[np.bool_],
) -> ReadOutFit:
    """The five weights of the time to the trip, linear least squares."""
    modelled = _charge(tile, conductance, clamp)
    current = clamped_current(conductance, *clamp[:3])
    features = trip_features(current, modelled, tile.drive.t_lsb_second)
    design = features[:, used].T
    size = np.abs(design).max(axis=0)
    weights = np.linalg.lstsq(design / size, trip[used], rcond=None)[0] / size
    names = [name for name in RampReadOutParameters.model_fields if name != "kind"]
    parameters = RampReadOutParameters.model_validate(
        dict(zip(names, [float(value) for value in (*clamp, *weights)], strict=True))
    )
    left = (trip_second(parameters, features) - trip)[used]
    return ReadOutFit(
        parameters=parameters,
        n_conversion=int(used.sum()),
        charge_residual_max_coulomb=float(np.abs((modelled - charge)[used]).max()),
        trip_residual_max_lsb=float(np.abs(left).max() / circuit.t_clock_second),
        trip_residual_rms_lsb=float(np.sqrt(np.mean(left**2)) / circuit.t_clock_second),
    )

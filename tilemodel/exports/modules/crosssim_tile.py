"""The classes that crosssim.json names beyond CrossSim 3.2's own: cells with the tile's noise, and its converter.

Written by `tilemodel export --to crosssim`. CrossSim looks for classes by name among the subclasses of its own, so
importing this file makes them known; their values are in crosssim_tile.json beside it. A matrix of conductances is
in units of the largest one, an output in units of its current at full input. Draws are from numpy.random (cupy's on a
GPU): seed that.
"""

import json
import math
from pathlib import Path
from typing import Any

from simulator import AnalogCore, CrossSimParameters
from simulator.backend import ComputeBackend
from simulator.circuits.adc.iadc import IADC
from simulator.devices.idevice import EmptyDevice

FOLDER = Path(__file__).parent
VALUES: dict[str, Any] = json.loads((FOLDER / "crosssim_tile.json").read_text())
xp = ComputeBackend()


def make_parameters() -> CrossSimParameters:
    """The parameters of the tile."""
    return CrossSimParameters.from_json(FOLDER / "crosssim.json")


def make_core(matrix: Any) -> Any:
    """A core for `matrix` [n_out, n_in] with the tile's read-out ends; an `AnalogCore` has all at the last row."""
    if VALUES["read_out_end"] == "alternating" and len(matrix) > 1:
        return BothEnds(matrix)
    return AnalogCore(matrix, params=make_parameters())


class BothEnds:
    """Even columns in one core; odd ones, which are read at the first row, in another one with its rows reversed."""

    def __init__(self, matrix: Any) -> None:
        self.even = AnalogCore(matrix[0::2], params=make_parameters())
        self.odd = AnalogCore(matrix[1::2, ::-1], params=make_parameters())
        self.n_out = len(matrix)

    def matvec(self, vector: Any) -> Any:
        """The product with `vector` [n_in]."""
        output = xp.empty(self.n_out)
        output[0::2], output[1::2] = self.even.matvec(vector), self.odd.matvec(vector[::-1])
        return output


class TileDevice(EmptyDevice):
    """A cell with the noise of the tile: of each read, of programming, and of the time since then [second]."""

    def read_noise(self, input_: Any) -> Any:
        c0, c1, c2 = VALUES["noise"]["read_variance"] or (0.0, 0.0, 0.0)
        sigma = xp.sqrt(c0 + (c1 + c2 * input_) * input_)
        noisy = input_ + xp.where(input_ > 0, sigma, 0.0) * xp.random.normal(size=input_.shape)
        return noisy.astype(input_.dtype)

    def programming_error(self, input_: Any) -> Any:
        return self.drift_error(input_, 0.0)

    def drift_error(self, input_: Any, time: float) -> Any:
        """Programming, faults, spread of devices, drift and accumulated 1/f noise, in this order."""
        noise = VALUES["noise"]
        written = _written(noise, input_)
        g, drift, long_term = written, noise["drift"], noise["long_term"]
        if drift is not None and time > drift["t_0_second"]:
            g = g * xp.exp(-math.log(time / drift["t_0_second"]) * _drift_exponent(drift, input_))
        if long_term is not None:
            power = xp.maximum((written / long_term["g_reference"]) ** long_term["q_exponent"], 1e-3)
            q = xp.minimum(long_term["q_coefficient"] / power, long_term["q_max"])
            t_read = long_term["t_read_second"]
            growth = math.sqrt(max(math.log((time + t_read) / (2 * t_read)), 0.0))
            g = xp.maximum(g * (1 + q * growth * _normals(g)), 0.0)
        return g.astype(input_.dtype)


def _written(noise: dict[str, Any], g: Any) -> Any:
    """What programming to `g` leaves in the cells."""
    coefficients, faults, spread = noise["programming"], noise["faults"], noise["spread"]
    if coefficients is not None:
        sigma = sum(c * g**power for power, c in enumerate(coefficients))
        g = xp.maximum(g + sigma * _normals(g), 0.0)
    if faults is not None:
        draw = xp.random.uniform(size=g.shape)
        g = xp.where(draw < faults["low_fraction"], faults["low"], g)
        g = xp.where(draw >= 1 - faults["high_fraction"], faults["high"], g)
    if spread is not None:
        g = xp.maximum(g * (1 + spread * _normals(g)), 0.0)
    return g


def _drift_exponent(drift: dict[str, Any], target: Any) -> Any:
    log = xp.log(xp.maximum(target / drift["g_reference"], 1e-7))

    def limited(name: str) -> Any:
        value = drift[f"nu_{name}_log_slope"] * log + drift[f"nu_{name}_offset"]
        return value.clip(drift[f"nu_{name}_min"], drift[f"nu_{name}_max"])

    return xp.abs(limited("mean") + limited("sigma") * _normals(target))


def _normals(like: Any) -> Any:
    return xp.random.normal(size=like.shape)


class TileADC(IADC):
    """The tile's converter behind clamps that lie beside the rows' reference. Outputs are codes times their step."""

    def set_limits(self, matrix: Any) -> None:
        """What the clamps' offset adds to each output of `matrix` [n_out, n_in], from the weights as targeted."""
        limits, device = self.core_params.mapping.weights, VALUES["device"]
        largest = xp.abs(matrix).max() if limits.max is None else limits.max
        least = device["g_min"]
        cells = 2 * least + (1 - least) * xp.abs(matrix) / largest
        seen = xp.zeros(matrix.shape[0])
        for row in range(matrix.shape[1]):  # a ladder, from its far end to the clamp
            seen = seen / (1 + device["r_bit_line"] * seen) + cells[:, row]
        seen = seen / (1 + (device["r_bit_line"] + device["r_end"]) * seen)
        self.shift = -VALUES["clamp_share"] * seen

    def convert(self, vector: Any) -> Any:
        shift = self.shift if vector.ndim == 1 else self.shift[:, None]
        output, law = vector + shift, VALUES["converter"]
        if law is None:
            return output
        level = law["level_per_output"] * output + law["level_offset"]
        # odd: both signs through a converter of one
        code = xp.sign(level) * _code(law, xp.abs(level)) if law["odd"] else _code(law, level)
        return code / law["code_per_output"]


def _code(law: dict[str, Any], level: Any) -> Any:
    """The code of `level` [steps; cycles of an oscillator]."""
    smallest, largest = law["smallest"], law["largest"]
    if law["kind"] == "linear":
        if law["inl"]:
            knots = xp.linspace(smallest, largest, len(law["inl"]))
            level = level + xp.interp(level, knots, xp.array(law["inl"]))
        code = xp.rint(level)
    elif law["kind"] == "cco":
        cycles = level / (1 + law["curve_per_cycle"] * xp.abs(level))
        code = xp.sign(cycles) * xp.floor(xp.abs(cycles) + law["phase"])
    elif law["kind"] == "ramp":
        n_period = 2 ** law["bits"]
        time = xp.arange(1, n_period) / n_period
        edges = n_period * time * (1 + 4 * law["curvature"] * (1 - time))
        code = xp.searchsorted(edges, level - smallest, side="right") + smallest
    else:  # successive approximation
        code = xp.floor(level)
    return code.clip(smallest, largest)

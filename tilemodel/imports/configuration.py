"""What a configuration says of a circuit, whichever simulator it is of, and what that simulator computes from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tilemodel.config.errors import InputError
from tilemodel.solvers.ladder import transfer_to_clamp

__all__ = ["Configuration", "Quantizer"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    """A converter of what an array puts out, in units of the largest conductance at full input."""

    lowest: float
    highest: float
    n_step: int
    """Steps from the lowest to the highest level."""
    rounding: Literal["nearest", "toward_zero"]

    @property
    def step(self) -> float:
        """In the same unit."""
        return (self.highest - self.lowest) / self.n_step

    def __call__(self, output: FloatArray) -> FloatArray:
        """The nearest level, or the next one toward zero."""
        within = np.clip(output, self.lowest, self.highest)
        if self.rounding == "toward_zero":
            return np.trunc(within / self.step) * self.step
        return np.rint((within - self.lowest) / self.step) * self.step + self.lowest


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a configuration of another simulator says; None: nothing."""

    source: str
    """The simulator, with its version."""
    one_line: bool
    """G+ and G- on one bit line, else in two arrays that are subtracted."""
    g_min_siemens: float
    g_max_siemens: float
    stretch_weights: bool
    """Whether the largest |weight| is stretched to 1."""
    r_bit_line_ohm: float
    r_row_ohm: float
    r_terminal_ohm: float
    both_ends: bool
    """Odd columns are read before the first row, as aihwkit's are."""
    half_last_segment: bool
    """A bit line ends half a segment behind the last cell, as aihwkit's own do."""
    clamp_offset_volt: float | None
    clamp_share: float
    """The clamp's offset over the read voltage, times the window over the longest pulse."""
    input_bits: int | None
    converter: Quantizer | None
    subtract_before_converter: bool
    programming_sigma: float
    """Relative to `g_max_siemens`."""
    read_sigma: float
    """Relative to `g_max_siemens`, of one product."""
    defaults: tuple[str, ...]
    """Values that were the simulator's own defaults because the file did not hold them, as 'name = value'."""

    def product(self, weights: FloatArray, inputs: FloatArray, *, converted: bool) -> FloatArray:
        """What the simulator computes for `weights` [n_row, n_col] and `inputs` [n_vec, n_row] in [-1, 1].

        Without its noise; with its converter if `converted`. [n_vec, n_col], in units of weight times input.
        Raises `InputError` for weights or inputs outside [-1, 1].
        """
        for name, values in (("weights", weights), ("inputs", inputs)):
            if not np.all(np.abs(values) <= 1 + 1e-12):
                raise InputError(f"{name}: lie outside [-1, 1]; scale them first")
        largest = float(np.abs(weights).max()) if self.stretch_weights else 1.0
        if largest == 0:
            return np.zeros((len(inputs), weights.shape[1]))
        least = self.g_min_siemens / self.g_max_siemens
        plus = least + (1 - least) * np.maximum(weights / largest, 0)
        minus = least + (1 - least) * np.maximum(-weights / largest, 0)
        x = self._quantized_inputs(inputs)
        parts = self._currents(plus, minus, x)
        if converted and self.converter is not None:
            if self.subtract_before_converter:
                parts = [self.converter(np.sum(parts, axis=0))]
            else:
                parts = [self.converter(parts[0]), -self.converter(-parts[1])]
        output: FloatArray = np.sum(parts, axis=0) * (largest / (1 - least))
        return output

    def _quantized_inputs(self, inputs: FloatArray) -> FloatArray:
        if self.input_bits is None:
            return inputs
        n = int(2 ** (self.input_bits - 1) - 1)
        quantized: FloatArray = np.rint(inputs * n) / n
        return quantized

    def _currents(self, plus: FloatArray, minus: FloatArray, x: FloatArray) -> list[FloatArray]:
        """Of each array, the second one's negative; in units of the largest conductance at full input."""
        r_unit = self.g_max_siemens
        r_bit, r_row, r_end = self.r_bit_line_ohm * r_unit, self.r_row_ohm * r_unit, self.r_terminal_ohm * r_unit
        if self.one_line:
            total = plus + minus
            end = r_end - r_bit / 2 if self.half_last_segment else r_end
            transfer, y_in = (_both_ends if self.both_ends else transfer_to_clamp)(total, r_bit, end)
            return [x @ ((plus - minus) * transfer) - self.clamp_share * y_in]
        if r_row == 0:
            return [x @ (sign * g * transfer_to_clamp(g, r_bit, r_end)[0]) for sign, g in ((1.0, plus), (-1.0, minus))]
        from tilemodel.solvers.mesh import mesh_transfer

        south = np.zeros(plus.shape[1], dtype=bool)
        arrays = [
            mesh_transfer(
                g[np.newaxis],
                r_bit_ohm=r_bit,
                r_end_ohm=r_end,
                r_row_ohm=r_row,
                r_driver_ohm=0.0,
                driven_end="west",
                north=south,
            )[0][0]
            for g in (plus, minus)
        ]
        return [x @ arrays[0], -(x @ arrays[1])]


def _both_ends(total: FloatArray, r_bit: float, r_end: float) -> tuple[FloatArray, FloatArray]:
    """`transfer_to_clamp`, of even columns behind the last row and of odd ones before the first."""
    odd = np.arange(total.shape[1]) % 2 == 1
    turned = np.where(odd, total[::-1], total)
    transfer, y_in = transfer_to_clamp(turned, r_bit, r_end)
    return np.where(odd, transfer[::-1], transfer), y_in

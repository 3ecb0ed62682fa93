"""`make_rpu_config()` of a calibrated tile for IBM's aihwkit 1.1.0, from the values in aihwkit.json beside this file.

Written by `tilemodel export --to aihwkit`. Run networks with `torch.set_default_dtype(torch.float64)` where small
errors count: in float32 aihwkit lengthens pulses of some widths (not those of 8 bits).
"""

import copy
import json
from pathlib import Path
from typing import Any

import torch
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from aihwkit.inference.noise.base import BaseNoiseModel
from aihwkit.simulator.configs import TorchInferenceRPUConfigIRDropT
from aihwkit.simulator.parameters.enums import AnalogMVType, BoundManagementType, NoiseManagementType
from aihwkit.simulator.tiles.analog_mvm_irdrop_t import AnalogMVMIRDropT
from aihwkit.simulator.tiles.torch_tile_irdrop_t import TorchSimulatorTileIRDropT
from torch import Tensor

VALUES: dict[str, Any] = json.loads((Path(__file__).parent / "aihwkit.json").read_text())
_V_READ = 0.2


class TileNoise(BaseNoiseModel):
    """Programming noise, drift and accumulated 1/f noise by the laws of the tile; conductances in microsiemens."""

    def __init__(self) -> None:
        g = VALUES["conductance"]
        super().__init__(SinglePairConductanceConverter(g_max=g["g_max_microsiemens"], g_min=g["g_min_microsiemens"]))

    def apply_programming_noise_to_conductance(self, g_target: Tensor) -> Tensor:
        law = VALUES["noise"]["programming"]
        if law is None:
            return g_target.clone()
        ratio = g_target / law["g_reference_microsiemens"]
        sigma = sum(c * ratio**power for power, c in enumerate(law["coefficients_microsiemens"]))
        return torch.clamp(g_target + sigma * torch.randn_like(g_target), min=0.0)

    def generate_drift_coefficients(self, g_target: Tensor) -> Tensor | None:
        law = VALUES["noise"]["drift"]
        if law is None:
            return None
        log = torch.log(torch.clamp(g_target / law["g_reference_microsiemens"], min=1e-7))

        def limited(name: str) -> Tensor:
            value = law[f"nu_{name}_log_slope"] * log + law[f"nu_{name}_offset"]
            return torch.clamp(value, law[f"nu_{name}_min"], law[f"nu_{name}_max"])

        return torch.abs(limited("mean") + limited("sigma") * torch.randn_like(g_target))

    def apply_drift_noise_to_conductance(
        self, g_prog: Tensor, drift_noise_param: Tensor | None, t_inference: float
    ) -> Tensor:
        drift, law = VALUES["noise"]["drift"], VALUES["noise"]["long_term"]
        g = g_prog
        if drift is not None and drift_noise_param is not None:
            age = t_inference + drift["t_0_second"]
            g = g * (age / drift["t_0_second"]) ** -drift_noise_param
        if law is not None and t_inference > 0:
            power = torch.clamp((g_prog / law["g_reference_microsiemens"]) ** law["q_exponent"], min=1e-3)
            q = torch.clamp(law["q_coefficient"] / power, max=law["q_max"])
            t_read = law["t_read_second"]
            growth = torch.log(torch.tensor((t_inference + t_read) / (2 * t_read))).clamp(min=0.0).sqrt()
            g = g + g * q * growth.to(g) * torch.randn_like(g)
        return torch.clamp(g, min=0.0)


class TileMVM(AnalogMVMIRDropT):
    """aihwkit's product with the tile's line ends, and with its read noise, on what the converters see; its counter.

    A line of aihwkit ends half a segment behind its last cell, the tile's a whole one and its terminal and clamp
    resistance: R more. What the end takes is less by 1 / (1 + R y), y being the conductance that the end sees.
    Each cell deviates by its mean over its row's pulse, anew for every vector and pass; to first order, so that noise
    is a normal deviate of each output. In place of aihwkit's own read noise, which has one law, one duration for a
    whole batch, and none for an input of zeros.
    """

    @classmethod
    def _matmul_irdrop(
        cls,
        weight: Tensor,
        input_: Tensor,
        trans: bool,
        io_pars: Any,
        ir_drop: float,
        t_max: float,
        time_steps: int,
        phys_input_size: int,
        g_converter: SinglePairConductanceConverter,
        info: str | None = None,
    ) -> Tensor:
        longest = io_pars.inp_bound / cls._get_res(io_pars.inp_res) / 2
        rows, columns = cls._pad_symmetric(input_, weight.T, phys_input_size=phys_input_size)
        g, params = g_converter.convert_to_conductances(columns)
        r_ohm = ir_drop * io_pars.ir_drop_rs
        share, gain = _ladder(g[0] + g[1], r_ohm, VALUES["line"]["r_end_ohm"] if ir_drop > 0 else 0.0)
        noise = _read_noise(torch.round(rows.abs() * longest), g[0], g[1], share)
        io = copy.copy(io_pars)
        # even columns are converted first
        io.line_ends = [(gain[part], noise[:, part]) for part in (slice(0, None, 2), slice(1, None, 2))]
        output: Tensor = super()._matmul_irdrop(
            weight, input_, trans, io, ir_drop, t_max, time_steps, phys_input_size, g_converter, info
        )
        if io_pars.adc_quantization and ir_drop > 0:
            return output
        return gain * output + noise / (params["scale_ratio"] * _V_READ * longest)

    @classmethod
    def _apply_adc_quantization(cls, mvm: Tensor, io_pars: Any) -> Tensor:
        gain, noise = io_pars.line_ends.pop(0)
        law, cycle = VALUES["oscillator"], 100 / io_pars.adc_frequency
        cycles = (gain * mvm + noise) / cycle
        count = torch.floor(cycles.abs() + law["phase_cycle"]).clamp(max=law["count_max"])
        return torch.sign(cycles) * count * cycle


@torch.no_grad()
def _read_noise(ticks: Tensor, g_plus: Tensor, g_minus: Tensor, share: Tensor) -> Tensor:
    """A draw for pulses `ticks` [n_vec, n_row] of cells [n_row, n_col] in microsiemens: [n_vec, n_col], uA ticks.

    `share` [n_row, n_col] of a cell's current reaches the converter.
    """
    variance = torch.zeros(ticks.shape[0], g_plus.shape[1]).to(g_plus)
    if VALUES["noise"]["read"] is None:
        return variance
    for power, table in enumerate(_variance_of_ticks(int(ticks.max()))):
        cells = sum(torch.where(g > 0, g**power, torch.zeros_like(g)) for g in (g_plus, g_minus))
        variance += (ticks**2 * table.to(g_plus)[ticks.long()]) @ (share**2 * cells)
    return _V_READ * variance.clamp(min=0.0).sqrt() * torch.randn_like(variance)


def _variance_of_ticks(n_max: int) -> Tensor:
    """Variance of a cell's mean over 0 to `n_max` ticks per power of its conductance [microsiemens], [3, n_max + 1]."""
    law = VALUES["noise"]["read"]
    duration = law["t_lsb_second"] * torch.arange(1, n_max + 1, dtype=torch.float64)
    y = torch.outer(torch.tensor(law["rate_per_second"], dtype=torch.float64), duration)
    mean = torch.where(y < 1e-4, 1 - y / 3, 2 * (y + torch.expm1(-y)) / y**2)
    white = torch.outer(torch.tensor(law["white"], dtype=torch.float64), 0.5 / duration)
    variance = torch.tensor(law["weight"], dtype=torch.float64) @ mean + white
    return torch.nn.functional.pad(variance, (1, 0))


def _ladder(total: Tensor, r_ohm: float, r_end_ohm: float) -> tuple[Tensor, Tensor]:
    """Of lines with cells `total` [n_row, n_col] in microsiemens, driven from the clamp: voltages of the cells over it.

    And the charge at the tile's ends over that at aihwkit's, [n_col]. Even columns are read behind the last row, odd
    ones before the first.
    """
    turned, r_megohm = total.clone(), 1e-6 * r_ohm
    turned[:, 1::2] = total[:, 1::2].flip(0)
    volt, current, volts = torch.ones_like(total[0]), torch.zeros_like(total[0]), []
    for g in turned:
        volt = volt + r_megohm * current
        current = current + g * volt
        volts.append(volt)
    end = volt + (r_megohm + 1e-6 * r_end_ohm) * current
    share = torch.stack(volts) / end
    share[:, 1::2] = share[:, 1::2].flip(0)
    return share, (volt + 0.5 * r_megohm * current) / end


class GuardedTile(TorchSimulatorTileIRDropT):
    """aihwkit's tile without its failures at odd column counts and inputs of three dimensions, with our read noise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._analog_mvm = TileMVM

    def forward(
        self,
        x_input: Tensor,
        bias: bool = False,
        in_trans: bool = False,
        out_trans: bool = False,
        is_test: bool = False,
        non_blocking: bool = False,
    ) -> Tensor:
        if in_trans or out_trans:
            raise ValueError("this tile multiplies by its weights as they are, not transposed")
        weight = self.weight if is_test else self.modify_weight(self.weight, self._modifier, x_input.shape[0])
        n_col = weight.shape[0]
        even = torch.nn.functional.pad(weight, (0, 0, 0, n_col % 2))
        output = self._analog_mvm.matmul(
            even,
            x_input.reshape(-1, x_input.shape[-1]),
            self._f_io,
            False,
            is_test,
            phys_input_size=self._phys_input_size,
            g_converter=self._g_converter,
            out_noise_values=self.out_noise_values,
        )
        return output[:, :n_col].reshape(*x_input.shape[:-1], n_col)


def make_rpu_config(n_row: int | None = None) -> TorchInferenceRPUConfigIRDropT:
    """The configuration; `n_row`: rows of the tile if not the calibrated ones (`max_input_size`)."""
    rows = VALUES["mapping"]["max_input_size"] if n_row is None else n_row
    config = TorchInferenceRPUConfigIRDropT()
    config.simulator_tile_class = GuardedTile
    config.mapping.max_input_size = rows
    config.mapping.max_output_size = VALUES["mapping"]["max_output_size"]
    config.noise_model = TileNoise()
    config.drift_compensation = None
    io, given = config.forward, VALUES["forward"]
    for name in ("inp_res", "inp_bound", "out_res", "out_bound", "ir_drop", "ir_drop_rs", "ir_drop_v_read"):
        setattr(io, name, given[name])
    io.inp_noise, io.out_noise = 0.0, 0.0
    io.noise_management, io.bound_management = NoiseManagementType.NONE, BoundManagementType.NONE
    io.mv_type = AnalogMVType[given["mv_type"]]
    io.split_mode_bit_shift = given["split_mode_bit_shift"]
    io.ir_drop_segments, io.ir_drop_integration_sum = rows, True
    io.adc_quantization = given["adc_quantization"]
    if given["adc_quantization"]:
        io.adc_frequency = given["adc_frequency"]
    return config


def code_per_output() -> float:
    """What the output of a tile with weights in [-1, 1] is to be multiplied by to give the converter's code."""
    return float(VALUES["units"]["code_per_output"])


def charge_per_output_coulomb() -> float:
    """What that output is to be multiplied by to give the charge of a column [coulomb]."""
    return float(VALUES["units"]["charge_per_output_coulomb"])

"""`make_rpu_config()` of a calibrated tile for IBM's aihwkit 1.1.0, from the values in aihwkit.json beside this file.

Written by `tilemodel export --to aihwkit`. Run networks with `torch.set_default_dtype(torch.float64)` where small
errors count: in float32 aihwkit lengthens pulses of some widths (not those of 8 bits).
"""

import json
from pathlib import Path
from typing import Any

import torch
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from aihwkit.inference.noise.base import BaseNoiseModel
from aihwkit.simulator.configs import TorchInferenceRPUConfigIRDropT
from aihwkit.simulator.parameters.enums import AnalogMVType, BoundManagementType, NoiseManagementType
from aihwkit.simulator.tiles.torch_tile_irdrop_t import TorchSimulatorTileIRDropT
from torch import Tensor

VALUES: dict[str, Any] = json.loads((Path(__file__).parent / "aihwkit.json").read_text())


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


class GuardedTile(TorchSimulatorTileIRDropT):
    """aihwkit's tile without three of its failures: odd column counts, inputs of three dimensions, all-zero batches.

    A batch of zeros has no duration to take its read noise from: it is read without.
    """

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
        io = self._f_io
        noisy = io.apply_xdep_pcm_read_noise
        io.apply_xdep_pcm_read_noise = noisy and bool(x_input.any())
        try:
            output = self._analog_mvm.matmul(
                even,
                x_input.reshape(-1, x_input.shape[-1]),
                io,
                False,
                is_test,
                phys_input_size=self._phys_input_size,
                g_converter=self._g_converter,
                out_noise_values=self.out_noise_values,
            )
        finally:
            io.apply_xdep_pcm_read_noise = noisy
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
    io.apply_xdep_pcm_read_noise = given["apply_xdep_pcm_read_noise"]
    return config


def code_per_output() -> float:
    """What the output of a tile with weights in [-1, 1] is to be multiplied by to give the converter's code."""
    return float(VALUES["units"]["code_per_output"])


def charge_per_output_coulomb() -> float:
    """What that output is to be multiplied by to give the charge of a column [coulomb]."""
    return float(VALUES["units"]["charge_per_output_coulomb"])

"""`make_rpu_config()` of a calibrated tile for aihwkit-lightning 2.1.0, from aihwkit_lightning.json beside this file.

Written by `tilemodel export --to aihwkit-lightning`. Noise acts in training only; inference is the ideal product
between the converters.
"""

import json
from pathlib import Path
from typing import Any

from aihwkit_lightning.simulator.configs import TorchInferenceRPUConfig
from aihwkit_lightning.simulator.parameters import WeightNoiseInjectionType

VALUES: dict[str, Any] = json.loads((Path(__file__).parent / "aihwkit_lightning.json").read_text())


def make_rpu_config() -> TorchInferenceRPUConfig:
    """The configuration; set the layers' input ranges by its calibration before use."""
    config = TorchInferenceRPUConfig()
    for name, value in VALUES["forward"].items():
        setattr(config.forward, name, value)
    config.modifier.std_dev = VALUES["modifier"]["std_dev"]
    if config.modifier.std_dev > 0:
        config.modifier.noise_type = WeightNoiseInjectionType.ADD_NORMAL
    config.mapping.max_input_size = VALUES["mapping"]["max_input_size"]
    config.pre_post.input_range.enable = True
    return config

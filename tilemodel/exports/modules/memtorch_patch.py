"""`patch(model)` turns a torch model into MemTorch 1.1.6's memristive one, with the values in memtorch.json.

Written by `tilemodel export --to memtorch`. MemTorch is not maintained.
"""

import json
from pathlib import Path
from typing import Any

import memtorch
import torch
from memtorch.map.Parameter import naive_map
from memtorch.mn.Module import patch_model

VALUES: dict[str, Any] = json.loads((Path(__file__).parent / "memtorch.json").read_text())


def patch(model: torch.nn.Module) -> torch.nn.Module:
    """A memristive model: linear and convolutional layers are replaced."""
    arguments = dict(VALUES["patch_model"])
    arguments["tile_shape"] = tuple(arguments["tile_shape"])
    layers = (torch.nn.Linear, torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
    patched: torch.nn.Module = patch_model(
        model,
        memristor_model=memtorch.bh.memristor.VTEAM,
        memristor_model_params=VALUES["memristor_model_params"],
        module_parameters_to_patch=layers,
        mapping_routine=naive_map,
        programming_routine=None,
        scheme=memtorch.bh.Scheme.DoubleColumn,
        **arguments,
    )
    return patched

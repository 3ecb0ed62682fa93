"""A matrix on a calibrated tile in Sandia's CrossSim: CROSSSIM_PATH=… python export_crosssim.py DIR, after
`tilemodel export MODEL.json --to crosssim -o DIR`."""

import json
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, os.environ["CROSSSIM_PATH"])
sys.path.insert(0, sys.argv[1])
from simulator.backend import ComputeBackend

ComputeBackend(use_gpu=False)  # before anything else of it
from crosssim_tile import make_parameters  # noqa: E402
from simulator import AnalogCore  # noqa: E402

folder = Path(sys.argv[1])
unit = json.loads((folder / "units.json").read_text())["charge_per_output_coulomb"]
rng = np.random.default_rng(0)
weights = np.clip(rng.normal(0, 1 / 3, (16, 64)), -1, 1)
core = AnalogCore(weights, params=make_parameters())

inputs = rng.uniform(-1, 1, (20, 64))
found = np.array([core.matvec(x) for x in inputs])
exact = inputs @ weights.T
error = np.std(found - exact) / np.std(exact)
print(f"largest charge {1e15 * unit * np.abs(found).max():.0f} fC; error {100 * error:.2f} % of the outputs' std")

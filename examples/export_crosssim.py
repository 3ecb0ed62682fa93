"""A network on a calibrated tile in Sandia's CrossSim: CROSSSIM_PATH=… python export_crosssim.py DIR, after
`tilemodel export MODEL.json --to crosssim -o DIR`. Needs torch."""

import os
import sys

import torch

sys.path.insert(0, os.environ["CROSSSIM_PATH"])
sys.path.insert(0, sys.argv[1])
from simulator.backend import ComputeBackend

ComputeBackend(use_gpu=False)  # before anything else of it
from crosssim_tile import make_parameters  # noqa: E402
from simulator.algorithms.dnn.torch.convert import from_torch  # noqa: E402

torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.Tanh(), torch.nn.Linear(30, 10)).eval()
with torch.no_grad():
    for layer in (network[0], network[2]):  # the tile's weights are in [-1, 1]
        layer.weight /= layer.weight.abs().max()
    inputs = torch.rand(100, 40) * 2 - 1
    digital = network(inputs)
    found = from_torch(network, make_parameters())(inputs)
error = (found - digital).std() / digital.std()
print(f"{sum(p.numel() for p in network.parameters())} weights; error of the outputs {100 * error:.2f} % of their std")

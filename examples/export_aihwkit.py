"""A network on a calibrated tile in IBM's aihwkit: python export_aihwkit.py DIR, after
`tilemodel export MODEL.json --to aihwkit -o DIR`."""

import sys

import torch
from aihwkit.nn.conversion import convert_to_analog

sys.path.insert(0, sys.argv[1])
from aihwkit_tile import make_rpu_config

torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.Tanh(), torch.nn.Linear(30, 10)).eval()
inputs = torch.rand(100, 40) * 2 - 1
digital = network(inputs)

analog = convert_to_analog(network, make_rpu_config()).eval()
with torch.no_grad():
    found = analog(inputs)
error = (found - digital).std() / digital.std()
print(f"{sum(p.numel() for p in analog.parameters())} weights; error of the outputs {100 * error:.2f} % of their std")

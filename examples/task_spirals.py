"""A task for `tilemodel evaluate`: three spirals told apart by a small network, trained here in two seconds."""

import numpy as np
import torch
from torch import nn

from tilemodel.torch import Task


def task() -> Task:
    """What the command calls."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 3))
    points, arms = spirals(3000, np.random.default_rng(0))
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(points), arms).backward()
        optimizer.step()
    test = spirals(1000, np.random.default_rng(1))
    return Task(name="spirals", network=network.eval(), batches=[test], calibration=[points[:500]])


def spirals(n_point: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [n, 2] and the arm [n] that each lies on."""
    arm, radius = rng.integers(0, 3, n_point), np.sqrt(rng.uniform(0, 1, n_point))
    angle = 2 * np.pi * (arm / 3 + radius) + rng.normal(0, 0.15, n_point)
    points = radius[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return torch.tensor(points, dtype=torch.float32), torch.from_numpy(arm)

"""Brute force to test against: a bit line as a dense nodal system, without any of the ladder's recursions."""

import numpy as np


def conductance_matrix(g, r):
    """Nodal matrix of a line of segments `r`, clamp at 0 V behind the last node; `g` [n_row] hangs on the nodes."""
    n = len(g)
    matrix = np.diag(np.asarray(g, dtype=float))
    for i in range(n):
        matrix[i, i] += 1 / r
        if i + 1 < n:
            matrix[i, i + 1] -= 1 / r
            matrix[i + 1, i] -= 1 / r
            matrix[i + 1, i + 1] += 1 / r
    return matrix


def clamp_current(g, v, r):
    """Current into the clamp (at 0 V) for sources `v` [n_row] behind conductances `g` [n_row]."""
    u = np.linalg.solve(conductance_matrix(g, r), np.asarray(g) * np.asarray(v))
    return u[-1] / r


def switched_line_charge(ticks, g, r, c, v, t_lsb, t_tail, substeps=4000):
    """Charge of a gated line with node capacitors `c`, by implicit integration in fine steps.

    Until tick x_i cell i joins node i to the source `v`; the charge is what flows into the clamp at 0 V.
    """
    ticks, g = np.asarray(ticks), np.asarray(g, dtype=float)
    u, charge, start = np.zeros(len(g)), 0.0, 0
    ends = [*sorted({int(x) for x in ticks if x > 0}), None]
    for end in ends:
        on = g * (ticks >= end) if end is not None else np.zeros_like(g)
        duration = (end - start) * t_lsb if end is not None else t_tail
        # steps that grow geometrically resolve the fast start and reach the settled end
        edges = duration * (np.geomspace(1.0, 1e6, substeps + 1) - 1) / (1e6 - 1)
        matrix = conductance_matrix(on, r)
        for h in np.diff(edges):
            before = u
            # trapezoidal rule: conserves charge exactly for piecewise constant networks
            left = np.eye(len(g)) * c / h + matrix / 2
            u = np.linalg.solve(left, (np.eye(len(g)) * c / h - matrix / 2) @ before + on * v)
            charge += h * (before[-1] + u[-1]) / 2 / r
        start = end if end is not None else start
    return charge


def curved_cells_current(g_memory, r_access, slope, v, r):
    """Clamp current of cells with resistance 1/G + r_access + slope * i, by Newton's method on all unknowns."""
    g_memory = np.asarray(g_memory, dtype=float)
    wires = conductance_matrix(np.zeros(len(g_memory)), r)
    u = np.zeros(len(g_memory))
    resistance = 1 / g_memory + r_access
    for _ in range(50):
        drop = v - u
        current = (-resistance + np.sqrt(resistance**2 + 4 * slope * drop)) / (2 * slope)
        derivative = -1 / np.sqrt(resistance**2 + 4 * slope * drop)
        step = np.linalg.solve(wires - np.diag(derivative), wires @ u - current)
        u = u - step
    return u[-1] / r

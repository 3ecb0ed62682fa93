"""Sweeps of the relaxation: every bit line with the rails held, every rail with the bit lines held, cells as tangents.

Kernels on the arrays of one vector: line voltages `u` [n_row, n_line], rail voltages `w`, cell currents and their
slopes `tangent` [n_rail, n_row, n_line], drivers' voltages `volt` and whether cells are `active` [n_rail, n_row];
`network` is a `tilemodel.solvers.relaxation.Network`.
"""

from typing import Any

import numpy as np

from tilemodel.solvers.compile import compiled

__all__ = ["MAX_SWEEPS", "clamp_currents", "look_at_lines", "relax"]

MAX_SWEEPS = 400
# A sweep that changes no voltage by more than this fraction of the largest drive ends the relaxation
_TOLERANCE = 1e-12


@compiled()
def relax(network: Any, volt: Any, active: Any, u: Any, w: Any, cell_current: Any, tangent: Any) -> Any:
    """Sweep until nothing moves; returns sweeps, the last change [volt] and how it shrank from sweep to sweep."""
    ideal_rails = network.r_row == 0.0 and network.r_driver == 0.0
    one_sweep = ideal_rails and _is_linear(network)
    scale = max(np.abs(volt).max(), np.abs(network.clamp_volt).max())
    _hold_rails(volt, active, w, ideal_rails)
    work = np.empty((2, max(u.shape)))
    change, before = 0.0, 0.0
    for sweep in range(1, MAX_SWEEPS + 1):
        before = change
        _linearize(network, active, u, w, cell_current, tangent)
        change = _sweep_lines(network, u, cell_current, tangent, work)
        if not ideal_rails:
            _linearize(network, active, u, w, cell_current, tangent)
            change = max(change, _sweep_rails(network, volt, active, w, cell_current, tangent, work))
        if change <= _TOLERANCE * scale or one_sweep:
            _linearize(network, active, u, w, cell_current, tangent)
            ratio = change / before if sweep > 1 and before > 0.0 else 0.0
            return sweep, (0.0 if one_sweep else change), min(ratio, 0.99)
    return MAX_SWEEPS, change, 0.99


@compiled()
def _is_linear(network: Any) -> bool:
    for slope in network.r_access_slope:
        if slope != 0.0:
            return False
    return bool(network.v_sinh == 0.0 and network.polarity_asymmetry == 0.0)


@compiled()
def _hold_rails(volt: Any, active: Any, w: Any, ideal_rails: bool) -> None:
    """Rails without resistance, and those whose cells are off, have their driver's voltage."""
    for k in range(w.shape[0]):
        for i in range(w.shape[1]):
            if ideal_rails or not active[k, i]:
                w[k, i] = volt[k, i]


@compiled()
def _sweep_lines(network: Any, u: Any, cell_current: Any, tangent: Any, work: Any) -> float:
    change = 0.0
    for line in range(u.shape[1]):
        change = max(change, _solve_line(network, line, u, cell_current, tangent, work))
    return change


@compiled()
def _sweep_rails(network: Any, volt: Any, active: Any, w: Any, cell_current: Any, tangent: Any, work: Any) -> float:
    change = 0.0
    for k in range(w.shape[0]):
        for i in range(w.shape[1]):
            if active[k, i]:
                moved = _solve_rail(network, k, i, volt[k, i], w, cell_current, tangent, work)
                change = max(change, moved)
    return change


@compiled()
def _linearize(network: Any, active: Any, u: Any, w: Any, cell_current: Any, tangent: Any) -> None:
    """Current and slope of every cell at its present voltage."""
    for k in range(network.g.shape[0]):
        slope = network.r_access_slope[k]
        for i in range(network.g.shape[1]):
            for line in range(network.g.shape[2]):
                g = network.g[k, i, line]
                if not active[k, i] or g == 0.0:
                    cell_current[k, i, line] = 0.0
                    tangent[k, i, line] = 0.0
                    continue
                current, conductance = _cell(
                    w[k, i, line] - u[i, line],
                    g,
                    network.r_access[k, i, line],
                    slope,
                    network.v_sinh,
                    network.polarity_asymmetry,
                    cell_current[k, i, line],
                )
                cell_current[k, i, line] = current
                tangent[k, i, line] = conductance


@compiled()
def _cell(v: float, g: float, r: float, slope: float, v_sinh: float, asymmetry: float, guess: float) -> Any:
    """Current and differential conductance of memory element and access device in series at the voltage `v`."""
    if v < 0.0:
        g *= 1.0 - asymmetry
    if v_sinh == 0.0 and slope == 0.0:
        conductance = g / (1.0 + g * r)
        return conductance * v, conductance
    if r == 0.0 and slope == 0.0:
        return g * v_sinh * np.sinh(v / v_sinh), g * np.cosh(v / v_sinh)
    # the voltage is explicit in the current, and monotone: v = i (r + slope |i|) + device(i)
    current = guess if guess * v > 0.0 else g * v / (1.0 + g * r)
    derivative = 1.0
    for _ in range(60):
        if v_sinh == 0.0:
            v_device, derivative = current / g, 1.0 / g
        else:
            v_device = v_sinh * np.arcsinh(current / (g * v_sinh))
            derivative = 1.0 / np.sqrt(g * g + (current / v_sinh) ** 2)
        derivative += r + 2.0 * slope * abs(current)
        step = (v - current * (r + slope * abs(current)) - v_device) / derivative
        current += step
        if abs(step) <= 1e-15 * abs(current) + 1e-30:
            break
    return current, 1.0 / derivative


@compiled()
def _solve_line(network: Any, line: int, u: Any, cell_current: Any, tangent: Any, work: Any) -> float:
    """Voltages of one bit line with the rails held; returns the largest change [volt].

    From the far end to the clamp, node i sees the conductance `y` and the short-circuit current `j` of all up to it:
    sums of positive numbers, so that wires far better than the cells cost no digits.
    """
    n_rail, n_row, _ = tangent.shape
    north = network.north[line]
    seen, fed = work[0], work[1]
    y, j = 0.0, 0.0
    for step in range(n_row):
        i = n_row - 1 - step if north else step
        if step > 0:
            passed = 1.0 / (1.0 + network.r_bit * y)
            y *= passed
            j *= passed
        for k in range(n_rail):
            y += tangent[k, i, line]
            j += cell_current[k, i, line] + tangent[k, i, line] * u[i, line]
        seen[step], fed[step] = y, j
    value, change, r = network.clamp_volt[line], 0.0, network.r_bit + network.r_end
    for step in range(n_row - 1, -1, -1):
        i = n_row - 1 - step if north else step
        value = (value + r * fed[step]) / (1.0 + r * seen[step])
        change = max(change, abs(value - u[i, line]))
        u[i, line] = value
        r = network.r_bit
    return change


@compiled()
def _solve_rail(network: Any, k: int, i: int, volt: float, w: Any, cell_current: Any, tangent: Any, work: Any) -> float:
    """Voltages of one rail with the bit lines held; returns the largest change [volt]. As `_solve_line`, from the west.

    Between a driver and the first cell lie `r_driver` and a segment: together more than 0.
    """
    n_line = w.shape[2]
    g_feed = 1.0 / (network.r_row + network.r_driver)
    seen, fed = work[0], work[1]
    y = g_feed if network.west else 0.0
    j = y * volt
    for line in range(n_line):
        if line > 0:
            passed = 1.0 / (1.0 + network.r_row * y)
            y *= passed
            j *= passed
        y += tangent[k, i, line]
        j += tangent[k, i, line] * w[k, i, line] - cell_current[k, i, line]
        seen[line], fed[line] = y, j
    change = 0.0
    g_last = g_feed if network.east else 0.0
    value = (j + g_last * volt) / (y + g_last)
    for line in range(n_line - 1, -1, -1):
        if line < n_line - 1:
            value = (value + network.r_row * fed[line]) / (1.0 + network.r_row * seen[line])
        change = max(change, abs(value - w[k, i, line]))
        w[k, i, line] = value
    return change


@compiled()
def look_at_lines(network: Any, tangent: Any, transfer: Any, y_in: Any) -> None:
    """Transfer of a small current at each node to its clamp, and the lines' conductance there (rails held)."""
    n_rail, n_row, n_line = network.g.shape
    for line in range(n_line):
        north = network.north[line]
        y = 0.0
        for step in range(n_row):
            i = n_row - 1 - step if north else step
            for k in range(n_rail):
                y += tangent[k, i, line]
            r = network.r_bit + (network.r_end if step == n_row - 1 else 0.0)
            transfer[i, line] = 1.0 / (1.0 + r * y)
            y *= transfer[i, line]
        y_in[line] = y
        product = 1.0
        for step in range(n_row - 1, -1, -1):
            i = n_row - 1 - step if north else step
            product *= transfer[i, line]
            transfer[i, line] = product


@compiled()
def clamp_currents(cell_current: Any, line_current: Any) -> None:
    """Current of each line into its clamp [ampere]: that of its cells."""
    line_current[:] = 0.0
    for k in range(cell_current.shape[0]):
        for i in range(cell_current.shape[1]):
            for line in range(cell_current.shape[2]):
                line_current[line] += cell_current[k, i, line]

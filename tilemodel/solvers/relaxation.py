"""Any tile, event by event: gated cells, non-linear devices and resisting row conductors, all at once.

Between two events (pulse ends) nothing changes, and the network is solved by relaxation over its wires: every
bit line is solved exactly with the rails' voltages held, then every rail with the bit lines' voltages held, each
a tridiagonal system, with the cells replaced by their tangents (Newton). The change from sweep to sweep shrinks by
the product of what bit lines and rails lose of their voltage, so that it always converges, and its last change
bounds what is left. Ideal rails leave plain Newton; linear cells then need one sweep.

Beside conduction, to first order: the wire capacitors' charge at every event, what a pulse's end injects, and what
a non-linear device conducts more or less during an edge than half its current. Derivation: docs/network.md.

Arrays: rails k of row i, bit lines l. Voltages are relative to the nominal clamp voltage.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from tilemodel.solvers.compile import KERNEL_LOCK, compiled

__all__ = ["Network", "Pulses", "Solution", "solve_network"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A sweep that changes no voltage by more than this fraction of the largest drive ends the relaxation
_TOLERANCE = 1e-12
_MAX_SWEEPS = 400


class Network(NamedTuple):
    """Cells and wires."""

    g: FloatArray
    """Memory elements [siemens], [n_rail, n_row, n_line]."""
    r_access: FloatArray
    """Access device in series with each [ohm], same shape."""
    r_access_slope: FloatArray
    """Growth of a rail's access resistances with the cell's current [ohm/ampere], [n_rail]."""
    pulse_charge: FloatArray
    """Charge towards the bit line at the end of a cell's pulse [coulomb], shape of `g`."""
    c_pulse: FloatArray
    """Growth of it with the cell's voltage [farad], [n_rail]."""
    v_sinh: float
    """Of the devices' sinh law [volt]; 0: linear."""
    polarity_asymmetry: float
    gate_sign: IntArray
    """[n_rail]: sign of the pulses that connect a rail's cells, 0 if they are always connected."""
    rest_volt: FloatArray
    """[n_rail]"""
    swing_volt: FloatArray
    """[n_rail]"""
    clamp_volt: FloatArray
    """Deviation of each line's clamp from the nominal voltage [volt], [n_line]."""
    north: NDArray[np.bool_]
    """[n_line]"""
    r_bit: float
    r_end: float
    """Behind the last segment of a bit line [ohm]."""
    r_row: float
    r_driver: float
    west: bool
    east: bool
    c_bit: float
    c_row: float


class Pulses(NamedTuple):
    """One pass and its timing."""

    n_tick: IntArray
    """[n_vec, n_row]"""
    height: FloatArray
    """[n_vec, n_row]"""
    n_tick_max: int
    t_lsb: float
    t_edge: float
    t_start: float
    t_window: float


class Solution(NamedTuple):
    """What a pass gives."""

    charge: FloatArray
    """From the bit lines into the clamps over the window [coulomb], [n_vec, n_line]."""
    error_bound: FloatArray
    """Of what is approximated or left by the relaxation [coulomb], [n_vec, n_line]."""
    current: FloatArray
    """Clamp current at rest and during each tick [ampere], [n_vec, 1 + n_tick_max, n_line]; empty unless wanted."""
    conductance: FloatArray
    """Differential conductance of the lines as seen from their clamps [siemens], as `current`."""


def solve_network(network: Network, pulses: Pulses, *, waveforms: bool = False) -> Solution:
    """Solve all vectors of a pass; `waveforms` also keeps the currents tick by tick.

    Raises `FloatingPointError` if the relaxation does not converge (no tile with resistances > 0 was seen to).
    """
    with KERNEL_LOCK:
        charge, bound, current, conductance, sweeps = _solve_batch(network, pulses, waveforms)
    if sweeps.max(initial=0) >= _MAX_SWEEPS:
        raise FloatingPointError(f"relaxation: no convergence within {_MAX_SWEEPS} sweeps")
    return Solution(charge, bound, current, conductance)


@compiled(parallel=True)
def _solve_batch(network: Any, pulses: Any, waveforms: bool) -> Any:
    n_vec = pulses.n_tick.shape[0]
    n_line = network.g.shape[2]
    n_kept = pulses.n_tick_max + 1 if waveforms else 0
    charge = np.zeros((n_vec, n_line))
    bound = np.zeros((n_vec, n_line))
    current = np.zeros((n_vec, n_kept, n_line))
    conductance = np.zeros((n_vec, n_kept, n_line))
    sweeps = np.zeros(n_vec, dtype=np.int64)
    for vector in prange(n_vec):
        sweeps[vector] = _solve_vector(
            network,
            pulses,
            pulses.n_tick[vector],
            pulses.height[vector],
            charge[vector],
            bound[vector],
            current[vector],
            conductance[vector],
        )
    return charge, bound, current, conductance, sweeps


@compiled()
def _solve_vector(
    network: Any, pulses: Any, n_tick: Any, height: Any, charge: Any, bound: Any, kept_current: Any, kept_y: Any
) -> int:
    """Walk through the events of one vector; returns the largest number of sweeps that one needed."""
    n_rail, n_row, n_line = network.g.shape
    u = np.zeros((n_row, n_line))
    w = np.zeros((n_rail, n_row, n_line))
    for line in range(n_line):
        u[:, line] = network.clamp_volt[line]
    cell_current = np.zeros((n_rail, n_row, n_line))
    tangent = np.zeros((n_rail, n_row, n_line))
    volt = np.empty((n_rail, n_row))
    active = np.empty((n_rail, n_row), dtype=np.bool_)
    transfer = np.zeros((n_row, n_line))
    transfer_before = np.zeros((n_row, n_line))
    u_before = np.empty((n_row, n_line))
    w_before = np.empty((n_rail, n_row, n_line))
    line_current = np.zeros(n_line)
    y_in = np.zeros(n_line)
    flown = np.zeros(n_line)
    doubt = np.zeros(n_line)
    most = 0
    # ended: -1 before the pulses, then the ticks at which pulses end, 0 being their common start
    ended = -1
    while True:
        upcoming = _next_end(n_tick, ended)
        _drive(network, n_tick, height, ended, volt, active)
        u_before[:] = u
        w_before[:] = w
        transfer_before[:] = transfer
        if ended > 0:
            _edges(network, pulses, n_tick, ended, cell_current, u, w, transfer, charge, bound)
        sweeps, change, ratio = _relax(network, volt, active, u, w, cell_current, tangent)
        most = max(most, sweeps)
        _look_at_lines(network, tangent, transfer, y_in)
        _clamp_currents(network, u, cell_current, line_current)
        dwell = _dwell(pulses, ended, upcoming)
        _conduct(network, tangent, line_current, dwell, change, ratio, charge, bound)
        if ended >= 0:
            _discharge(network, u_before, u, w_before, w, tangent, transfer, flown, doubt)
            _gate_ends(network, n_tick, height, ended, u_before, w_before, transfer, charge)
        if ended == 0:
            _edges(network, pulses, n_tick, ended, cell_current, u, w, transfer, charge, bound)
        _keep(kept_current, kept_y, line_current, y_in, ended, upcoming)
        if upcoming < 0:
            for line in range(n_line):
                charge[line] += flown[line]
                bound[line] += abs(flown[line]) + abs(doubt[line])
            return most
        ended = upcoming


@compiled()
def _next_end(n_tick: Any, ended: int) -> int:
    """The next event after `ended`: 0 (the common start), the ends of the pulses, then -1."""
    if ended < 0:
        return 0 if n_tick.max() > 0 else -1
    following = -1
    for x in n_tick:
        if x > ended and (following < 0 or x < following):
            following = x
    return following


@compiled()
def _dwell(pulses: Any, ended: int, upcoming: int) -> float:
    """Time from one event to the next [second]."""
    begin = 0.0 if ended < 0 else pulses.t_start + ended * pulses.t_lsb
    end = pulses.t_window if upcoming < 0 else pulses.t_start + upcoming * pulses.t_lsb
    return end - begin


@compiled()
def _drive(network: Any, n_tick: Any, height: Any, ended: int, volt: Any, active: Any) -> None:
    """Voltage of the rails' drivers and whether their cells are connected, after the event `ended`."""
    for k in range(volt.shape[0]):
        sign = network.gate_sign[k]
        for i in range(volt.shape[1]):
            on = ended >= 0 and n_tick[i] > ended
            volt[k, i] = network.rest_volt[k] + (network.swing_volt[k] * height[i] if on else 0.0)
            active[k, i] = sign == 0 or (on and sign * height[i] > 0.0)


@compiled()
def _relax(network: Any, volt: Any, active: Any, u: Any, w: Any, cell_current: Any, tangent: Any) -> Any:
    """Sweep until nothing moves; returns sweeps, the last change [volt] and how it shrank from sweep to sweep."""
    n_rail, n_row, n_line = network.g.shape
    ideal_rails = network.r_row == 0.0 and network.r_driver == 0.0
    linear = network.v_sinh == 0.0 and network.polarity_asymmetry == 0.0 and not network.r_access_slope.any()
    scale = max(np.abs(volt).max(), np.abs(network.clamp_volt).max())
    for k in range(n_rail):
        for i in range(n_row):
            if ideal_rails or not active[k, i]:
                w[k, i] = volt[k, i]
    work = np.empty((2, max(n_row, n_line)))
    change, before, ratio = 0.0, 0.0, 0.0
    for sweep in range(1, _MAX_SWEEPS + 1):
        _linearize(network, active, u, w, cell_current, tangent)
        before = change
        change = 0.0
        for line in range(n_line):
            change = max(change, _solve_line(network, line, u, w, cell_current, tangent, work))
        if not ideal_rails:
            _linearize(network, active, u, w, cell_current, tangent)
            for k in range(n_rail):
                for i in range(n_row):
                    if active[k, i]:
                        change = max(change, _solve_rail(network, k, i, volt[k, i], u, w, cell_current, tangent, work))
        ratio = change / before if sweep > 1 and before > 0.0 else 0.0
        if change <= _TOLERANCE * scale or (ideal_rails and linear):
            _linearize(network, active, u, w, cell_current, tangent)
            return sweep, (0.0 if ideal_rails and linear else change), min(ratio, 0.99)
    return _MAX_SWEEPS, change, 0.99


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
def _solve_line(network: Any, line: int, u: Any, w: Any, cell_current: Any, tangent: Any, work: Any) -> float:
    """Voltages of one bit line with the rails held; returns the largest change [volt]."""
    n_rail, n_row, _ = network.g.shape
    clamp = network.clamp_volt[line]
    r_last = network.r_bit + network.r_end
    change = 0.0
    if network.r_bit == 0.0:
        value = clamp
        if r_last > 0.0:
            total, source = 1.0 / r_last, clamp / r_last
            for k in range(n_rail):
                for i in range(n_row):
                    total += tangent[k, i, line]
                    source += cell_current[k, i, line] + tangent[k, i, line] * u[i, line]
            value = source / total
        for i in range(n_row):
            change = max(change, abs(value - u[i, line]))
            u[i, line] = value
        return change
    g_wire = 1.0 / network.r_bit
    at_clamp = 0 if network.north[line] else n_row - 1
    upper, rhs = work[0], work[1]
    for i in range(n_row):
        diagonal = (g_wire if i > 0 else 0.0) + (g_wire if i < n_row - 1 else 0.0)
        source = 0.0
        for k in range(n_rail):
            diagonal += tangent[k, i, line]
            source += cell_current[k, i, line] + tangent[k, i, line] * u[i, line]
        if i == at_clamp:
            diagonal += 1.0 / r_last
            source += clamp / r_last
        if i > 0:
            diagonal -= g_wire * upper[i - 1]
            source += g_wire * rhs[i - 1]
        upper[i] = g_wire / diagonal
        rhs[i] = source / diagonal
    value = 0.0
    for i in range(n_row - 1, -1, -1):
        value = rhs[i] + (upper[i] * value if i < n_row - 1 else 0.0)
        change = max(change, abs(value - u[i, line]))
        u[i, line] = value
    return change


@compiled()
def _solve_rail(
    network: Any, k: int, i: int, volt: float, u: Any, w: Any, cell_current: Any, tangent: Any, work: Any
) -> float:
    """Voltages of one rail with the bit lines held; returns the largest change [volt]."""
    n_line = network.g.shape[2]
    r_feed = network.r_row + network.r_driver
    change = 0.0
    if network.r_row == 0.0:
        g_feed = ((1.0 if network.west else 0.0) + (1.0 if network.east else 0.0)) / r_feed
        total, source = g_feed, g_feed * volt
        for line in range(n_line):
            total += tangent[k, i, line]
            source += tangent[k, i, line] * w[k, i, line] - cell_current[k, i, line]
        value = source / total
        for line in range(n_line):
            change = max(change, abs(value - w[k, i, line]))
            w[k, i, line] = value
        return change
    g_wire = 1.0 / network.r_row
    upper, rhs = work[0], work[1]
    for line in range(n_line):
        diagonal = (g_wire if line > 0 else 0.0) + (g_wire if line < n_line - 1 else 0.0) + tangent[k, i, line]
        source = tangent[k, i, line] * w[k, i, line] - cell_current[k, i, line]
        if (line == 0 and network.west) or (line == n_line - 1 and network.east):
            fed = 2.0 if n_line == 1 and network.west and network.east else 1.0
            diagonal += fed / r_feed
            source += fed * volt / r_feed
        if line > 0:
            diagonal -= g_wire * upper[line - 1]
            source += g_wire * rhs[line - 1]
        upper[line] = g_wire / diagonal
        rhs[line] = source / diagonal
    value = 0.0
    for line in range(n_line - 1, -1, -1):
        value = rhs[line] + (upper[line] * value if line < n_line - 1 else 0.0)
        change = max(change, abs(value - w[k, i, line]))
        w[k, i, line] = value
    return change


@compiled()
def _look_at_lines(network: Any, tangent: Any, transfer: Any, y_in: Any) -> None:
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
def _clamp_currents(network: Any, u: Any, cell_current: Any, line_current: Any) -> None:
    """Current of each line into its clamp [ampere]."""
    n_rail, n_row, n_line = network.g.shape
    r_last = network.r_bit + network.r_end
    for line in range(n_line):
        if r_last > 0.0:
            i = 0 if network.north[line] else n_row - 1
            line_current[line] = (u[i, line] - network.clamp_volt[line]) / r_last
        else:
            line_current[line] = 0.0
            for k in range(n_rail):
                for i in range(n_row):
                    line_current[line] += cell_current[k, i, line]


@compiled()
def _conduct(
    network: Any, tangent: Any, line_current: Any, dwell: float, change: float, ratio: float, charge: Any, bound: Any
) -> None:
    """Charge of an interval, and what the unfinished relaxation may leave of it."""
    left = change * ratio / (1.0 - ratio) + 4e-16
    for line in range(line_current.size):
        charge[line] += dwell * line_current[line]
        total = 0.0
        for k in range(tangent.shape[0]):
            for i in range(tangent.shape[1]):
                total += tangent[k, i, line]
        bound[line] += dwell * total * left


@compiled()
def _discharge(
    network: Any, u_before: Any, u: Any, w_before: Any, w: Any, tangent: Any, transfer: Any, flown: Any, doubt: Any
) -> None:
    """Charge of the bit line's capacitors that an event lets flow into the clamps; of the rails' only a bound.

    Both sums vanish from rest to rest if the network stays the same, however slow the edges are; what remains is
    exact for edges in no time and vanishes for slow ones, and so doubted as a whole.
    """
    n_rail, n_row, n_line = w.shape
    for line in range(n_line):
        for i in range(n_row):
            flown[line] += network.c_bit * (u_before[i, line] - u[i, line]) * transfer[i, line]
        if network.c_row == 0.0:
            continue
        from_west, from_east = line + 1, n_line - line
        for k in range(n_rail):
            for i in range(n_row):
                moved = network.c_row * (w_before[k, i, line] - w[k, i, line])
                if network.gate_sign[k] != 0:
                    doubt[line] += abs(moved)
                    continue
                segments = min(from_west if network.west else n_line, from_east if network.east else n_line)
                reach = tangent[k, i, line] * (network.r_driver + segments * network.r_row)
                doubt[line] += moved * reach / (1.0 + reach)


@compiled()
def _gate_ends(
    network: Any, n_tick: Any, height: Any, ended: int, u_before: Any, w_before: Any, transfer: Any, charge: Any
) -> None:
    """What access devices inject when they close."""
    if ended == 0:
        return
    for k in range(network.g.shape[0]):
        sign = network.gate_sign[k]
        if sign == 0:
            continue
        for i in range(network.g.shape[1]):
            if n_tick[i] != ended or sign * height[i] <= 0.0:
                continue
            for line in range(network.g.shape[2]):
                if network.g[k, i, line] > 0.0:
                    v = w_before[k, i, line] - u_before[i, line]
                    injected = network.pulse_charge[k, i, line] + network.c_pulse[k] * v
                    charge[line] += injected * transfer[i, line]


@compiled()
def _edge_excess(v: float, current: float, v_sinh: float) -> float:
    """Mean current of a sinh device while its voltage ramps from 0 to `v`, less half its current at `v` [ampere]."""
    if v_sinh == 0.0 or v == 0.0:
        return 0.0
    a = v / v_sinh
    return current * (np.tanh(0.5 * a) / a - 0.5)


@compiled()
def _edges(
    network: Any,
    pulses: Any,
    n_tick: Any,
    ended: int,
    cell_current: Any,
    u: Any,
    w: Any,
    transfer: Any,
    charge: Any,
    bound: Any,
) -> None:
    """What non-linear driven cells conduct during an edge beyond half of their current at full voltage."""
    if network.v_sinh == 0.0:
        return
    for k in range(network.g.shape[0]):
        if network.gate_sign[k] != 0:
            continue
        for i in range(network.g.shape[1]):
            if (ended > 0 and n_tick[i] != ended) or n_tick[i] == 0:
                continue
            for line in range(network.g.shape[2]):
                v = w[k, i, line] - u[i, line]
                excess = _edge_excess(v, cell_current[k, i, line], network.v_sinh) * transfer[i, line]
                charge[line] += pulses.t_edge * excess
                bound[line] += 0.25 * pulses.t_edge * abs(excess)


@compiled()
def _keep(kept_current: Any, kept_y: Any, line_current: Any, y_in: Any, ended: int, upcoming: int) -> None:
    """Write the present state to every tick that it lasts for; entry 0 is the state at rest."""
    n_kept = kept_current.shape[0]
    if n_kept == 0:
        return
    first = 0 if ended < 0 else ended + 1
    last = n_kept if upcoming < 0 else upcoming + 1
    if ended < 0 <= upcoming:
        last = 1
    for tick in range(first, min(last, n_kept)):
        kept_current[tick] = line_current
        kept_y[tick] = y_in

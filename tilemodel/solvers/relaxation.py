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
from tilemodel.solvers.sweeps import MAX_SWEEPS, clamp_currents, look_at_lines, relax

__all__ = ["Network", "Pulses", "Solution", "solve_network"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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
    released: FloatArray
    """Charge that each event gives beyond the currents [coulomb], [n_vec, 1 + n_tick_max, n_line]: that at the common
    start, then those at the end of each tick; empty unless wanted."""


def solve_network(network: Network, pulses: Pulses, *, waveforms: bool = False) -> Solution:
    """Solve all vectors of a pass; `waveforms` also keeps the currents tick by tick.

    Raises `FloatingPointError` if the relaxation does not converge (no tile with resistances > 0 was seen to).
    """
    with KERNEL_LOCK:
        charge, bound, current, conductance, released, sweeps = _solve_batch(network, pulses, waveforms)
    if sweeps.max(initial=0) >= MAX_SWEEPS:
        raise FloatingPointError(f"relaxation: no convergence within {MAX_SWEEPS} sweeps")
    return Solution(charge, bound, current, conductance, released)


@compiled(parallel=True)
def _solve_batch(network: Any, pulses: Any, waveforms: bool) -> Any:
    n_vec = pulses.n_tick.shape[0]
    n_line = network.g.shape[2]
    n_kept = pulses.n_tick_max + 1 if waveforms else 0
    charge = np.zeros((n_vec, n_line))
    bound = np.zeros((n_vec, n_line))
    current = np.zeros((n_vec, n_kept, n_line))
    conductance = np.zeros((n_vec, n_kept, n_line))
    released = np.zeros((n_vec, n_kept, n_line))
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
            released[vector],
        )
    return charge, bound, current, conductance, released, sweeps


@compiled()
def _solve_vector(
    network: Any,
    pulses: Any,
    n_tick: Any,
    height: Any,
    charge: Any,
    bound: Any,
    kept_current: Any,
    kept_y: Any,
    kept_released: Any,
) -> Any:
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
    transfer_before = np.empty((n_row, n_line))
    u_before = np.empty((n_row, n_line))
    w_before = np.empty((n_rail, n_row, n_line))
    line_current = np.zeros(n_line)
    y_in = np.zeros(n_line)
    flown = np.zeros(n_line)
    discharged = np.zeros(n_line)
    released = np.zeros(n_line)
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
        sweeps, change, ratio = relax(network, volt, active, u, w, cell_current, tangent)
        most = max(most, sweeps)
        look_at_lines(network, tangent, transfer, y_in)
        clamp_currents(cell_current, line_current)
        dwell = _dwell(pulses, ended, upcoming)
        _conduct(tangent, line_current, dwell, change, ratio, charge, bound)
        if ended >= 0:
            discharged[:] = 0.0
            released[:] = 0.0
            _discharge(network, u_before, u, w_before, w, tangent, transfer, discharged, doubt)
            _gate_ends(network, n_tick, height, ended, u, w, transfer, released)
            if ended == 0:
                transfer_before[:] = transfer
            _edges(network, pulses, n_tick, ended, w_before, u_before, w, u, transfer_before, released, bound)
            flown += discharged
            released += discharged
            charge += released
            if kept_released.shape[0] > 0:
                kept_released[ended] = released
        _keep(kept_current, kept_y, line_current, y_in, ended, upcoming)
        if upcoming < 0:
            for line in range(n_line):
                bound[line] += abs(flown[line]) + abs(doubt[line])
            return most
        ended = upcoming


@compiled()
def _next_end(n_tick: Any, ended: int) -> Any:
    """The next event after `ended`: 0 (the common start), the ends of the pulses, then -1."""
    if ended < 0:
        return 0 if n_tick.max() > 0 else -1
    following = -1
    for x in n_tick:
        if x > ended and (following < 0 or x < following):
            following = x
    return following


@compiled()
def _dwell(pulses: Any, ended: int, upcoming: int) -> Any:
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
def _conduct(
    tangent: Any, line_current: Any, dwell: float, change: float, ratio: float, charge: Any, bound: Any
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
def _gate_ends(network: Any, n_tick: Any, height: Any, ended: int, u: Any, w: Any, transfer: Any, charge: Any) -> None:
    """What access devices inject when they close, by the cell's voltage then: the inner node is charged up to it."""
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
                    v = w[k, i, line] - u[i, line]
                    injected = network.pulse_charge[k, i, line] + network.c_pulse[k] * v
                    charge[line] += injected * transfer[i, line]


@compiled()
def _law(v: float, v_sinh: float, asymmetry: float) -> Any:
    """Current of an element over its conductance [volt], and its integral from 0 to `v` [volt^2]."""
    factor = 1.0 - asymmetry if v < 0.0 else 1.0
    if v_sinh == 0.0:
        return factor * v, factor * 0.5 * v * v
    return factor * v_sinh * np.sinh(v / v_sinh), factor * 2.0 * (v_sinh * np.sinh(0.5 * v / v_sinh)) ** 2


@compiled()
def _edge_excess(before: float, after: float, v_sinh: float, asymmetry: float) -> Any:
    """Mean current of an element while its voltage ramps between two, less the mean of its ends, over G [volt]."""
    if before == after:
        return 0.0
    i0, integral0 = _law(before, v_sinh, asymmetry)
    i1, integral1 = _law(after, v_sinh, asymmetry)
    return (integral1 - integral0) / (after - before) - 0.5 * (i0 + i1)


@compiled()
def _edges(
    network: Any,
    pulses: Any,
    n_tick: Any,
    ended: int,
    w_before: Any,
    u_before: Any,
    w: Any,
    u: Any,
    transfer: Any,
    charge: Any,
    bound: Any,
) -> None:
    """What non-linear driven cells conduct during an edge beyond the mean of their currents before and after it.

    Cells of the rows that stay as they are move by what the wires lose: that counts where it takes them past the
    kink of an asymmetric law.
    """
    if network.v_sinh == 0.0 and network.polarity_asymmetry == 0.0:
        return
    for k in range(network.g.shape[0]):
        if network.gate_sign[k] != 0:
            continue
        for i in range(network.g.shape[1]):
            moved = n_tick[i] == ended if ended > 0 else n_tick[i] > 0
            for line in range(network.g.shape[2]):
                before = w_before[k, i, line] - u_before[i, line]
                after = w[k, i, line] - u[i, line]
                if not moved and before * after >= 0.0:
                    continue
                mean = _edge_excess(before, after, network.v_sinh, network.polarity_asymmetry)
                excess = network.g[k, i, line] * mean * transfer[i, line]
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

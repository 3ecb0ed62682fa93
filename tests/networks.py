"""Brute force to test the relaxation against: one dense nodal system of every node, Newton on all of them at once.

Wires without resistance merge nodes; each cell with an access device has an inner node, so that every law gives its
current explicitly. Charges: static currents between events, and the linear response to what events set free.
"""

from itertools import pairwise

import numpy as np

from tilemodel.solvers.relaxation import Network, Pulses

V = 0.2
START, T_LSB, N_TICK = 1e-9, 1e-9, 6
LARGEST_G = 1e-4
RAILS = {
    # rest, swing [volt], sign of the gating pulses
    "passive": ([0.0], [V], [0]),
    "pair": ([0.0, 0.0], [V, -V], [0, 0]),
    "quad": ([0.0] * 4, [V, -V, V / 4, -V / 4], [0] * 4),
    "1t1r": ([-V], [0.0], [1]),
    "2t1r": ([V, -V], [0.0, 0.0], [1, -1]),
}
IDEAL_ROWS = {"r_row": 0.0, "r_driver": 0.0}


def random_network(rng, kind, *, n_row=3, n_line=3, **changed):
    """A network of `kind` with linear cells of 1 to 100 uS (some missing), resisting wires and offsets of clamps."""
    rest, swing, gate = (np.array(values) for values in RAILS[kind])
    shape = (len(rest), n_row, n_line)
    g = rng.uniform(0.01, 1.0, shape) * LARGEST_G * (rng.random(shape) > 0.15)
    gated = bool(gate.any())
    values = {
        "g": np.repeat(g[:1], 2, axis=0) if kind == "2t1r" else g,
        "r_access": rng.uniform(500, 3000, shape) if gated else np.zeros(shape),
        "r_access_slope": np.zeros(len(rest)),
        "pulse_charge": np.zeros(shape),
        "c_pulse": np.zeros(len(rest)),
        "v_sinh": 0.0,
        "polarity_asymmetry": 0.0,
        "gate_sign": gate.astype(np.int64),
        "rest_volt": rest.astype(float),
        "swing_volt": swing.astype(float),
        "clamp_volt": rng.normal(0, 1e-3, n_line),
        "north": rng.random(n_line) < 0.5,
        "r_bit": 30.0,
        "r_end": 20.0,
        "r_row": 15.0,
        "r_driver": 60.0,
        "west": True,
        "east": False,
        "c_bit": 0.0,
        "c_row": 0.0,
    }
    return Network(**(values | changed))


def random_pulses(rng, network, *, n_vec=2, amplitudes=False, t_edge=1e-15):
    """Pulses that suit the network: of one sign where cells take one, of any height where rows are driven."""
    n_row = network.g.shape[1]
    n_tick = rng.integers(0, N_TICK, (n_vec, n_row), endpoint=True)
    height = np.ones(n_tick.shape) if network.gate_sign[0] and len(network.gate_sign) == 1 else sign(rng, n_tick.shape)
    if amplitudes:
        height = height * rng.uniform(0.1, 1.0, n_tick.shape)
    return pulses(n_tick, height, t_edge=t_edge)


def sign(rng, shape):
    return np.where(rng.random(shape) < 0.5, -1.0, 1.0)


def pulses(n_tick, height, *, t_edge=1e-15):
    n_tick = np.atleast_2d(n_tick).astype(np.int64)
    height = np.where(n_tick > 0, height, 0.0)
    window = START + N_TICK * T_LSB + t_edge + 2e-9
    return Pulses(n_tick, height, n_tick_max=N_TICK, t_lsb=T_LSB, t_edge=t_edge, t_start=START, t_window=window)


def full_scale(network):
    """Charge of a line of cells of the largest conductance, all on for all ticks."""
    return V * LARGEST_G * network.g.shape[1] * N_TICK * T_LSB


class DenseNetwork:
    """Numbers of the nodes, resistors between them, and cells."""

    def __init__(self, network):
        n, shape = network, network.g.shape
        self.network = network
        self.parent = []
        self.rail, self.inner = self._nodes(shape), self._nodes(shape)
        self.line = self._nodes(shape[1:])
        self.driver, self.clamp = self._nodes(shape[:2]), self._nodes(shape[2:])
        self.resistors = []
        for k, i in np.ndindex(shape[:2]):
            for a, b in pairwise(self.rail[k, i]):
                self._wire(a, b, n.r_row)
            for driven, node in ((n.west, self.rail[k, i, 0]), (n.east, self.rail[k, i, -1])):
                if driven:
                    self._wire(self.driver[k, i], node, n.r_row + n.r_driver)
        for j in range(shape[2]):
            for a, b in pairwise(self.line[:, j]):
                self._wire(a, b, n.r_bit)
            self._wire(self.line[0 if n.north[j] else -1, j], self.clamp[j], n.r_bit + n.r_end)
        for place in np.ndindex(shape):
            if n.r_access[place] == 0 and n.r_access_slope[place[0]] == 0:
                self._wire(self.rail[place], self.inner[place], 0.0)
        self.merged = np.unique([self._root(a) for a in range(len(self.parent))], return_inverse=True)[1]

    def _nodes(self, shape):
        first = len(self.parent)
        self.parent += range(first, first + int(np.prod(shape)))
        return np.arange(first, len(self.parent)).reshape(shape)

    def _root(self, a):
        while self.parent[a] != a:
            a = self.parent[a]
        return a

    def _wire(self, a, b, ohm):
        if ohm == 0:
            self.parent[self._root(a)] = self._root(b)
        else:
            self.resistors.append((a, b, 1 / ohm))

    def elements(self, x, active):
        """Every element as node a, node b, current from a to b, its slope; `x` are the voltages of merged nodes."""
        n, at = self.network, lambda node: x[self.merged[node]]
        for a, b, g in self.resistors:
            yield a, b, g * (at(a) - at(b)), g
        for place in np.argwhere(n.g > 0):
            k, i, j = place
            if not active[k, i]:
                continue
            rail, inner, line = self.rail[k, i, j], self.inner[k, i, j], self.line[i, j]
            r, slope = n.r_access[k, i, j], n.r_access_slope[k]
            if r > 0 or slope != 0:
                drop = at(rail) - at(inner)
                root = np.sqrt(r * r + 4 * slope * abs(drop))
                yield rail, inner, 2 * drop / (r + root), 1 / root
            v = at(inner) - at(line)
            g = n.g[k, i, j] * (1 - n.polarity_asymmetry if v < 0 else 1)
            if n.v_sinh:
                yield inner, line, g * n.v_sinh * np.sinh(v / n.v_sinh), g * np.cosh(v / n.v_sinh)
            else:
                yield inner, line, g * v, g

    def system(self, x, active):
        """Current out of every merged node, and its Jacobian."""
        out, jacobian = np.zeros(x.size), np.zeros((x.size, x.size))
        for a, b, current, slope in self.elements(x, active):
            p, q = self.merged[a], self.merged[b]
            for node, other, away in ((p, q, current), (q, p, -current)):
                out[node] += away
                jacobian[node, node] += slope
                jacobian[node, other] -= slope
        return out, jacobian

    def free(self, jacobian):
        """Merged nodes that are neither held nor without any element."""
        held = self.merged[np.concatenate([self.driver.ravel(), self.clamp])]
        return np.setdiff1d(np.flatnonzero(jacobian.diagonal()), held)

    def solve(self, volt, active):
        """Voltages of all merged nodes for the drivers' voltages `volt` [n_rail, n_row]."""
        x = np.zeros(self.merged.max() + 1)
        for k, i in np.ndindex(volt.shape):
            x[self.merged[self.rail[k, i]]] = x[self.merged[self.inner[k, i]]] = volt[k, i]
        x[self.merged[self.driver]] = volt
        x[self.merged[self.line]] = self.network.clamp_volt
        x[self.merged[self.clamp]] = self.network.clamp_volt
        for _ in range(80):
            out, jacobian = self.system(x, active)
            free = self.free(jacobian)
            step = np.linalg.solve(jacobian[np.ix_(free, free)], out[free])
            x[free] -= step
            if np.abs(step).max(initial=0) < 1e-16:
                break
        assert np.abs(step).max(initial=0) < 1e-13
        return x

    def clamp_currents(self, x, active):
        """Into each clamp: what arrives from the cells of its line, all told."""
        current = np.zeros(self.clamp.size)
        column = {self.merged[node]: j for j in range(self.clamp.size) for node in [*self.line[:, j], self.clamp[j]]}
        for a, b, i, _ in self.elements(x, active):
            p, q = self.merged[a], self.merged[b]
            if q in column and column.get(p) != column[q]:
                current[column[q]] += i
        return current

    def flown(self, x, active, charges):
        """Charge into each clamp of `charges` put on the merged nodes, in the linear network around `x`."""
        _, jacobian = self.system(x, active)
        free = self.free(jacobian)
        response = np.zeros(x.size)
        response[free] = np.linalg.solve(jacobian[np.ix_(free, free)], charges[free])
        at_clamp = self.merged[self.clamp]
        return charges[at_clamp] - jacobian[at_clamp] @ response


def drive_state(network, n_tick, height, ended):
    """Drivers' voltages and connected cells after the pulses of up to `ended` ticks (-1: before all)."""
    on = (n_tick > ended) & (ended >= 0)
    volt = network.rest_volt[:, None] + network.swing_volt[:, None] * np.where(on, height, 0.0)
    gate = network.gate_sign[:, None]
    return volt, (gate == 0) | (on & (gate * height > 0))


def brute_charges(network, pulses):
    """Charges of all vectors [n_vec, n_line] for edges in no time."""
    dense = DenseNetwork(network)
    return np.array([_vector_charge(dense, pulses, *v) for v in zip(pulses.n_tick, pulses.height, strict=True)])


def _vector_charge(dense, pulses, n_tick, height):
    network = dense.network
    events = [-1, *sorted({0, *n_tick.tolist()})] if n_tick.any() else [-1]
    times = [0.0, *(pulses.t_start + e * pulses.t_lsb for e in events[1:]), pulses.t_window]
    charge, before = np.zeros(dense.clamp.size), None
    for ended, (begin, end) in zip(events, pairwise(times), strict=True):
        volt, active = drive_state(network, n_tick, height, ended)
        x = dense.solve(volt, active)
        charge += (end - begin) * dense.clamp_currents(x, active)
        if before is not None:
            charge += dense.flown(x, active, _set_free(dense, before, x, n_tick, height, ended))
        before = x
    return charge


def _set_free(dense, before, x, n_tick, height, ended):
    """Charge that an event puts on the merged nodes: of capacitors, and of access devices that close."""
    network, charges = dense.network, np.zeros(x.size)
    moved = before - x
    np.add.at(charges, dense.merged[dense.line], network.c_bit * moved[dense.merged[dense.line]])
    np.add.at(charges, dense.merged[dense.rail], network.c_row * moved[dense.merged[dense.rail]])
    for k, i, j in np.argwhere(network.g > 0):
        if ended > 0 and n_tick[i] == ended and network.gate_sign[k] * height[i] > 0:
            v = x[dense.merged[dense.rail[k, i, j]]] - x[dense.merged[dense.line[i, j]]]
            charges[dense.merged[dense.line[i, j]]] += network.pulse_charge[k, i, j] + network.c_pulse[k] * v
    return charges


def brute_charges_with_edges(network, pulses, n_node=16):
    """Charges of all vectors for edges of their own length that the network follows at once; driven rows only."""
    dense, nodes = DenseNetwork(network), np.polynomial.legendre.leggauss(n_node)
    return np.array([_ramped_charge(dense, pulses, *v, nodes) for v in zip(pulses.n_tick, pulses.height, strict=True)])


def _ramped_charge(dense, pulses, n_tick, height, nodes):
    ends = pulses.t_start + np.array([0, *sorted({x for x in n_tick.tolist() if x > 0})]) * pulses.t_lsb
    corners = np.unique([0.0, *ends, *(ends + pulses.t_edge), pulses.t_window])
    charge = np.zeros(dense.clamp.size)
    active = np.ones((dense.network.g.shape[0], n_tick.size), dtype=bool)
    for begin, end in pairwise(corners):
        for node, weight in zip(*nodes, strict=True):
            t = (begin + end + node * (end - begin)) / 2
            since = [
                np.clip((t - pulses.t_start - x * pulses.t_lsb) / pulses.t_edge, 0, 1) for x in (0 * n_tick, n_tick)
            ]
            share = np.where(n_tick > 0, since[0] - since[1], 0.0)
            swing = dense.network.swing_volt[:, None] * height * share
            x = dense.solve(dense.network.rest_volt[:, None] + swing, active)
            charge += (end - begin) / 2 * weight * dense.clamp_currents(x, active)
    return charge

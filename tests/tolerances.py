"""Every tolerance of the tests, relative to the scale that its name gives, each with its reason."""

import pytest

# Fast algorithms against dense linear algebra in float64: rounding of O(100) operations
ROUNDING = 1e-12

# Linear tiles and switches against ngspice, of full scale: the bar (measured: about 1e-7)
SPICE_LINEAR = 5e-6

# Verilog-A lines in VACASK, of the largest charge of all passes: integration of its time steps (measured: 2e-7, and
# 1.4e-6 of the short passes of a split input)
VERILOG_A = 3e-6

# Calibrated SKY130 transistors against ngspice, of full scale: the bar (measured: about 3e-6)
SPICE_TRANSISTOR = 3e-5

# What halving ngspice's tolerances and step may change, of full scale: a tenth of the linear bar
SPICE_OWN_ERROR = 5e-7

# Same circuit in two netlists that differ in element order only, of full scale: the solver's tolerances
SAME_CIRCUIT = 1e-7

# Capacitor and curvature terms are first-order: their own relative error, against brute force
FIRST_ORDER = 0.05

# Relaxation against Newton on all nodes, of full scale: what both leave when they stop (measured: about 1e-14)
NEWTON = 1e-11

# Curved cells' edges, of the largest bound: what one line's edges do to the currents of the others
BOUND_OF_EDGES = 1e-2


# Passive mesh of 32 x 32 in a circuit simulator, of the largest current: its tolerances (measured: 2e-14)
MESH_SIMULATOR = 1e-9

# Cycles of an oscillator behind bent cells, of the most: the edges' own approximation (measured: 7e-6)
CYCLE = 3e-5

# What ngspice errs by whatever its tolerances, of full scale: switches act about a tenth of an edge early (measured:
# about 6e-8), and halving the tolerances leaves what both settings have in common
REFERENCE_FLOOR = 2e-7


def relative(value, tolerance, *, floor=0.0):
    """`pytest.approx` by a relative tolerance alone: its own absolute default of 1e-12 passes any charge for zero."""
    return pytest.approx(value, rel=tolerance, abs=floor)


# Pulse ends and wire capacitors of lumped lines, of these terms: transfers between groups are interpolated
LUMPED_SMALL_TERMS = 0.02

# Three nodes over the ramp of an edge against twelve, of the largest count: the frequency has a kink where the current
# changes its sign (edges themselves are a fifth of a tick)
EDGE_QUADRATURE = 2e-4

# Compensated effective matrices, in weights: the fixed point in float64 (measured: 2e-15)
COMPENSATED = 1e-13

# Squared error of clipped columns against a general solver: what both leave when they stop
LEAST_SQUARES = 1e-6

# Tiles of 512 rows predicted from a calibration of at most 64, of full scale: the bar (measured: 4e-6)
SMALL_TO_LARGE = 5e-4

# Rows a segment and groups of mean states: lines of 512 rows of networks' weights and inputs, of the largest ideal
# charge of a line (measured: at most a third to a half of these)
MEAN_STATES = {(128, 6): 1e-3, (64, 8): 5e-4, (32, 16): 2.5e-4}

# Variance of read noise of gated lines whose wires take a third of it, of it: mean states and the law's terms (within
# 1e-3); with transistors also how drops move what ends of pulses release (measured: half of these)
GATED_NOISE = {False: 1.2e-2, True: 4e-2}

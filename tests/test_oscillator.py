"""Cycles of compressing oscillators at linear lines: against an integration of the whole waveform."""

import itertools

import numpy as np
import pytest

from tests.tolerances import EDGE_QUADRATURE, ROUNDING
from tilemodel.solvers.oscillator import OscillatorTiming, oscillator_cycles

T_LSB, T_EDGE = 1e-9, 2e-10


def problem(rng, n_vec=3, n_row=40, n_line=35, n_tick_max=31):
    n_tick = rng.integers(0, n_tick_max + 1, (n_vec, n_row))
    height = np.where(n_tick > 0, rng.choice([-1.0, 1.0], n_tick.shape), 0.0)
    current = rng.normal(0, 1e-6, (n_row, n_line))
    return n_tick, height, current, rng.normal(0, 1e-7, n_line), rng.uniform(1e13, 2e13, n_line)


def whole_waveform(n_tick, height, current, rest, rate, i_half, timing, n_node=12):
    """Gauss and Legendre piece by piece between all corners of the trapezoids."""
    nodes, weights = np.polynomial.legendre.leggauss(n_node)
    total = np.zeros((len(n_tick), len(rest)))
    ticks = np.arange(timing.n_tick_max + 1) * T_LSB
    corners = np.sort(np.concatenate([ticks, ticks + T_EDGE]))
    for begin, end in itertools.pairwise(corners):
        for node, weight in zip(nodes, weights, strict=True):
            t = (begin + end + node * (end - begin)) / 2
            rise = np.clip(t / T_EDGE, 0, 1)
            share = np.where(n_tick > 0, rise - np.clip((t - n_tick * T_LSB) / T_EDGE, 0, 1), 0.0)
            i = (height * share) @ current + rest
            total += weight * (end - begin) / 2 * rate * i / (1 + np.abs(i) / i_half)
    return total + timing.t_rest_second * rate * rest / (1 + np.abs(rest) / i_half)


@pytest.mark.parametrize("i_half", [2e-6, 1e-4])
def test_cycles_are_the_integral_of_the_frequency(i_half, rng):
    operands, timing = problem(rng), OscillatorTiming(31, T_LSB, T_EDGE, 7e-9)
    expected = whole_waveform(*operands, i_half, timing)
    cycles = oscillator_cycles(*operands, i_half, timing)
    np.testing.assert_allclose(cycles, expected, rtol=0, atol=EDGE_QUADRATURE * np.abs(expected).max())


def test_without_compression_the_cycles_are_the_charge(rng):
    n_tick, height, current, rest, rate = problem(rng)
    timing = OscillatorTiming(31, T_LSB, T_EDGE, 7e-9)
    cycles = oscillator_cycles(n_tick, height, current, rest, rate, np.inf, timing)
    window = 31 * T_LSB + T_EDGE + 7e-9
    expected = rate * ((n_tick * height) @ current * T_LSB + rest * window)
    np.testing.assert_allclose(cycles, expected, rtol=0, atol=ROUNDING * np.abs(expected).max())


def test_vectors_without_pulses_count_the_rest_alone(rng):
    n_tick, height, current, rest, rate = problem(rng)
    timing = OscillatorTiming(31, T_LSB, T_EDGE, 0.0)
    cycles = oscillator_cycles(0 * n_tick, 0 * height, current, rest, rate, 1e-6, timing)
    expected = rate * rest / (1 + np.abs(rest) / 1e-6) * (31 * T_LSB + T_EDGE)
    np.testing.assert_allclose(cycles, np.broadcast_to(expected, cycles.shape), rtol=1e-12)

"""The op-amp integrator as a clamp: against fine steps in time, against ngspice, and in its limits."""

import math

import numpy as np
import pytest
from scipy.linalg import expm

from spice_netlists.deck import Deck, tile_circuit_lines
from spice_netlists.engines import run_deck
from spice_netlists.read_out import Sense
from spice_netlists.read_outs.behavioural import current_mirror, op_amp_integrator, read_out_instances, reset_control
from tests.conftest import pair_tile, pulses_of, switch_tile
from tests.tolerances import ROUNDING, SPICE_LINEAR, relative
from tilemodel.config.layout import cell_layout
from tilemodel.config.operands import Conductances, conductances_from_weights, random_ticks, random_weights
from tilemodel.model import TileModel, ideal_charge
from tilemodel.solvers.integrator import IntegratorTiming, OpAmpIntegrator, integrator_output
from tilemodel.solvers.ladder import transfer_to_clamp

N_TICK, T_LSB, EDGE = 9, 1e-9, 0.1e-9
TIMING = IntegratorTiming(
    t_open_second=0.5e-9, t_start_second=1e-9, t_lsb_second=T_LSB, t_edge_second=EDGE, t_sample_second=14e-9
)
C = 1e-12
# Limits at a finite gain or bandwidth, of the charge: what the limit itself leaves
LIMIT = 1e-6
# Clipping after steps of a 4000th of a piece, in volt: what the output moves by within one
CLIPPED = 1e-4


def op_amp(**changed):
    values = {"gain": 300.0, "f_unity_hertz": 5e8, "c_int_farad": C, "v_clamp_volt": 0.4, "v_swing_volt": 2.0}
    return OpAmpIntegrator(**(values | {"r_reset_ohm": 1e3} | changed))


def drive(rng, n_vec=2, n_line=3):
    return rng.uniform(-2e-5, 2e-5, (n_vec, N_TICK, n_line)), rng.uniform(1e-4, 1e-3, n_line)


def plain_charge(current, rest, timing=TIMING):
    """Integral of the current from the switch's opening to the sampling."""
    other = timing.t_sample_second - timing.t_open_second - current.shape[1] * timing.t_lsb_second
    return current.sum(axis=1) * timing.t_lsb_second + rest * other


def stepped_output(current, y, rest, y_rest, c_in, amp, timing):
    """Output of one line by steps of a matrix exponential of six variables: e, p, current and its slope."""
    w, total = 2 * math.pi * amp.f_unity_hertz, amp.c_int_farad + c_in

    def advance(state, y_now, start, rise, duration):
        if duration <= 0:
            return state
        m = np.zeros((4, 4))
        m[0] = [-(y_now + C * w) / total, -C * w / amp.gain / total, 1 / total, 0]
        m[1, :2] = [-w, -w / amp.gain]
        m[2, 3] = 1 / duration
        return (expm(m * duration) @ np.array([*state, start, rise]))[:2]

    e = rest / (y_rest + (1 + amp.gain) / amp.r_reset_ohm)
    state = advance(np.array([e, -amp.gain * e]), y_rest, rest, 0.0, timing.t_start_second - timing.t_open_second)
    before, y_before = rest, y_rest
    for now, y_now in zip([*current, rest], [*y, y_rest], strict=True):
        state = advance(state, (y_before + y_now) / 2, before, now - before, timing.t_edge_second)
        if now is not rest:
            state = advance(state, y_now, now, 0.0, timing.t_lsb_second - timing.t_edge_second)
        before, y_before = now, y_now
    last = timing.t_start_second + len(current) * timing.t_lsb_second + timing.t_edge_second
    return amp.v_clamp_volt + advance(state, y_rest, rest, 0.0, timing.t_sample_second - last)[1]


@pytest.mark.parametrize("c_in", [0.0, 2e-13])
@pytest.mark.parametrize("switched", [False, True], ids=["one y a line", "a y a tick"])
def test_pieces_are_the_matrix_exponential(switched, c_in, rng):
    current, y_line = drive(rng)
    y = rng.uniform(0, 1e-3, current.shape) if switched else y_line
    y_rest = 0.0 if switched else y_line
    result = integrator_output(
        current, y, op_amp=op_amp(), timing=TIMING, current_rest=1e-6, y_rest=y_rest, c_in_farad=c_in
    )
    for vector, line in np.ndindex(2, 3):
        y_ticks = y[vector, :, line] if switched else np.full(N_TICK, y[line])
        y_end = 0.0 if switched else y[line]
        expected = stepped_output(current[vector, :, line], y_ticks, 1e-6, y_end, c_in, op_amp(), TIMING)
        assert result.v_out_volt[vector, line] - 0.4 == relative(expected - 0.4, 1e-9)
    np.testing.assert_allclose(result.charge_coulomb, C * (0.4 - result.v_out_volt), rtol=1e-9)


def test_an_ideal_op_amp_gives_the_plain_charge(rng):
    current, y = drive(rng)
    ideal = op_amp(gain=math.inf, f_unity_hertz=1e16)
    result = integrator_output(current, y, op_amp=ideal, timing=TIMING, current_rest=1e-6, c_in_farad=1e-13)
    # the closed switch carries the current at rest, and so does the capacitor when it opens
    expected = plain_charge(current, 1e-6) + C * 1e-6 * ideal.r_reset_ohm
    np.testing.assert_allclose(result.charge_coulomb, expected, rtol=0, atol=LIMIT * np.abs(expected).max())


def test_finite_gain_leaks_with_the_time_constant_of_the_magnified_capacitor():
    """C (1 + A) / y, from a charge that is smaller by A / (1 + A + C_in / C)."""
    gain, y, c_in = 50.0, np.array([2e-4]), 1e-13
    current = np.full((1, N_TICK, 1), 1e-5)
    amp = op_amp(gain=gain, f_unity_hertz=1e15)
    outputs = []
    for t_sample in (14e-9, 514e-9):
        timing = IntegratorTiming(
            t_open_second=1e-9, t_start_second=1e-9, t_lsb_second=T_LSB, t_edge_second=EDGE, t_sample_second=t_sample
        )
        closed = {"op_amp": amp, "timing": timing, "c_in_farad": c_in}
        outputs.append(integrator_output(current, y, **closed).charge_coulomb[0, 0])
    tau = (C * (1 + gain) + c_in) / y[0]
    assert outputs[1] / outputs[0] == relative(math.exp(-500e-9 / tau), LIMIT)
    no_leak = integrator_output(current, 0 * y, **closed).charge_coulomb[0, 0]
    assert no_leak == relative(1e-5 * N_TICK * T_LSB * gain / (1 + gain + c_in / C), LIMIT)


def test_finite_bandwidth_delays_by_the_virtual_ground(rng):
    """The virtual ground moves by e with w int e dt = -p, and the line takes the charge y int e dt for itself."""
    amp = op_amp(gain=math.inf, f_unity_hertz=2e8)
    current, y = np.full((1, N_TICK, 1), 1e-5), np.array([5e-4])
    result = integrator_output(current, y, op_amp=amp, timing=TIMING)
    plain = plain_charge(current, 0.0)[0, 0]
    expected = plain / (1 + y[0] / (C * 2 * math.pi * 2e8))
    unsettled = math.exp(-(14e-9 - 10.1e-9) * 2 * math.pi * 2e8)
    assert result.charge_coulomb[0, 0] == relative(expected, unsettled)
    assert abs(plain - expected) > 10 * unsettled * plain


def test_charge_is_linear_and_lines_are_independent(rng):
    current, y = drive(rng, n_vec=3)
    together = integrator_output(current, y, op_amp=op_amp(), timing=TIMING).charge_coulomb
    doubled = integrator_output(2 * current[1:2, :, 2:], y[2:], op_amp=op_amp(), timing=TIMING).charge_coulomb
    assert doubled[0, 0] == relative(2 * together[1, 2], ROUNDING)


def test_reaching_the_swing_is_told_even_if_it_is_left_again(rng):
    current = np.zeros((2, N_TICK, 1))
    current[0, :4], current[0, 4:8] = 1e-3, -1e-3  # 4 pC and back
    current[1] = 1e-4
    result = integrator_output(current, np.array([1e-5]), op_amp=op_amp(), timing=TIMING)
    assert result.saturated.tolist() == [[True], [False]]
    assert (np.abs(result.v_out_volt - 0.4) <= 2.0).all()


def test_what_edges_release_is_integrated_too(rng):
    current, y = drive(rng)
    released = rng.normal(0, 1e-15, (2, N_TICK + 1, 3))
    ideal = op_amp(gain=math.inf, f_unity_hertz=1e16)
    result = integrator_output(current, y, op_amp=ideal, timing=TIMING, released=released)
    expected = plain_charge(current, 0.0) + released.sum(axis=1)
    np.testing.assert_allclose(result.charge_coulomb, expected, rtol=0, atol=LIMIT * np.abs(expected).max())


def clipped_output(current, y, rest, y_rest, c_in, amp, timing, n=4000):
    """Output of one line by steps that are exact but for the swing, which is looked at after each of them."""
    w, total = 2 * math.pi * amp.f_unity_hertz, amp.c_int_farad + c_in
    flat = timing.t_lsb_second - timing.t_edge_second
    pieces = [(y_rest, rest, rest, timing.t_start_second - timing.t_open_second)]
    before, y_before = rest, y_rest
    for now, y_now in zip([*current, rest], [*y, y_rest], strict=True):
        pieces += [((y_before + y_now) / 2, before, now, timing.t_edge_second), (y_now, now, now, flat)]
        before, y_before = now, y_now
    last = timing.t_start_second + len(current) * timing.t_lsb_second + timing.t_edge_second
    pieces[-1] = (y_rest, rest, rest, timing.t_sample_second - last)
    e = rest / (y_rest + (1 + amp.gain) / amp.r_reset_ohm)
    p, swing = -amp.gain * e, amp.v_swing_volt
    for y_now, start, end, duration in pieces:
        dt = duration / n
        m = np.array(
            [[-(y_now + C * w) / total, -C * w / amp.gain / total, 1 / total], [-w, -w / amp.gain, 0], [0, 0, 0]]
        )
        (a, b, k), (c, d, q), _ = expm(m * dt)
        decay = math.exp(-y_now * dt / total)
        gain_held = -math.expm1(-y_now * dt / total) / y_now if y_now else dt / total
        for step in range(n):
            i = start + (end - start) * (step + 0.5) / n
            if abs(p) >= swing and p * (e + p / amp.gain) < 0:
                e = decay * e + gain_held * i
                continue
            e, p = a * e + b * p + k * i, c * e + d * p + q * i
            p = min(max(p, -swing), swing)
    return amp.v_clamp_volt + p


SWING = {"small": {}, "slow op-amp": {"f_unity_hertz": 2e8}, "high gain": {"gain": 1e9}}


@pytest.mark.parametrize("changed", SWING.values(), ids=SWING)
@pytest.mark.parametrize("c_in", [0.0, 2e-13])
def test_an_output_at_its_swing_stands_until_it_is_pulled_back(changed, c_in):
    """There and back: what arrives at the swing is kept by the line, and lost when the current turns."""
    current = np.zeros((3, N_TICK, 1))
    current[0, :4], current[0, 4:8] = 6e-4, -6e-4
    current[1, :2], current[1, 2:7], current[1, 7:] = -9e-4, 7e-4, -2e-4
    current[2] = 1e-4
    amp, y, y_rest = op_amp(v_swing_volt=1.0, **changed), np.full(current.shape, 3e-4), np.array([1e-4])
    result = integrator_output(current, y, op_amp=amp, timing=TIMING, current_rest=1e-6, y_rest=y_rest, c_in_farad=c_in)
    free = integrator_output(
        current,
        y,
        op_amp=op_amp(v_swing_volt=50.0, **changed),
        timing=TIMING,
        current_rest=1e-6,
        y_rest=y_rest,
        c_in_farad=c_in,
    )
    assert result.saturated[:, 0].tolist() == [True, True, False]
    for vector in range(3):
        expected = clipped_output(current[vector, :, 0], y[vector, :, 0], 1e-6, 1e-4, c_in, amp, TIMING)
        np.testing.assert_allclose(result.v_out_volt[vector, 0], expected, rtol=0, atol=CLIPPED)
    np.testing.assert_allclose(
        result.charge_coulomb + result.withheld_coulomb, free.charge_coulomb, rtol=0, atol=ROUNDING * C
    )
    assert np.abs(result.withheld_coulomb[:2]).min() > 0.01 * C


def test_wrong_operands_are_refused(rng):
    current, y = drive(rng)
    with pytest.raises(ValueError, match="y the same or"):
        integrator_output(current, y[:2], op_amp=op_amp(), timing=TIMING)
    with pytest.raises(ValueError, match="y_rest must be given"):
        integrator_output(current, np.abs(current), op_amp=op_amp(), timing=TIMING)
    early = IntegratorTiming(
        t_open_second=0.5e-9, t_start_second=1e-9, t_lsb_second=T_LSB, t_edge_second=EDGE, t_sample_second=9e-9
    )
    with pytest.raises(ValueError, match="before the end of the last edge"):
        integrator_output(current, y, op_amp=op_amp(), timing=early)


def spice_output(tile, written, ticks, read_out, t_open):
    """Output voltages [n_line] at the window's end with the sub-circuit `read_out` in the clamps' place."""
    circuit = tile_circuit_lines(tile, written, pulses_of(tile, ticks))
    t_stop = tile.t_window_second(tile.drive.n_tick_max)
    name, step = read_out[0].split()[1], 0.005 * T_LSB
    text = [
        "* a tile with behavioural read-outs",
        *(source for source in circuit.sources if not source.startswith("Vclamp")),
        *circuit.body,
        *read_out,
        *read_out_instances(circuit.lines, name),
        reset_control(t_open_second=t_open, t_fall_second=1e-12),
        ".options reltol=1e-6 trtol=1 abstol=1e-14 vntol=1e-10 chgtol=1e-18",
        ".save " + " ".join(f"v(out{line})" for line in circuit.lines),
        f".tran {step!r} {t_stop!r} 0 {step!r}",
        ".end\n",
    ]
    deck = Deck(
        engine="ngspice",
        text="\n".join(text),
        includes=(),
        files={},
        lines=circuit.lines,
        sense=Sense(of_voltage=True, rest_volt=np.zeros(len(circuit.lines)), coulomb_per_volt=1.0),
        charge_sign=1,
        t_stop_second=t_stop,
    )
    return run_deck(deck, timeout_second=120).sensed[:, -1]


def line_seen_from_the_clamp(tile, written, ticks):
    """Current into the clamp and conductance, tick by tick and at rest, and the line's capacitance at the clamp."""
    ticks_left = np.abs(ticks)[:, None] > np.arange(tile.drive.n_tick_max)
    r, c = tile.wires.r_bit_line_ohm, tile.wires.c_bit_line_farad
    if tile.cell.kind == "rail_pair":
        transfer, y = transfer_to_clamp(written.g_plus + written.g_minus, r)
        rest = y * (tile.cell.v_common_volt - tile.read_out.v_clamp_volt)
        injected = transfer * (written.g_plus - written.g_minus) * tile.v_read_volt
        return ((ticks_left * np.sign(ticks)[:, None]).T @ injected + rest)[None], y, rest, y, (transfer**2).sum(0) * c
    memory = cell_layout(tile, written).g_siemens[0]
    g = memory / (1 + memory * tile.cell.access.r_on_ohm)
    y = np.stack([transfer_to_clamp(g * on[:, None], r)[1] for on in ticks_left.T])[None]
    return -y * tile.v_read_volt, y, 0.0, 0.0, tile.array.n_row * c


ARRAY, TAIL = {"n_row": 32, "n_col": 4}, {"t_tail_second": 5e-9}
SHORT = {"input_bits": 6}
# ngspice's switches end pulses about a tenth of an edge early (docs/integrator.md): a short edge hides it
SUDDEN = {"t_edge_second": 2e-13}
PAIR = pair_tile(array=ARRAY, wires={"c_bit_line_farad": 0.0}, read_out=TAIL, drive=SHORT)
SWITCH_ARRAY = ARRAY | {"n_col": 2}
SWITCH = switch_tile(array=SWITCH_ARRAY, wires={"c_bit_line_farad": 0.0}, read_out=TAIL, drive=SHORT | SUDDEN)
SPICE_CASES = {
    "pair": (PAIR, {}),
    "pair, weak op-amp": (PAIR, {"gain": 100.0, "f_unity_hertz": 2e8}),
    "pair, capacitors": (pair_tile(array=ARRAY, read_out=TAIL, drive=SHORT), {}),
    "switch": (SWITCH, {}),
    "switch, weak op-amp": (SWITCH, {"gain": 100.0, "f_unity_hertz": 2e8}),
    "switch, capacitors": (switch_tile(array=SWITCH_ARRAY, read_out=TAIL, drive=SHORT | SUDDEN), {}),
}


def timing_of(tile, t_open):
    pwm = tile.drive
    return IntegratorTiming(
        t_open_second=t_open,
        t_start_second=pwm.t_start_second,
        t_lsb_second=pwm.t_lsb_second,
        t_edge_second=pwm.t_edge_second,
        t_sample_second=tile.t_window_second(pwm.n_tick_max),
    )


@pytest.mark.spice
@pytest.mark.parametrize(("tile", "changed"), SPICE_CASES.values(), ids=SPICE_CASES)
def test_integrator_against_ngspice(tile, changed, rng):
    written, ticks = conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, 1)
    v_clamp = tile.read_out.v_clamp_volt
    values = {"gain": 1e4, "f_unity_hertz": 1e9, "c_int_farad": 5e-13, "v_swing_volt": 5.0, "r_reset_ohm": 1e3}
    values |= changed | {"v_clamp_volt": v_clamp}
    out = spice_output(tile, written, ticks[0], op_amp_integrator(**values), 0.5e-9)
    current, y, rest, y_rest, c_in = line_seen_from_the_clamp(tile, written, ticks[0])
    model = integrator_output(
        current,
        y,
        op_amp=OpAmpIntegrator(**values),
        timing=timing_of(tile, 0.5e-9),
        current_rest=rest,
        y_rest=y_rest,
        c_in_farad=c_in,
    )
    full_scale = np.abs(ideal_charge(tile, written, ticks)).max()
    error = model.charge_coulomb[0] - 5e-13 * (v_clamp - out)
    assert not model.saturated.any()
    assert np.abs(error).max() < SPICE_LINEAR * full_scale


@pytest.mark.spice
def test_the_circuit_saturates_where_the_model_says(rng):
    written, ticks = conductances_from_weights(PAIR, random_weights(PAIR, rng)), np.full((1, 32), 31)
    written = Conductances(g_plus=np.full((32, 4), 2e-5), g_minus=np.full((32, 4), 1e-6))
    values = {"gain": 1e4, "f_unity_hertz": 1e9, "c_int_farad": 1e-12, "v_swing_volt": 0.3, "r_reset_ohm": 1e3}
    values |= {"v_clamp_volt": 0.4005}
    out = spice_output(PAIR, written, ticks[0], op_amp_integrator(**values), 0.5e-9)
    current, y, rest, _, _ = line_seen_from_the_clamp(PAIR, written, ticks[0])
    model = integrator_output(
        current, y, op_amp=OpAmpIntegrator(**values), timing=timing_of(PAIR, 0.5e-9), current_rest=rest
    )
    assert model.saturated.all()
    # the circuit's limiter gives way by a millionth of the virtual ground's deviation
    np.testing.assert_allclose(out, 0.4005 - 0.3, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.v_out_volt, 0.4005 - 0.3, rtol=ROUNDING)


@pytest.mark.spice
@pytest.mark.parametrize("r_clamp", [0.0, 150.0])
def test_the_mirror_collects_the_charge(r_clamp, rng):
    tile = pair_tile(array=ARRAY, read_out=TAIL | {"v_clamp_volt": 0.4}, drive=SHORT)
    written, ticks = conductances_from_weights(tile, random_weights(tile, rng)), random_ticks(tile, rng, 1)
    lines = current_mirror(
        ratio=0.5, c_int_farad=1e-12, v_clamp_volt=0.4, v_rest_volt=0.1, r_reset_ohm=1e3, r_clamp_ohm=r_clamp
    )
    charge = 1e-12 / 0.5 * (spice_output(tile, written, ticks[0], lines, 0.5e-9) - 0.1)
    _, y_in = transfer_to_clamp(written.g_plus + written.g_minus, tile.wires.r_bit_line_ohm)
    expected = TileModel(tile, written).charges(ticks)[0] / (1 + r_clamp * y_in)
    full_scale = np.abs(ideal_charge(tile, written, ticks)).max()
    assert np.abs(charge - expected).max() < SPICE_LINEAR * full_scale

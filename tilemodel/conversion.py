"""Read-out and converter of every line: from a programmed tile's charges or currents to what is counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import ConverterBank
from tilemodel.config.layout import line_count
from tilemodel.config.mismatch import ChipDraw
from tilemodel.config.passes import Pass
from tilemodel.config.read_out import IntegratorReadOut, MirrorReadOut, Sky130RampReadOut
from tilemodel.config.tile import TileConfig
from tilemodel.ends import end_resistance_ohm
from tilemodel.linear import LinearTile
from tilemodel.programmed import LineCurrents, ProgrammedTile
from tilemodel.ramp_read_out import RampReadOutParameters, clamped_current, trip_features, trip_second
from tilemodel.solvers.integrator import IntegratorOutput, IntegratorTiming, OpAmpIntegrator, integrator_output

__all__ = ["PassOutput", "converter_bank", "read_pass"]

FloatArray = NDArray[np.float64]

# A line behind an op-amp at its swing moves as a whole when that reaches and leaves it: this often, at most, to count
_TURNS = 4
# Of the virtual ground's deviation: how far the netlist's limiter gives way
_YIELD = 1e-6


@dataclass(frozen=True, kw_only=True)
class PassOutput:
    """What one pass gave, all vectors."""

    drive: Pass
    charge_line_coulomb: FloatArray
    """[n_vec, n_line], what the converters see."""
    error_bound_coulomb: FloatArray
    """[n_vec, n_line]: of what the model approximates."""
    cycle_line: FloatArray | None
    """[n_vec, n_line]: cycles of the converters' oscillators, where the codes depend on the currents."""
    code_line: NDArray[np.int64] | None = None
    """[n_vec, n_line]: of a read-out that converts itself."""
    limited_line: NDArray[np.bool_] | None = None
    """[n_vec, n_line]: whether the output of an op-amp stood at its swing at some time."""


def converter_bank(tile: TileConfig) -> ConverterBank:
    """The converters of the tile's lines."""
    return ConverterBank(tile.adc, tile.mismatch, line_count(tile), tile.signed_lines)


def read_pass(
    tile: TileConfig,
    chip: ChipDraw,
    bank: ConverterBank,
    programmed: ProgrammedTile,
    drive: Pass,
    read_out: RampReadOutParameters | None,
) -> PassOutput:
    """Drive the programmed tile with one pass and integrate."""
    circuit = tile.read_out.circuit
    if isinstance(circuit, Sky130RampReadOut):
        assert read_out is not None  # tilemodel.coverage
        return _ramp_converted(tile, circuit, read_out, programmed.currents(drive), drive)
    if isinstance(circuit, IntegratorReadOut):
        return _integrated(tile, circuit, programmed.currents(drive), drive)
    result = programmed.charges(drive)
    charge, bound = result.charge_coulomb, result.error_bound_coulomb
    if isinstance(circuit, MirrorReadOut):
        ratio = circuit.ratio * chip.mirror_ratio_factor
        # the reset switch carries the current at rest, and the capacitor under it holds that voltage when it opens
        held = circuit.r_reset_ohm * circuit.c_integration_farad
        charge = ratio * (charge - programmed.rest_current_ampere() * (tile.t_reset_open_second - held))
        bound = ratio * bound
    cycles = _cycles(tile, bank, programmed, drive) if bank.input == "current" else None
    return PassOutput(drive=drive, charge_line_coulomb=charge, error_bound_coulomb=bound, cycle_line=cycles)


def _integrated(tile: TileConfig, circuit: IntegratorReadOut, currents: LineCurrents, drive: Pass) -> PassOutput:
    """Charges as the op-amps' outputs give them: odd in the currents, whatever their sign stands for."""
    timing = tile.drive
    clamp = tile.read_out.v_clamp_volt
    result = integrator_output(
        currents.current_ampere[:, 1:],
        currents.conductance_siemens[:, 1:],
        op_amp=OpAmpIntegrator(
            gain=circuit.open_loop_gain,
            f_unity_hertz=circuit.unity_gain_hertz,
            c_int_farad=circuit.c_integration_farad,
            v_clamp_volt=clamp,
            v_swing_volt=circuit.swing_volt,
            r_reset_ohm=circuit.r_reset_ohm,
        ),
        timing=IntegratorTiming(
            t_open_second=tile.t_reset_open_second,
            t_start_second=timing.t_start_second,
            t_lsb_second=timing.t_lsb_second,
            t_edge_second=timing.t_edge_second,
            t_sample_second=tile.t_window_second(drive.n_tick_max),
        ),
        current_rest=currents.current_ampere[:, 0],
        y_rest=currents.conductance_siemens[0, 0],
        c_in_farad=currents.capacitance_farad,
        released=currents.released_coulomb,
    )
    return PassOutput(
        drive=drive,
        charge_line_coulomb=result.charge_coulomb,
        error_bound_coulomb=currents.error_bound_coulomb + _integrator_bound(tile, circuit, currents, result),
        cycle_line=None,
        limited_line=result.saturated,
    )


def _integrator_bound(
    tile: TileConfig, circuit: IntegratorReadOut, currents: LineCurrents, result: IntegratorOutput
) -> FloatArray:
    """What the line's own time constant does, and what bent cells do behind op-amps at their swing [coulomb].

    Derivation: docs/integrator.md.
    """
    n_row, wires, c_int = tile.array.n_row, tile.wires_in_use, circuit.c_integration_farad
    c_line = n_row * wires.c_bit_line_farad
    t_line = c_line * (wires.r_bit_line_ohm * (n_row + 1) / 2 + end_resistance_ohm(tile))
    leak = currents.conductance_siemens.max(axis=1) / (c_int * (1 + circuit.open_loop_gain))
    flow = np.abs(currents.current_ampere)
    total = flow.sum(axis=1) * tile.drive.t_lsb_second + np.abs(currents.released_coulomb).sum(axis=1)
    largest, y = flow.max(axis=1), currents.conductance_siemens.max(axis=1)
    at_swing = _TURNS * c_line * t_line * largest / c_int
    at_swing = at_swing + _YIELD * c_int * np.divide(largest, y, out=np.zeros_like(y), where=y > 0)
    if not currents.is_linear:
        at_swing = at_swing + np.abs(result.withheld_coulomb)
    bound: FloatArray = total * t_line * leak + result.saturated * at_swing
    return bound


def _ramp_converted(
    tile: TileConfig,
    circuit: Sky130RampReadOut,
    read_out: RampReadOutParameters,
    currents: LineCurrents,
    drive: Pass,
) -> PassOutput:
    """Charges behind the transistor-level clamp, and the counts of its ramp."""
    conductance = currents.current_ampere[:, 1:] / tile.v_read_volt
    current = clamped_current(conductance, read_out.v0_volt, read_out.r_ohm, read_out.s_volt)
    charge = current.sum(axis=1) * tile.drive.t_lsb_second
    if drive.n_tick_max:
        charge = charge - read_out.k_coulomb_per_siemens2 * conductance[:, 0] ** 2
    trip = trip_second(read_out, trip_features(current, charge, tile.drive.t_lsb_second))
    code = np.clip(np.floor(trip / circuit.t_clock_second), 0, circuit.count_max).astype(np.int64)
    return PassOutput(
        drive=drive,
        charge_line_coulomb=charge,
        error_bound_coulomb=currents.error_bound_coulomb,
        cycle_line=None,
        code_line=code,
    )


def _cycles(tile: TileConfig, bank: ConverterBank, programmed: ProgrammedTile, drive: Pass) -> FloatArray:
    """Integral of the oscillators' frequency over the window: rest, and each tick with the edge that begins it."""
    # numba takes half a second that other converters need not pay
    from tilemodel.solvers.oscillator import EDGE_NODES, EDGE_WEIGHTS, OscillatorTiming, oscillator_cycles

    edge, tick = tile.drive.t_edge_second, tile.drive.t_lsb_second
    at_rest = tile.t_window_second(drive.n_tick_max) - drive.n_tick_max * tick - edge
    if isinstance(programmed, LinearTile):
        rate, i_half = bank.rate_law()
        timing = OscillatorTiming(drive.n_tick_max, tick, edge, at_rest)
        currents = programmed.w_eff_ampere, programmed.offset_ampere
        return oscillator_cycles(drive.n_tick, drive.height, *currents, rate, i_half, timing)
    settled = programmed.currents(drive)
    current = settled.current_ampere
    rest, ticks = current[:, :1], current[:, 1:]
    steps = np.concatenate([rest, ticks, rest], axis=1)
    in_edges = sum(
        weight * bank.rate_hertz((1 - node) * steps[:, :-1] + node * steps[:, 1:] + settled.released_coulomb / edge)
        for node, weight in zip(EDGE_NODES, EDGE_WEIGHTS, strict=True)
    )
    cycles: FloatArray = (
        np.asarray(in_edges).sum(axis=1) * edge
        + bank.rate_hertz(ticks).sum(axis=1) * (tick - edge)
        + bank.rate_hertz(rest[:, 0]) * at_rest
    )
    return cycles

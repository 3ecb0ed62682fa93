"""Read-outs as behavioural ngspice sub-circuits: an op-amp integrator and a current mirror on a capacitor.

Both have the pins bit line, output and reset control (1 V: reset, 0 V: integrate) and take the place of the tile's
ideal clamps. No transistors: controlled sources, resistors, capacitors and an ideal switch, every value spelled out.
"""

import math
from collections.abc import Iterator, Sequence

__all__ = ["RESET_NODE", "current_mirror", "op_amp_integrator", "read_out_instances", "reset_control"]

RESET_NODE = "reset"
# Capacitor of the op-amp's pole: only its product with a conductance matters
_C_POLE_FARAD = 1e-12
# Conductance, in units of the op-amp's transconductance, that keeps the pole's voltage from running past the swing
_LIMITER = 1e6


def op_amp_integrator(
    *,
    gain: float,
    f_unity_hertz: float,
    c_int_farad: float,
    v_clamp_volt: float,
    v_swing_volt: float,
    r_reset_ohm: float,
    name: str = "op_amp_integrator",
) -> list[str]:
    """Lines of an integrator with the bit line on the op-amp's inverting input.

    The op-amp has one pole (DC gain `gain`, unity gain at `f_unity_hertz`), no input current, no output resistance;
    its output stays within `v_clamp_volt` +- `v_swing_volt`.
    """
    transconductance = 2 * math.pi * f_unity_hertz * _C_POLE_FARAD
    limiter = _LIMITER * transconductance
    return [
        f".subckt {name} bl out rst dv=0",
        f"Vref ref 0 DC {{{v_clamp_volt!r}+dv}}",
        "* One pole: the voltage of node p is the output's deviation from the reference",
        f"Gin 0 p ref bl {transconductance!r}",
        f"Rpole p 0 {gain / transconductance!r}",
        f"Cpole p 0 {_C_POLE_FARAD!r}",
        f"Blimit p 0 I={limiter!r}*(max(V(p)-{v_swing_volt!r},0)+min(V(p)+{v_swing_volt!r},0))",
        "Eout out ref p 0 1",
        f"Cint bl out {c_int_farad!r}",
        "Sreset bl out rst 0 reset_switch",
        f".model reset_switch sw(vt=0.5 vh=0 ron={r_reset_ohm!r} roff=1e15)",
        f".ends {name}",
    ]


def current_mirror(
    *,
    ratio: float,
    c_int_farad: float,
    v_clamp_volt: float,
    v_rest_volt: float,
    r_reset_ohm: float,
    r_clamp_ohm: float = 0.0,
    name: str = "current_mirror",
) -> list[str]:
    """Lines of a clamp whose current, times `ratio`, charges a capacitor that rests at `v_rest_volt`.

    The clamp is ideal behind `r_clamp_ohm`; the output rises by ratio / C times the charge that flows from the bit
    line into the clamp.
    """
    inner = "m" if r_clamp_ohm > 0 else "bl"
    return [
        f".subckt {name} bl out rst dv=0 k=1",
        *([f"Rclamp bl m {r_clamp_ohm!r}"] if r_clamp_ohm > 0 else []),
        f"Vsense {inner} 0 DC {{{v_clamp_volt!r}+dv}}",
        f"Fmirror 0 out Vsense {{{ratio!r}*k}}",
        f"Cint out 0 {c_int_farad!r}",
        f"Vrest rest 0 DC {v_rest_volt!r}",
        "Sreset out rest rst 0 reset_switch",
        f".model reset_switch sw(vt=0.5 vh=0 ron={r_reset_ohm!r} roff=1e15)",
        f".ends {name}",
    ]


def read_out_instances(lines: Sequence[int], name: str) -> Iterator[str]:
    """One sub-circuit `name` at the clamp node of each bit line, its output at node `out<line>`."""
    for line in lines:
        yield f"Xread{line} c{line} out{line} {RESET_NODE} {name}"


def reset_control(*, t_open_second: float, t_fall_second: float) -> str:
    """The source that opens all reset switches at `t_open_second`, halfway down its fall."""
    start, end = t_open_second - t_fall_second / 2, t_open_second + t_fall_second / 2
    return f"Vreset {RESET_NODE} 0 PWL(0 1 {start:.12g} 1 {end:.12g} 0)"

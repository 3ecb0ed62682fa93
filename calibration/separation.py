"""Which experiment tells apart parameters that the data at hand do not."""

from collections.abc import Callable, Iterable

from calibration.names import stem

__all__ = ["separating_experiment"]

_SERIES = {"wires.r_terminal_ohm", "read_out.circuit.r_clamp_ohm"}
_GAINS = {
    "v_read_volt",
    "g_factor",
    "adc.gain",
    "adc.gain_line",
    "read_out.circuit.ratio",
    "adc.f_hertz_per_ampere",
}
_LINE_CAPACITANCE = "wires.c_bit_line_farad"
_OP_AMP = "read_out.circuit.unity_gain_hertz"
_OFFSETS = {"v_clamp_volt", "adc.offset_lsb", "adc.offset_line_lsb"}
_LINES = {"adc.gain_line", "adc.offset_line_lsb", "adc.inl_line_lsb"}
_BENDING = {"device_curvature_per_volt2", "polarity_asymmetry"}


def separating_experiment(names: Iterable[str]) -> str:
    """What to measure in order to tell `names` apart (one name: to see it at all)."""
    group = {stem(name.split("@")[0]) for name in names}
    for applies, experiment in _EXPERIMENTS:
        if applies(group):
            return experiment
    return "more vectors, with other lengths of pulses and other rows driven"


def _charges(group: set[str]) -> set[str]:
    return {name for name in group if name.startswith(("q_", "c_"))}


def _access(group: set[str]) -> set[str]:
    return {name for name in group if name.startswith(("r_access", "r_upper", "r_lower"))}


def _capacitance_and_charge(group: set[str]) -> bool:
    return len(_charges(group)) > 1 and any(name.startswith("c_") for name in group)


def _wires(group: set[str]) -> bool:
    return any("bit_line" in name or "row" in name or "driver" in name for name in group) or bool(group & _SERIES)


# The first that applies
_EXPERIMENTS: tuple[tuple[Callable[[set[str]], bool], str], ...] = (
    (
        lambda group: len(group & _SERIES) > 1,
        "they are in series and act as one: fix one of them from a measurement of its own",
    ),
    (
        lambda group: len(group & _GAINS) > 1,
        "little but their product acts: fix one of them from a measurement of its own",
    ),
    (
        lambda group: _OP_AMP in group,
        "bit lines that hold different sums of conductances: a slow op-amp acts as a resistance in front of them",
    ),
    (
        lambda group: _LINE_CAPACITANCE in group,
        "a window that cuts the tail (read_out.window = 'cut'): several t_tail_second, each a data set, under vectors "
        "whose longest pulses end with it",
    ),
    (
        lambda group: len(group & _OFFSETS) > 1,
        "a vector at rest under two lengths of the window, or charges and codes of the same vectors",
    ),
    (
        lambda group: group == {"adc.offset_line_lsb"},
        "the codes of every line (code_line); the code of a column with two lines holds only their offsets' difference",
    ),
    (
        lambda group: bool(group & _LINES),
        "codes over the whole range of every line's converter, more than a line has parameters",
    ),
    (
        _capacitance_and_charge,
        "the same pulses at a second clamp voltage, as `tilemodel calibrate` without --data simulates them",
    ),
    (lambda group: bool(_charges(group) and _access(group)), "vectors of short pulses beside vectors of long ones"),
    (
        lambda group: len(_charges(group)) > 1 or len(_access(group)) > 1,
        "bit lines that hold different conductances, spread over the whole range",
    ),
    (lambda group: "v_clamp_volt" in group, "a vector at rest"),
    (
        lambda group: bool(group & _BENDING),
        "inputs of both signs and of several amplitudes (drive.coding = 'amplitude')",
    ),
    (_wires, "vectors that drive few rows near the clamp, few rows far from it, and all rows"),
)

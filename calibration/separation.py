"""Which experiment tells apart parameters that the data at hand do not."""

from collections.abc import Iterable

__all__ = ["separating_experiment"]

_SERIES = {"wires.r_terminal_ohm", "read_out.circuit.r_clamp_ohm"}
_GAINS = {"v_read_volt", "g_factor", "adc.gain", "read_out.circuit.ratio", "adc.f_hertz_per_ampere"}
_OFFSETS = {"v_clamp_volt", "adc.offset_lsb"}


def separating_experiment(names: Iterable[str]) -> str:
    """What to measure in order to tell `names` apart (one name: to see it at all)."""
    group = set(names)
    charges = {name for name in group if name.startswith(("q_", "c_"))}
    access = {name for name in group if name.startswith(("r_access", "r_upper", "r_lower"))}
    if len(group & _SERIES) > 1:
        return "they are in series and act as one: fix one of them from a measurement of its own"
    if len(group & _GAINS) > 1:
        return "little but their product acts: fix one of them from a measurement of its own"
    if len(group & _OFFSETS) > 1:
        return "a vector at rest under two lengths of the window, or charges and codes of the same vectors"
    if {name for name in charges if name.startswith("c_")} and len(charges) > 1:
        return "the same pulses at a second clamp voltage, as `tilemodel calibrate` without --data simulates them"
    if charges and access:
        return "vectors of short pulses beside vectors of long ones"
    if len(charges) > 1 or len(access) > 1:
        return "bit lines that hold different conductances, spread over the whole range"
    if "v_clamp_volt" in group:
        return "a vector at rest"
    if "device_curvature_per_volt2" in group or "polarity_asymmetry" in group:
        return "inputs of both signs and of several amplitudes (drive.coding = 'amplitude')"
    wires = {name for name in group if "bit_line" in name or "row" in name or "driver" in name} | group & _SERIES
    if wires:
        return "vectors that drive few rows near the clamp, few rows far from it, and all rows"
    return "more vectors, with other lengths of pulses and other rows driven"

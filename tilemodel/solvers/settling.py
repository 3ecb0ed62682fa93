"""How long a wire takes to settle: a bound, so that a window that cuts the tail is refused, not mispredicted."""

__all__ = ["settling_time_bound_second"]

# The rest of an exponential after this many time constants: exp(-16) = 1.1e-7
_TIME_CONSTANTS = 16.0


def settling_time_bound_second(n_cell: int, r_ohm: float, c_farad: float, r_end_ohm: float) -> float:
    """Time after which a wire of `n_cell` segments is within 1.1e-7 of its final state [s].

    The slowest time constant of an RC line is at most its largest Elmore delay, that of the end farther from the
    resistance `r_end_ohm` that holds the other: r c n (n + 1) / 2 + r_end c n. Cells between two kinds of wires
    only shorten the slowest time constant of both.
    """
    return _TIME_CONSTANTS * c_farad * n_cell * (r_ohm * (n_cell + 1) / 2 + r_end_ohm)

"""How long a bit line takes to settle: a bound, so that a window that cuts the tail is refused, not mispredicted."""

__all__ = ["settling_time_bound_second"]

# The rest of an exponential after this many time constants: exp(-16) = 1.1e-7
_TIME_CONSTANTS = 16.0


def settling_time_bound_second(n_row: int, r_ohm: float, c_farad: float) -> float:
    """Time after which a bit line of `n_row` segments is within 1.1e-7 of its final state [s].

    The slowest time constant of an RC line is at most its largest Elmore delay, that of the far end,
    r c n (n + 1) / 2; the cells' conductances only shorten it.
    """
    return _TIME_CONSTANTS * r_ohm * c_farad * n_row * (n_row + 1) / 2

"""Timing side by side: competitors take turns, so that what else the machine does meets all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Result", "Seconds", "take_turns"]


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """Of several calls."""

    median: float
    minimum: float
    maximum: float
    n_run: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """One competitor at one work."""

    work: str
    size: str
    batch: int
    dtype: str
    competitor: str
    median_second: float | None
    min_second: float | None
    max_second: float | None
    n_run: int
    ratio: float | None
    """Median over the median of the matrix product of the same size, or of what the work says."""
    error_percent_fs: float | None
    """Largest error in % of full scale, against the exact answer; None where there is none to compare."""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def take_turns(
    calls: Mapping[str, Callable[[], object]], *, least_runs: int = 5, most_runs: int = 200, most_second: float = 3.0
) -> dict[str, Seconds]:
    """Call all in turn, after one call of each that is not counted, until `most_second` a competitor have gone.

    A competitor of which even the uncounted call takes longer keeps that one time. Calls of less than 0.1 s are made
    once more, unclocked, before each one that counts: steady state is asked for, not a cache that another has filled.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    first = {name: _clock(call) for name, call in calls.items()}
    quick = {name for name, second in first.items() if second < 0.1}
    slow = {name for name, second in first.items() if second > most_second}
    for name in slow:
        times[name] = [first[name]]
    for run in range(most_runs):
        going = [n for n in calls if n not in slow and (run < least_runs or sum(times[n]) < most_second)]
        if not going:
            break
        for name in going:
            if name in quick:
                calls[name]()
            times[name].append(_clock(calls[name]))
    return {
        name: Seconds(median=statistics.median(t), minimum=min(t), maximum=max(t), n_run=len(t))
        for name, t in times.items()
    }


def _clock(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin

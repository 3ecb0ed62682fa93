"""Waves of the test benches of circuit exports: rows, and what starts and ends their converters."""

from tilemodel.config.passes import tile_passes
from tilemodel.exports.probe import Probe

__all__ = ["FARAD", "HOLD", "SAMPLE", "control_waves", "schedule"]

# Of the converters' integrators: their capacitor, and how many of its time constants a tick of reset is
FARAD, HOLD = 1e-9, 60.0
# When codes are read: this part of a tick after a window
SAMPLE = 0.25
_N_BENCH = 4


def control_waves(probe: Probe, windows: list[tuple[int, int, float, float]]) -> dict[str, list[tuple[float, float]]]:
    """Points (second, volt): `reset` holds the integrators at 0, `run` lets them integrate, `sample` gives the codes.

    Windows are a tick apart; codes are out in the second quarter behind them, reset lasts for half of a tick. Both
    ramps of `run` lie before the window's ends, where a settled line is at rest, so that its area is the window.
    """
    tick = probe.tile.drive.t_lsb_second
    ramp = min(tick / 20, max(probe.tile.drive.t_edge_second, 1e-12))
    waves = {"reset": [(0.0, 1.0)], "run": [(0.0, 0.0)], "sample": [(0.0, 0.0)]}

    def pulse(name: str, begin: float, end: float, rest: float) -> None:
        waves[name] += [(begin - ramp, rest), (begin, 1 - rest), (end - ramp, 1 - rest), (end, rest)]

    for _, _, begin, end in windows:
        pulse("reset", begin - 2 * ramp, end + 0.5 * tick, 1.0)
        pulse("run", begin, end, 0.0)
        pulse("sample", end + 2 * ramp, end + 0.4 * tick, 0.0)
    return waves


def schedule(probe: Probe) -> tuple[list[list[tuple[float, float]]], list[tuple[int, int, float, float]]]:
    """All passes of the first vectors, a tick apart: points (second, height) of each row, and windows.

    A window is (pass, vector, start [second], end [second]).
    """
    tile, drive = probe.tile, probe.tile.drive
    rows: list[list[tuple[float, float]]] = [[(0.0, 0.0)] for _ in range(tile.array.n_row)]
    windows, start, edge = [], 0.0, max(drive.t_edge_second, 1e-12)
    for number, each in enumerate(tile_passes(tile, probe.ticks[:_N_BENCH])):
        window = tile.t_window_second(each.n_tick_max)
        for vector in range(len(each.n_tick)):
            start += drive.t_lsb_second
            for row, points in enumerate(rows):
                height, end = float(each.height[vector, row]), start + each.n_tick[vector, row] * drive.t_lsb_second
                if height:
                    times = (start + edge / 10, start + edge, end + edge / 10, end + edge)
                    points += zip(times, (0.0, height, height, 0.0), strict=True)
            windows.append((number, vector, start, start + window))
            start += window
    return rows, windows

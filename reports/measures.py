"""What a tile file may limit beside the model's accuracy: IR drop, linearity of the converters, settling."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilemodel.adc import ConverterBank
from tilemodel.adc_metrics import TransferMetrics, transfer_metrics
from tilemodel.config.adc import IdealAdc, lines_differ
from tilemodel.config.layout import line_count
from tilemodel.config.tile import TileConfig

__all__ = ["Measures", "converter_metrics", "measure_tile"]

# Code edges of all converters together; more take minutes and gigabytes
_MOST_EDGES = 2**22


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Figures of one condition; None: the tile has nothing to measure it on."""

    ir_drop_percent: float
    """Largest of all cells, of the read voltage."""
    inl_lsb: float | None
    """Largest end-point |INL| of all converters."""
    dnl_lsb: float | None
    missing_codes: int | None
    """Of the converter that misses most."""
    settling_percent: float | None
    """Mean current in the last quarter of the tail, of the largest; None where outputs are sampled."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return asdict(self)


def measure_tile(
    tile: TileConfig, ir_drop_percent: NDArray[np.float64], residual_current_fraction: float | None
) -> Measures:
    """The figures of `tile`, with its IR drops [n_row, n_line] and what SPICE's currents left at the window's end."""
    metrics = converter_metrics(tile)
    return Measures(
        ir_drop_percent=float(ir_drop_percent.max()),
        inl_lsb=None if metrics is None else float(np.abs(metrics.inl_end_point_lsb).max()),
        dnl_lsb=None if metrics is None else float(np.abs(metrics.dnl_lsb).max()),
        missing_codes=None if metrics is None else int(metrics.missing.sum(axis=0).max()),
        settling_percent=None if residual_current_fraction is None else 100 * residual_current_fraction,
    )


def converter_metrics(tile: TileConfig) -> TransferMetrics | None:
    """INL and DNL of the tile's converters, one of them where all are alike; None for ideal ones and for very many.

    A read-out in transistors has no law of its own here: None too.
    """
    if isinstance(tile.adc, IdealAdc):
        return None
    n_line = line_count(tile) if tile.mismatch is not None or lines_differ(tile.adc) else 1
    bank = ConverterBank(tile.adc, tile.mismatch, n_line, tile.signed_lines)
    if (bank.largest_code - bank.smallest_code) * n_line > _MOST_EDGES:
        return None
    window = tile.t_window_second(tile.drive.n_tick_max)
    return transfer_metrics(bank, t_window_second=window)

"""Rows of a layer's tiles: where inputs and weights lie in them, and inputs scaled for the columns of one end."""

from collections.abc import Iterator

from torch import Tensor

__all__ = ["ordered_ticks", "ordered_weights", "scaled_inputs"]


def ordered_weights(tiled: Tensor, order: Tensor | None) -> Tensor:
    """Weights [K, n_row, C] as they lie in the tiles: row p of tile k is its row `order`[k, p]; None: as they are."""
    if order is None:
        return tiled
    return tiled.gather(1, order[:, :, None].expand_as(tiled))


def ordered_ticks(ticks: Tensor, order: Tensor | None) -> Tensor:
    """Ticks [n_vec, K, n_row] on the rows of `ordered_weights`."""
    if order is None:
        return ticks
    return ticks.gather(2, order.expand_as(ticks))


def scaled_inputs(flat: Tensor, gain: Tensor | None, north: Tensor) -> Iterator[tuple[Tensor, Tensor | float]]:
    """Inputs [n_vec, n_in] as they are driven, and whom for: [C], 1 for columns that take them, else 0; or 1 for all.

    `gain` [n_end, n_in] scales them; with n_end = 2 for the columns read at the south end and then, the tiles being
    driven a second time, for those at the north end, which `north` [C] says. None: as they are.
    """
    if gain is None:
        yield flat, 1.0
    elif len(gain) == 1:
        yield flat * gain[0], 1.0
    else:
        for factor, columns in zip(gain.unbind(0), (~north, north), strict=True):
            yield flat * factor, columns.to(flat.dtype)

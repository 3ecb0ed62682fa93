"""What the sections of the study's page share: names, and how a row of the results is written."""

from collections.abc import Iterable
from typing import Any

__all__ = [
    "ARMS",
    "LABELS",
    "Row",
    "cell",
    "figures",
    "gain",
    "hardest",
    "listed",
    "loss",
    "networks_of",
    "trained_row",
]

LABELS = {
    "digital": "digital",
    "quantization": "8-bit inputs",
    "adc": "ADC",
    "read_noise": "read noise",
    "wires": "IR drop",
    "together": "all",
    "together_columns": "all, columns calibrated",
    "together_compensated": "all, compensated",
    "together_ordered": "all, rows ordered",
    "together_split": "all, bit lines of half the rows",
    "together_corrected": "all, inputs and columns scaled",
    "together_head": "all, head fitted again",
}
ARMS = {"plain": "plainly", "gaussian": "with Gaussian noise", "tile": "through the tile"}

Row = dict[str, Any]


def networks_of(rows: Iterable[Row]) -> list[str]:
    """Each network once, in the order of the rows."""
    return list(dict.fromkeys(row["network"] for row in rows))


def hardest(results: dict[str, Any]) -> str:
    """The last tile that networks are trained on."""
    return [name for name in results["tiles"] if any(row["tile"] == name for row in results["trained"])][-1]


def trained_row(results: dict[str, Any], network: str, tile: str, arm: str, name: str) -> Row:
    """The row of a network that was trained on."""
    wanted = {"network": network, "tile": tile, "arm": arm, "condition": name}
    return next(row for row in results["trained"] if wanted.items() <= row.items())


def cell(row: Row) -> str:
    """Accuracy in %, and its difference in points where there is one."""
    if row["low"] == row["high"] == 0:
        return f"{100 * row['score']:.1f}"
    return f"{100 * row['score']:.1f}; {loss(row)}"


def loss(row: Row) -> str:
    """Points less than digital, with their interval."""
    return figures(row["difference"], row["low"], row["high"])


def gain(row: Row) -> str:
    """Points more than after plain training, with their interval."""
    return figures(row["over_plain_difference"], row["over_plain_low"], row["over_plain_high"])


def figures(value: float, low: float, high: float) -> str:
    """Points, with a star where the interval leaves 0 out."""
    mark = "*" if low > 0 or high < 0 else ""
    return f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}){mark}"


def listed(names: Iterable[str]) -> str:
    """`a, b and c`"""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last

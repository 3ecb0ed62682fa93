"""Time against tile size and batch, all competitors."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.timing import Result

__all__ = ["draw"]

_MARKERS = "osD^v<>PX*h"


def draw(results: Sequence[Result], path: Path) -> None:
    """Two panels: meshes by size, rail pairs by batch; logarithmic, legible in grey by their markers."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curves(left, [r for r in results if r.work == "mesh"], lambda r: int(r.size.split()[0]))
    _curves(
        left, [r for r in results if r.work == "mesh programming"], lambda r: int(r.size.split()[0]), "programming, "
    )
    left.set(xlabel="rows = bit lines of a passive mesh", ylabel="time a call [s]", title="Two-wire mesh, 16 vectors")
    pairs = [r for r in results if r.work in ("rail_pair", "rail_pair codes") and r.dtype == "float64"]
    _curves(right, pairs, lambda r: r.batch)
    size = next((r.size for r in pairs), "")
    right.set(xlabel="vectors a batch", ylabel="time a call [s]", title=f"Rail pairs, {size}")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log")
        axes.grid(alpha=0.3, which="both", linewidth=0.5)
        axes.legend(fontsize=8)
    figure.savefig(path, metadata={"Date": None})


def _curves(axes: object, results: Sequence[Result], where: object, prefix: str = "") -> None:
    found: dict[str, list[tuple[int, float]]] = {}
    for r in results:
        if r.median_second is not None:
            name = f"{prefix}{r.competitor}" + (
                ", codes" if r.work.endswith("codes") and "tile" in r.competitor else ""
            )
            found.setdefault(name, []).append((where(r), r.median_second))
    for k, (name, points) in enumerate(sorted(found.items())):
        x, y = zip(*sorted(points), strict=True)
        mine = "tilemodel" in name
        axes.plot(x, y, marker=_MARKERS[k % len(_MARKERS)], linewidth=2.4 if mine else 1.2, label=name)

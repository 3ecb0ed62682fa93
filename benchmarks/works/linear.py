"""Works of linear tiles: a matrix product is the limit."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.timing import Result, take_turns
from benchmarks.works.common import MATMUL, Quick, enlist, error_percent, products, programmed, result, results, sized
from tilemodel import TileLayer, TileModel, ideal_charge
from tilemodel.config.operands import random_ticks
from tilemodel.solvers.mesh import mesh_transfer

__all__ = ["growth", "layer", "mesh", "programming", "rail_pair", "rail_pair_peers"]


def rail_pair(quick: Quick) -> Iterator[Result]:
    """Codes of a linear tile in steady state, converters included; the limit is the product of the same size."""
    tile = sized("ibm_pair_512x512.toml", 128 if quick else 512)
    c, rng = programmed(tile)
    model = TileModel(tile, c)
    for batch in (1, 16, 128):
        ticks = random_ticks(tile, rng, batch)
        for dtype in (np.float64, np.float32):
            calls = products(tile, ticks, dtype) | {"tilemodel": lambda t=ticks, d=dtype: model.codes(t, d)}
            yield from results("rail_pair codes", tile, batch, dtype, take_turns(calls), {"tilemodel": 0.0})


def rail_pair_peers(quick: Quick) -> Iterator[Result]:
    """Charges of the same tile by those who solve the circuit; error against the exact answer."""
    tile = sized("ibm_pair_512x512.toml", 64 if quick else 512)
    c, rng = programmed(tile)
    model = TileModel(tile, c)
    for batch in (1, 128):
        ticks = random_ticks(tile, rng, batch)
        calls: dict[str, Callable[[], Any]] = {"tilemodel": lambda t=ticks: model.charges(t)}
        notes: dict[str, str] = {}
        for name, module, settings in (
            ("aihwkit, its defaults", "aihwkit", {}),
            ("aihwkit, a segment a row", "aihwkit", {"segments": None, "integration_sum": True}),
            ("CrossSim", "crosssim", {}),
            ("SuperLU", "superlu", {}),
        ):
            if batch == 128 and "segment" in name:
                continue
            enlist(calls, notes, name, module, "rail_pair", ticks, tile, c, **settings)
        exact, full_scale = model.charges(ticks), np.abs(ideal_charge(tile, c, ticks)).max()
        errors = {name: error_percent(call(), exact, full_scale) for name, call in calls.items() if name != "tilemodel"}
        times = take_turns(calls | products(tile, ticks, np.float64), least_runs=3)
        yield from results("rail_pair", tile, batch, np.float64, times, {"tilemodel": 0.0, **errors}, notes)


def programming(quick: Quick) -> Iterator[Result]:
    """From conductances to a tile that multiplies."""
    tile = sized("ibm_pair_512x512.toml", 128 if quick else 512)
    c, _ = programmed(tile)
    times = take_turns({"tilemodel": lambda: TileModel(tile, c)})
    yield from results("rail_pair programming", tile, 1, np.float64, times, {"tilemodel": 0.0})


def mesh(quick: Quick) -> Iterator[Result]:
    """A two-wire passive mesh, 1 Ohm a segment: W_eff once, then currents of vectors."""
    rng = np.random.default_rng(1)
    for n in (32, 64) if quick else (64, 128, 256, 512):
        g, v = rng.uniform(1e-6, 40e-6, (n, n)), rng.uniform(0, 0.2, (16, n))
        transfer = _mesh_matrix(g)
        once = take_turns({"tilemodel": lambda g=g: _mesh_matrix(g)}, least_runs=2, most_second=2.0)
        yield from results("mesh programming", f"{n} x {n}", 1, np.float64, once, {"tilemodel": 0.0})
        calls: dict[str, Callable[[], Any]] = {
            MATMUL: lambda v=v, g=g: v @ g,
            "tilemodel": lambda v=v, t=transfer: v @ t,
        }
        notes: dict[str, str] = {}
        others = {
            "SuperLU": 512,
            "badcrossbar": 256,
            "CrossSim": 128,
            "VACASK, one vector": 256,
            "ngspice, one vector": 64,
        }
        for name, largest in others.items():
            if n <= largest:
                operand = v[:1] if "one vector" in name else v
                enlist(calls, notes, name, name.partition(",")[0].lower(), "mesh", operand, g, 1.0, 1.0)
        exact = v @ transfer
        errors = {
            name: error_percent(found := call(), exact[: len(found)], np.abs(exact).max())
            for name, call in calls.items()
            if name not in (MATMUL, "tilemodel")
        }
        times = take_turns(calls, least_runs=2)
        yield from results("mesh", f"{n} x {n}", len(v), np.float64, times, {"tilemodel": 0.0, **errors}, notes)


def growth(quick: Quick) -> Iterator[Result]:
    """Time against rows, columns and batch, each alone, the others 64; the order fitted stands in the note."""
    sizes = (64, 128, 256) if quick else (64, 256, 1024, 4096)
    for what in ("rows", "columns", "batch"):
        seconds = []
        for size in sizes:
            n_row, n_col, batch = (size if what == axis else 64 for axis in ("rows", "columns", "batch"))
            tile = sized("ibm_pair_512x512.toml", n_row, n_col)
            c, rng = programmed(tile)
            model, ticks = TileModel(tile, c), random_ticks(tile, rng, batch)
            found = take_turns({"tilemodel": lambda m=model, t=ticks: m.codes(t)})["tilemodel"]
            seconds.append(found.median)
            yield result(f"growth by {what}", tile, batch, np.float64, "tilemodel", found, seconds[0], None)


def layer(quick: Quick) -> Iterator[Result]:
    """A 4096 x 4096 layer over 64 tiles."""
    n = 512 if quick else 4096
    tile = sized("ibm_pair_512x512.toml", 128 if quick else 512)
    rng = np.random.default_rng(0)
    weights = np.clip(rng.normal(0, 1 / 3, (n, n)), -1, 1)
    product = TileLayer(tile, weights)
    ticks = rng.integers(-127, 128, (16, n))
    calls = {MATMUL: lambda: ticks.astype(float) @ weights, "tilemodel": lambda: product.codes(ticks)}
    times = take_turns(calls, least_runs=3)
    note = f"{_peak_gigabyte():.1f} GB peak of the whole process"
    yield from results("layer", f"{n} x {n}", 16, np.float64, times, {"tilemodel": 0.0}, {"tilemodel": note})


def _mesh_matrix(g: np.ndarray) -> np.ndarray:
    transfer, _ = mesh_transfer(
        g[np.newaxis],
        r_bit_ohm=1.0,
        r_end_ohm=0.0,
        r_row_ohm=1.0,
        r_driver_ohm=0.0,
        driven_end="west",
        north=np.zeros(g.shape[1], dtype=bool),
    )
    return transfer[0]


def _peak_gigabyte() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2

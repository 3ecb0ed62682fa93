"""Works beside the model: circuit simulators, netlists, raw files, processes."""

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import peer
from benchmarks.timing import Result, take_turns
from benchmarks.works.common import (
    EXAMPLES,
    Quick,
    error_percent,
    missing,
    programmed,
    result,
    sized,
)
from tilemodel import Conductances, TileConfig, TileModel, ideal_charge
from tilemodel.config.operands import random_ticks

__all__ = ["files", "imports", "jobs", "simulators"]


def simulators(quick: Quick) -> Iterator[Result]:
    """One vector of the same tile in a circuit simulator's transient, and in the fast model."""
    yield from _against_ngspice("ibm_pair_512x512.toml", 64, 4 if quick else 64)
    yield from _against_ngspice("switch_512x512.toml", 64, 2, accuracy=2e-4)
    if not quick:
        yield from _against_ngspice("ibm_pair_512x512.toml", 512, 64)
        yield from _sky130()


def _against_ngspice(example: str, n_row: int, n_col: int, **accuracy: float) -> Iterator[Result]:
    tile = sized(example, n_row, n_col)
    c, rng = programmed(tile)
    model, ticks = TileModel(tile, c, **accuracy), random_ticks(tile, rng, 1)
    yield from _simulated(tile, c, model, ticks)


def _simulated(tile: TileConfig, c: Conductances, model: TileModel, ticks: np.ndarray) -> Iterator[Result]:
    module = peer("ngspice")
    reason = module.available()
    calls: dict[str, Callable[[], Any]] = {"tilemodel": lambda: model.charges(ticks)}
    errors = {}
    found: list[np.ndarray] = []
    if reason is None:
        run = module.charges(tile, c)
        calls["ngspice"] = lambda: found.append(run(ticks))
    times = take_turns(calls, least_runs=1, most_second=1.0)
    if found:
        full_scale = np.abs(ideal_charge(tile, c, ticks)).max()
        errors["tilemodel"] = error_percent(model.charges(ticks), found[0], full_scale)
    base = times["tilemodel"].median
    for name, seconds in times.items():
        yield result(f"{tile.cell.kind} transient", tile, 1, np.float64, name, seconds, base, errors.get(name))
    if reason:
        yield missing("transient", tile, "ngspice", reason)


def _sky130() -> Iterator[Result]:
    """256 x 4 SKY130 transistors, with the parameters of the rows study."""
    from tilemodel import load_model

    compact = load_model(EXAMPLES.parent / "docs" / "studies" / "sky130_rows" / "model_met3.json")
    array = compact.tile.array.model_copy(update={"n_row": 256, "n_col": 2})
    tile = compact.tile.model_copy(update={"array": array, "name": "sky130_256x2"})
    c, rng = programmed(tile)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more rows than were calibrated
        model = compact.tile_model(c, tile, accuracy=1e-4)
    yield from _simulated(tile, c, model, random_ticks(tile, rng, 1))


def imports(_quick: Quick) -> Iterator[Result]:
    """Whole Python processes; ratio to `import numpy`."""

    def python(statement: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True)

    calls = {
        "import numpy": python("import numpy"),
        "import tilemodel": python("import tilemodel"),
        "from tilemodel import TileModel, load_tile": python("from tilemodel import TileModel, load_tile"),
    }
    times = take_turns(calls, least_runs=7, most_second=4.0)
    for name, seconds in times.items():
        yield result("import", "", 1, np.float64, name, seconds, times["import numpy"].median, None)


def files(quick: Quick) -> Iterator[Result]:
    """Netlists written [elements/s] and raw files read [bytes/s]: the rate stands in the note."""
    from spice_netlists.deck import build_deck
    from spice_netlists.rawfile import read_raw
    from tilemodel.config.passes import tile_passes

    tile = sized("ibm_pair_512x512.toml", 128 if quick else 512)
    c, rng = programmed(tile)
    drive = tile_passes(tile, random_ticks(tile, rng, 1))[0].pulses(0)
    text = build_deck(tile, c, drive).text
    n_element = sum(line[:1] in "RCVIEFGHBX" for line in text.splitlines())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.raw"
        names = [f"i(vc{k})" for k in range(1, 65)]
        n_byte = _write_raw(path, 10_000 if quick else 200_000, names)
        calls = {"netlist": lambda: build_deck(tile, c, drive), "raw file": lambda: read_raw(path, names)}
        times = take_turns(calls, least_runs=3)
    rates = {"netlist": (n_element, "elements/s"), "raw file": (n_byte, "bytes/s")}
    for name, seconds in times.items():
        amount, unit = rates[name]
        note = f"{amount / seconds.median:.3g} {unit}"
        yield result("files", tile, 1, np.float64, name, seconds, None, None, note)


def _write_raw(path: Path, n_point: int, signals: list[str]) -> int:
    """A binary raw file as ngspice writes it; returns its size [byte]."""
    names = ["\t0\ttime\ttime\n", *(f"\t{k}\t{name}\tcurrent\n" for k, name in enumerate(signals, start=1))]
    header = (
        f"Title: t\nDate: d\nPlotname: Transient Analysis\nFlags: real\nNo. Variables: {len(names)}\n"
        f"No. Points: {n_point}\nVariables:\n{''.join(names)}Binary:\n"
    )
    data = np.random.default_rng(0).normal(size=(n_point, len(names)))
    data[:, 0] = np.arange(n_point) * 1e-9
    path.write_bytes(header.encode() + data.tobytes())
    return path.stat().st_size


def jobs(quick: Quick) -> Iterator[Result]:
    """The same sixteen ngspice runs by one process at a time and by two; ratio to two."""
    from spice_netlists.batch import simulate

    if (reason := peer("ngspice").available()) is not None:
        yield missing("jobs", "", "ngspice", reason)
        return
    tile = sized("ibm_pair_512x512.toml", 64, 8 if quick else 16)
    c, rng = programmed(tile)
    ticks = random_ticks(tile, rng, 16)
    calls = {f"{n} processes": lambda n=n: simulate(tile, c, ticks, processes=n) for n in (1, 2)}
    times = take_turns(calls, least_runs=2, most_second=20.0)
    for name, seconds in times.items():
        yield result("jobs", tile, 16, np.float64, name, seconds, times["2 processes"].median, None)

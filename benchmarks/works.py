"""The kinds of work that are timed. Each gives one `Result` a competitor; docs/speed.md says what is compared."""

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import peer
from benchmarks.timing import Result, Seconds, take_turns
from tilemodel import Conductances, TileConfig, TileLayer, TileModel, conductances_from_weights, ideal_charge, load_tile
from tilemodel.config.operands import random_ticks, random_weights
from tilemodel.solvers.mesh import mesh_transfer

__all__ = ["WORKS", "Quick"]

EXAMPLES = Path(__file__).parent.parent / "examples"
Quick = bool
MATMUL = "numpy matmul"


def rail_pair(quick: Quick) -> Iterator[Result]:
    """Codes of a linear tile in steady state, converters included; the limit is the product of the same size."""
    tile = _sized("ibm_pair_512x512.toml", 128 if quick else 512)
    c, rng = _programmed_operands(tile)
    model = TileModel(tile, c)
    for batch in (1, 16, 128):
        ticks = random_ticks(tile, rng, batch)
        for dtype in (np.float64, np.float32):
            calls = _products(tile, ticks, dtype) | {"tilemodel": lambda t=ticks, d=dtype: model.codes(t, d)}
            yield from _results("rail_pair codes", tile, batch, dtype, take_turns(calls), {"tilemodel": 0.0})


def rail_pair_peers(quick: Quick) -> Iterator[Result]:
    """Charges of the same tile by those who solve the circuit; error against the exact answer."""
    tile = _sized("ibm_pair_512x512.toml", 64 if quick else 512)
    c, rng = _programmed_operands(tile)
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
            _enlist(calls, notes, name, module, "rail_pair", ticks, tile, c, **settings)
        exact, full_scale = model.charges(ticks), np.abs(ideal_charge(tile, c, ticks)).max()
        errors = {name: _error(call(), exact, full_scale) for name, call in calls.items() if name != "tilemodel"}
        times = take_turns(calls | _products(tile, ticks, np.float64), least_runs=3)
        yield from _results("rail_pair", tile, batch, np.float64, times, {"tilemodel": 0.0, **errors}, notes)


def programming(quick: Quick) -> Iterator[Result]:
    """From conductances to a tile that multiplies."""
    tile = _sized("ibm_pair_512x512.toml", 128 if quick else 512)
    c, _ = _programmed_operands(tile)
    times = take_turns({"tilemodel": lambda: TileModel(tile, c)})
    yield from _results("rail_pair programming", tile, 1, np.float64, times, {"tilemodel": 0.0})


def mesh(quick: Quick) -> Iterator[Result]:
    """A two-wire passive mesh, 1 Ohm a segment: W_eff once, then currents of vectors."""
    rng = np.random.default_rng(1)
    for n in (32, 64) if quick else (64, 128, 256, 512):
        g, v = rng.uniform(1e-6, 40e-6, (n, n)), rng.uniform(0, 0.2, (16, n))
        transfer = _mesh_matrix(g)
        once = take_turns({"tilemodel": lambda g=g: _mesh_matrix(g)}, least_runs=2, most_second=2.0)
        yield from _results("mesh programming", f"{n} x {n}", 1, np.float64, once, {"tilemodel": 0.0})
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
                _enlist(calls, notes, name, name.partition(",")[0].lower(), "mesh", operand, g, 1.0, 1.0)
        exact = v @ transfer
        errors = {
            name: _error(found := call(), exact[: len(found)], np.abs(exact).max())
            for name, call in calls.items()
            if name not in (MATMUL, "tilemodel")
        }
        times = take_turns(calls, least_runs=2)
        yield from _results("mesh", f"{n} x {n}", len(v), np.float64, times, {"tilemodel": 0.0, **errors}, notes)


def gated(quick: Quick) -> Iterator[Result]:
    """1T1R cells, exact and at 0.02 % of full scale; the limit is the product with the tile's lines, two a column."""
    tile = _sized("switch_512x512.toml", 128 if quick else 512)
    c, rng = _programmed_operands(tile)
    batch = 16
    ticks = random_ticks(tile, rng, batch)
    exact, lumped = TileModel(tile, c), TileModel(tile, c, accuracy=2e-4)
    quiet = exact.mvm(ticks).charge_coulomb
    full_scale = np.abs(ideal_charge(tile, c, ticks)).max()
    error = _error(lumped.mvm(ticks).charge_coulomb, quiet, full_scale)
    drop = 100 * np.abs(ideal_charge(tile, c, ticks) - quiet).max() / full_scale
    calls = _products(tile, ticks, np.float64, n_line=2 * tile.array.n_col) | {
        "tilemodel, 0.02 %": lambda: lumped.charges(ticks),
        "tilemodel, exact": lambda: exact.charges(ticks),
    }
    notes = dict.fromkeys(calls, f"IR drop {drop:.1f} % of full scale")
    errors = {"tilemodel, 0.02 %": error, "tilemodel, exact": 0.0}
    yield from _results("gated_1t1r", tile, batch, np.float64, take_turns(calls, least_runs=3), errors, notes)


def compressing_oscillator(quick: Quick) -> Iterator[Result]:
    """Codes of oscillators that need the current's waveform."""
    tile = _sized("ibm_pair_512x512.toml", 128 if quick else 512)
    adc = load_tile(EXAMPLES / "circuits" / "adc_cco_compressing.toml").adc
    tile = tile.model_copy(update={"adc": adc.model_copy(update={"i_half_ampere": 2e-3, "count_max": 2**16})})
    c, rng = _programmed_operands(tile)
    model, ticks = TileModel(tile, c), random_ticks(tile, rng, 16)
    calls = _products(tile, ticks, np.float64) | {"tilemodel": lambda: model.codes(ticks)}
    yield from _results("non-linear CCO codes", tile, 16, np.float64, take_turns(calls), {"tilemodel": 0.0})


def simulators(quick: Quick) -> Iterator[Result]:
    """One vector of the same tile in a circuit simulator's transient, and in the fast model."""
    yield from _against_ngspice("ibm_pair_512x512.toml", 64, 4 if quick else 64)
    yield from _against_ngspice("switch_512x512.toml", 64, 2, accuracy=2e-4)
    if not quick:
        yield from _against_ngspice("ibm_pair_512x512.toml", 512, 64)
        yield from _sky130()


def _against_ngspice(example: str, n_row: int, n_col: int, **accuracy: float) -> Iterator[Result]:
    tile = _sized(example, n_row, n_col)
    c, rng = _programmed_operands(tile)
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
        errors["tilemodel"] = _error(model.charges(ticks), found[0], full_scale)
    base = times["tilemodel"].median
    for name, seconds in times.items():
        yield _result(f"{tile.cell.kind} transient", tile, 1, np.float64, name, seconds, base, errors.get(name))
    if reason:
        yield _missing("transient", tile, "ngspice", reason)


def _sky130() -> Iterator[Result]:
    """256 x 4 SKY130 transistors, with the parameters of the rows study."""
    from tilemodel import load_model

    compact = load_model(EXAMPLES.parent / "docs" / "studies" / "sky130_rows" / "model_met3.json")
    array = compact.tile.array.model_copy(update={"n_row": 256, "n_col": 2})
    tile = compact.tile.model_copy(update={"array": array, "name": "sky130_256x2"})
    c, rng = _programmed_operands(tile)
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
        yield _result("import", "", 1, np.float64, name, seconds, times["import numpy"].median, None)


def files(quick: Quick) -> Iterator[Result]:
    """Netlists written [elements/s] and raw files read [bytes/s]: the rate stands in the note."""
    from spice_netlists.deck import build_deck
    from spice_netlists.rawfile import read_raw
    from tilemodel.config.passes import tile_passes

    tile = _sized("ibm_pair_512x512.toml", 128 if quick else 512)
    c, rng = _programmed_operands(tile)
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
        yield _result("files", tile, 1, np.float64, name, seconds, None, None, note)


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
        yield _missing("jobs", "", "ngspice", reason)
        return
    tile = _sized("ibm_pair_512x512.toml", 64, 8 if quick else 16)
    c, rng = _programmed_operands(tile)
    ticks = random_ticks(tile, rng, 16)
    calls = {f"{n} processes": lambda n=n: simulate(tile, c, ticks, processes=n) for n in (1, 2)}
    times = take_turns(calls, least_runs=2, most_second=20.0)
    for name, seconds in times.items():
        yield _result("jobs", tile, 16, np.float64, name, seconds, times["2 processes"].median, None)


def growth(quick: Quick) -> Iterator[Result]:
    """Time against rows, columns and batch, each alone, the others 64; the order fitted stands in the note."""
    sizes = (64, 128, 256) if quick else (64, 256, 1024, 4096)
    for what in ("rows", "columns", "batch"):
        seconds = []
        for size in sizes:
            n_row, n_col, batch = (size if what == axis else 64 for axis in ("rows", "columns", "batch"))
            tile = _sized("ibm_pair_512x512.toml", n_row, n_col)
            c, rng = _programmed_operands(tile)
            model, ticks = TileModel(tile, c), random_ticks(tile, rng, batch)
            found = take_turns({"tilemodel": lambda m=model, t=ticks: m.codes(t)})["tilemodel"]
            seconds.append(found.median)
            yield _result(f"growth by {what}", tile, batch, np.float64, "tilemodel", found, seconds[0], None)


def layer(quick: Quick) -> Iterator[Result]:
    """A 4096 x 4096 layer over 64 tiles."""
    n = 512 if quick else 4096
    tile = _sized("ibm_pair_512x512.toml", 128 if quick else 512)
    rng = np.random.default_rng(0)
    weights = np.clip(rng.normal(0, 1 / 3, (n, n)), -1, 1)
    product = TileLayer(tile, weights)
    ticks = rng.integers(-127, 128, (16, n))
    calls = {MATMUL: lambda: ticks.astype(float) @ weights, "tilemodel": lambda: product.codes(ticks)}
    times = take_turns(calls, least_runs=3)
    note = f"{_peak_gigabyte():.1f} GB peak of the whole process"
    yield from _results("layer", f"{n} x {n}", 16, np.float64, times, {"tilemodel": 0.0}, {"tilemodel": note})


def noise(quick: Quick) -> Iterator[Result]:
    """Read noise drawn per vector, batch 16; ratio to the normal deviates alone."""
    from tilemodel.config.load import load_noise_preset, tile_from_mapping
    from tilemodel.noise.noisy_tile import NoisyTile

    plain = _sized("ibm_pair_512x512.toml", 128 if quick else 512)
    values = plain.model_dump(mode="json", exclude={"sources"}, exclude_none=True)
    tile = tile_from_mapping({**values, "noise": load_noise_preset("pcm_ibm")})
    c, rng = _programmed_operands(tile)
    ticks, chip = random_ticks(tile, rng, 16), NoisyTile(TileModel(tile, c), rng)
    buffer = np.empty((16, 2, tile.array.n_row, tile.array.n_col))
    calls: dict[str, Callable[[], object]] = {
        "normal deviates alone": lambda: rng.standard_normal(out=buffer),
        "tilemodel, cell by cell": lambda: chip.mvm(ticks, rng, method="cells"),
        "tilemodel, outputs": lambda: chip.mvm(ticks, rng, method="outputs"),
    }
    times = take_turns(calls, least_runs=3)
    for name, seconds in times.items():
        base = times["normal deviates alone"].median
        yield _result("read noise", tile, 16, np.float64, name, seconds, base, None)


WORKS: Mapping[str, Callable[[Quick], Iterator[Result]]] = {
    work.__name__: work
    for work in (
        rail_pair,
        programming,
        mesh,
        gated,
        compressing_oscillator,
        noise,
        imports,
        files,
        growth,
        layer,
        jobs,
        rail_pair_peers,
        simulators,
    )
}
"""In the order in which they run; those whose competitors take minutes last."""


def _sized(example: str, n_row: int, n_col: int | None = None) -> TileConfig:
    tile = load_tile(EXAMPLES / example)
    array = tile.array.model_copy(update={"n_row": n_row, "n_col": n_row if n_col is None else n_col})
    # wires of the longest bit lines need longer to settle than the example's window is
    tail = tile.read_out.model_copy(update={"t_tail_second": max(tile.read_out.t_tail_second, 1e-7)})
    return tile.model_copy(update={"array": array, "read_out": tail})


def _programmed_operands(tile: TileConfig) -> tuple[Conductances, np.random.Generator]:
    rng = np.random.default_rng(0)
    return conductances_from_weights(tile, random_weights(tile, rng)), rng


def _products(
    tile: TileConfig, ticks: np.ndarray, dtype: type[np.floating], n_line: int | None = None
) -> dict[str, Callable[[], object]]:
    """Bare matrix products of the tile's size, in numpy and, where it is installed, in torch."""
    matrix = np.random.default_rng(2).normal(size=(tile.array.n_row, n_line or tile.array.n_col))
    calls: dict[str, Callable[[], object]] = {}
    for name in ("numpy_matmul", "torch_matmul"):
        module = peer(name)
        if module.available() is None:
            product = module.matmul(matrix, np.dtype(dtype).name)
            operand = product.operand(ticks.astype(np.float64))
            calls[module.NAME] = lambda p=product, x=operand: p.multiply(x)
    return calls


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


def _enlist(
    calls: dict[str, Callable[[], Any]],
    notes: dict[str, str],
    name: str,
    module: str,
    work: str,
    operand: np.ndarray,
    *tile: Any,
    **settings: Any,
) -> None:
    """Add a competitor, or say in `notes` why it is missing."""
    reason = peer(module).available()
    if reason is None:
        try:
            run = getattr(peer(module), work)(*tile, **settings)
        except ValueError as error:
            reason = str(error)
        else:
            calls[name] = lambda: run(operand)
            return
    notes[name] = reason


def _error(found: np.ndarray, exact: np.ndarray, full_scale: float) -> float:
    return float(100 * np.abs(found - exact).max() / full_scale)


def _results(
    work: str,
    tile: TileConfig | str,
    batch: int,
    dtype: type[np.floating],
    times: Mapping[str, Seconds],
    errors: Mapping[str, float],
    notes: Mapping[str, str] | None = None,
) -> Iterator[Result]:
    """One a competitor, with ratios to numpy's product where it ran; then those that are missing."""
    base = times[MATMUL].median if MATMUL in times else None
    for name, seconds in times.items():
        yield _result(work, tile, batch, dtype, name, seconds, base, errors.get(name), (notes or {}).get(name, ""))
    for name, reason in (notes or {}).items():
        if name not in times:
            yield _missing(work, tile, name, reason)


def _result(
    work: str,
    tile: TileConfig | str,
    batch: int,
    dtype: type[np.floating],
    competitor: str,
    seconds: Seconds,
    base: float | None,
    error: float | None,
    note: str = "",
) -> Result:
    return Result(
        work=work,
        size=_size(tile),
        batch=batch,
        dtype=np.dtype(dtype).name,
        competitor=competitor,
        median_second=seconds.median,
        min_second=seconds.minimum,
        max_second=seconds.maximum,
        n_run=seconds.n_run,
        ratio=None if base is None else seconds.median / base,
        error_percent_fs=error,
        note=note,
    )


def _missing(work: str, tile: TileConfig | str, competitor: str, reason: str) -> Result:
    return Result(
        work=work,
        size=_size(tile),
        batch=0,
        dtype="",
        competitor=competitor,
        median_second=None,
        min_second=None,
        max_second=None,
        n_run=0,
        ratio=None,
        error_percent_fs=None,
        note=f"did not run: {reason}",
    )


def _size(tile: TileConfig | str) -> str:
    return tile if isinstance(tile, str) else f"{tile.array.n_row} x {tile.array.n_col}"


def _peak_gigabyte() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2

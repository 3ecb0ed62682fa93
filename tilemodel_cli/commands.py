"""What each command does. Packages are imported inside, so that `tilemodel mvm` does not pay for plots."""

import argparse
import importlib.util
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tilemodel.config.errors import InputError
from tilemodel.config.files import atomic_folder, check_file_target, check_folder_target
from tilemodel.config.load import load_tile
from tilemodel.config.operands import (
    conductances_from_weights,
    load_conductances,
    load_ticks,
    random_ticks,
    random_weights,
)
from tilemodel.config.passes import tile_passes
from tilemodel.config.tile import TileConfig
from tilemodel_cli.assumptions import check, import_configuration
from tilemodel_cli.evaluation import evaluate_task
from tilemodel_cli.export import export_model
from tilemodel_cli.measured import calibrate_to_data, refuse_measured_options
from tilemodel_cli.planning import chosen_design, needs_output, said_of_fit
from tilemodel_cli.running import run_folders_of, runner_of
from tilemodel_cli.sweep import sweeps, validate_sweep

__all__ = [
    "Command",
    "budget_tile",
    "calibrate_tile",
    "check_assumption",
    "compare",
    "compile_kernels",
    "evaluate",
    "export",
    "fit_noise",
    "import_tile",
    "mvm",
    "netlist",
    "noise",
    "spice",
    "validate_tile",
]

# What `mvm` adds to a noise seed, so that nobody's weights come from the same numbers
_NOISE = 0x4E01

Command = Callable[[argparse.Namespace], int]


def netlist(options: argparse.Namespace) -> int:
    """Write one deck a vector and pass, the model files that they need and a manifest."""
    from spice_netlists.deck import build_deck

    tile = load_tile(options.tile)
    rng = np.random.default_rng(options.seed)
    if options.weights:
        conductances = load_conductances(tile, options.weights)
    else:
        conductances = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = load_ticks(tile, options.inputs) if options.inputs else random_ticks(tile, rng, 1)
    manifest = []
    with atomic_folder(options.output, marker="manifest.json") as folder:
        passes = tile_passes(tile, ticks)
        for number, vector in enumerate(ticks):
            for index, drive in enumerate(passes):  # one deck at a time: a 512 x 512 one has 40 MB
                deck = build_deck(tile, conductances, drive.pulses(number))
                name = f"vector_{number:04d}" + (f"_pass_{index}" if len(passes) > 1 else "") + deck.suffix
                for file_name, text in {name: deck.text, **deck.files}.items():
                    (folder / file_name).write_text(text)
                for include in deck.includes:
                    shutil.copyfile(include.path, folder / include.name)
                manifest.append(
                    {"deck": name, "sha256": deck.sha256, "ticks": vector.tolist(), "pass_factor": drive.factor}
                )
        content = {"schema_version": "tilemodel-decks-1", "tile": tile.name, "decks": manifest}
        (folder / "manifest.json").write_text(json.dumps(content, indent=2) + "\n")
    _say(f"{len(manifest)} deck(s) in {options.output}; run one there with: {deck.command} {manifest[0]['deck']}")
    return 0


def spice(options: argparse.Namespace) -> int:
    """Simulate a batch and write charges and codes."""
    from calibration.reference import reference_output
    from tilemodel.output import save_output

    tile = load_tile(options.tile)
    conductances, ticks = load_conductances(tile, options.weights), load_ticks(tile, options.inputs)
    _check_output(options)
    with runner_of(options) as runner, _progress("ngspice runs") as on_done:
        output = reference_output(tile, conductances, ticks, runner=runner, on_done=on_done)
        save_output(output, options.output)
    return 0


def mvm(options: argparse.Namespace) -> int:
    """Multiply a batch with the fast model and write charges and codes."""
    from tilemodel.compact import load_model
    from tilemodel.model import TileModel
    from tilemodel.output import save_output

    _check_output(options)
    if options.tile.endswith(".json"):
        compact = load_model(options.tile)
        tile = compact.tile
        _tell_of_compilation(tile)
        model = compact.tile_model(load_conductances(tile, options.weights), accuracy=options.accuracy)
    else:
        tile = load_tile(options.tile)
        _tell_of_compilation(tile)
        model = TileModel(tile, load_conductances(tile, options.weights), accuracy=options.accuracy)
    ticks = load_ticks(tile, options.inputs)
    if options.noise_seed is None:
        if options.noise_method is not None:
            raise InputError("--noise-method needs --noise-seed; without it mvm is free of noise")
        output = model.mvm(ticks)
    else:
        from tilemodel.noise.noisy_tile import noisy_tile

        rng = np.random.default_rng([_NOISE, options.noise_seed])
        chip = noisy_tile(model, rng)
        output = chip.mvm(ticks, rng, method=options.noise_method, seed=options.noise_seed)
    save_output(output, options.output)
    return 0


def noise(options: argparse.Namespace) -> int:
    """Compute the noise of a tile's outputs in closed form and by Monte Carlo."""
    from reports.noise import noise_lines, output_noise, save_noise
    from tilemodel.compact import load_model
    from tilemodel.model import TileModel

    _check_output(options)
    compact = load_model(options.tile) if options.tile.endswith(".json") else None
    tile = load_tile(options.tile) if compact is None else compact.tile
    rng = np.random.default_rng(options.seed)
    if options.weights:
        conductances = load_conductances(tile, options.weights)
    else:
        conductances = conductances_from_weights(tile, random_weights(tile, rng))
    ticks = load_ticks(tile, options.inputs) if options.inputs else random_ticks(tile, rng, 8)
    model = TileModel(tile, conductances) if compact is None else compact.tile_model(conductances)
    result = output_noise(
        model, ticks, n_draw=options.draws, seed=options.seed, n_spice=options.spice_reads, processes=options.processes
    )
    save_noise(result, options.output)
    for line in noise_lines(result):
        _say(line)
    return 0


def compile_kernels(options: argparse.Namespace) -> int:
    """Compile the fast model's kernels now."""
    from tilemodel.warm_up import compile_kernels as kernels

    del options
    for what in kernels():
        _say(f"compiling: {what}")
    return 0


def calibrate_tile(options: argparse.Namespace) -> int:
    """Fit the fast model to ngspice and write the compact model."""
    from calibration.procedure import calibrate
    from tilemodel.compact import save_model

    tile = load_tile(options.tile)
    _tell_of_compilation(tile)
    needs_output(options)
    if options.output is not None:
        _check_output(options)
    if options.data is not None:
        return calibrate_to_data(tile, options, _say)
    refuse_measured_options(options)
    with runner_of(options) as runner:
        design = chosen_design(tile, options, runner, _say)
        if options.plan:
            return 0
        with _progress("ngspice runs") as on_done:
            model = calibrate(tile, seed=options.seed, design=design, runner=runner, on_done=on_done)
        save_model(model, options.output)
    for name, error in zip(model.fit.fitted, model.fit.standard_error, strict=True):
        _say(f"{name:32s} {getattr(model.parameters, name):14.7g} +- {error:.2g}")
    if model.read_out is not None:
        _say(
            f"read-out: {model.read_out.n_conversion} conversions, largest residual "
            f"{model.read_out.trip_residual_max_lsb:.2g} LSB"
        )
    _say(f"largest residual {model.fit.residual_max_percent_of_largest_charge:.2g} % of the largest charge")
    for line in said_of_fit(tile, model, options):
        _say(line)
    _say(f"model: {options.output}")
    return 0


def validate_tile(options: argparse.Namespace) -> int:
    """Compare with ngspice, write the report, print the summary."""
    from reports.summary import summary_lines
    from reports.validation import validate
    from reports.write import REPORT_MARKER, write_report
    from tilemodel.compact import load_model

    tile = load_tile(options.tile)
    _tell_of_compilation(tile)
    model = load_model(options.model) if options.model else None
    check_folder_target(options.output, marker=REPORT_MARKER)
    if sweeps(options):
        return validate_sweep(tile, model, options, _progress, _say)
    started = time.perf_counter()
    with run_folders_of(options) as (store, run_folders):
        with runner_of(options, store) as runner, _progress("ngspice runs") as on_done:
            validation = validate(
                tile,
                model,
                n_vec=options.vectors,
                seed=options.seed,
                runner=runner,
                on_done=on_done,
                with_budget=True,
            )
        timing = {"simulation_second": time.perf_counter() - started}
        page = write_report(validation, options.output, timing, run_folders)
    for line in summary_lines(validation):
        _say(line)
    _say(f"report: {page.absolute().as_uri()}")
    return 0 if validation.passed else 1


def compare(options: argparse.Namespace) -> int:
    """Print what two reports of `validate` differ in, condition by condition."""
    from reports.compare import compare_conditions, condition_lines, read_conditions

    before, after = read_conditions(options.tile), read_conditions(options.after)
    for line in condition_lines(before, after):
        _say(line)
    return 1 if any(item.worse for item in compare_conditions(before, after).values()) else 0


def budget_tile(options: argparse.Namespace) -> int:
    """Compute the error budget with the fast model, write it, print its table."""
    from reports.budget import error_budget
    from reports.budget_page import BUDGET_MARKER, write_budget
    from reports.summary import budget_lines
    from tilemodel.compact import load_model

    model = load_model(options.tile) if options.tile.endswith(".json") else None
    tile = load_tile(options.tile) if model is None else model.tile
    _tell_of_compilation(tile)
    check_folder_target(options.output, marker=BUDGET_MARKER)
    budget = error_budget(tile, model, n_vec=options.vectors, seed=options.seed)
    page = write_budget(budget, options.output)
    for line in budget_lines(budget):
        _say(line)
    _say(f"budget: {page.absolute().as_uri()}")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Score a network under a tile, condition by condition."""
    return evaluate_task(options, _progress, _say)


def import_tile(options: argparse.Namespace) -> int:
    """Write another simulator's configuration as a tile file."""
    return import_configuration(options, _say)


def check_assumption(options: argparse.Namespace) -> int:
    """Say how far another simulator's configuration is from the circuit."""
    return check(options, _progress, _say)


def export(options: argparse.Namespace) -> int:
    """Write a calibrated tile for another simulator."""
    return export_model(options, _progress, _say)


def fit_noise(options: argparse.Namespace) -> int:
    """Fit read noise to measured traces or sigmas, write preset, figures and, if asked, a compact model with it."""
    from calibration.noise_data import NoiseTraces, read_noise_csv
    from calibration.noise_table import fit_table
    from calibration.noise_traces import fit_traces
    from reports.noise_fit import FIT_MARKER, noise_fit_lines, write_noise_fit
    from tilemodel.compact import load_model

    check_folder_target(options.output, marker=FIT_MARKER)
    model = load_model(options.model) if options.model else None
    data = read_noise_csv(options.tile, v_read_volt=options.v_read)
    fit = fit_traces(data) if isinstance(data, NoiseTraces) else fit_table(data)
    path = write_noise_fit(fit, options.output, model)
    for line in noise_fit_lines(fit):
        _say(line)
    _say(f'in a tile file: [noise] preset = "{path}"')
    return 0


def _tell_of_compilation(tile: TileConfig) -> None:
    """Say on stderr why the first answer takes so long, where no kernel has been compiled yet."""
    ohmic = tile.cell.device.kind == "linear" and tile.cell.device.polarity_asymmetry == 0
    if ohmic and not tile.is_gated:
        return  # one product, nothing to compile
    spec = importlib.util.find_spec("tilemodel.solvers")
    kept = [Path(place) / "__pycache__" for place in (spec and spec.submodule_search_locations) or ()]
    if "NUMBA_CACHE_DIR" in os.environ:
        kept = [Path(os.environ["NUMBA_CACHE_DIR"])]
    if not any(any(folder.rglob("*.nbi")) for folder in kept):
        sys.stderr.write("the first use compiles the model's kernels, up to a minute (`tilemodel compile` does all)\n")


def _check_output(options: argparse.Namespace) -> None:
    """Refuse an output file that cannot be written, or that is one of the inputs, before anything is computed."""
    check_file_target(options.output)
    for name in ("tile", "weights", "inputs", "data"):
        value = getattr(options, name, None)
        for given in value if isinstance(value, list) else [value]:
            if given and Path(given).resolve() == Path(options.output).resolve():
                raise InputError(f"{options.output}: is also the input {name}; give another output")


@contextmanager
def _progress(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, fed with (done, total); drawn at each call: a slow run may follow."""
    with tqdm(unit=f" {unit}", file=sys.stderr, leave=False, disable=None, mininterval=0) as bar:

        def on_done(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_done


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")

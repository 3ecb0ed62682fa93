"""`make exports`: the reference tile through every export, run in the real package, against the model and ngspice.

Writes beside itself: README.md and results.json. The store keeps ngspice's transients, so that a second run has them.
"""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration import calibrate
from calibration.reference import reference_error_coulomb, reference_output
from spice_netlists.ngspice import find_ngspice
from spice_netlists.runs import Runner, RunStore, default_store_folder
from spice_netlists.vacask import find_vacask
from tilemodel import TileConfig, load_model, load_tile
from tilemodel.config.adc import IdealAdc
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.exports import TARGETS, Probe

FloatArray = NDArray[np.float64]

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "ibm_pair_512x512.toml"
N_ROW, N_COL, N_VEC, SEED = 512, 16, 3, 0


def main() -> int:
    """Run the study; exit status 1 if the model misses the example's spec."""
    with Runner(store=RunStore(default_store_folder())) as runner:
        results = study(reference_tile(N_ROW), tuple(RUNS), runner)
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (HERE / "README.md").write_text(page(results))
    return 0 if results["targets"]["json"]["spice_max_percent"] < results["spec_percent"] else 1


def reference_tile(n_row: int) -> TileConfig:
    """IBM's pair with so many rows and 16 columns."""
    tile = load_tile(EXAMPLE)
    return tile.model_copy(update={"array": tile.array.model_copy(update={"n_row": n_row, "n_col": N_COL})})


def study(tile: TileConfig, names: tuple[str, ...], runner: Runner | None) -> dict[str, Any]:
    """Errors of each target's charges and codes."""
    model = calibrate(tile, seed=SEED, runner=runner)
    rng = np.random.default_rng(SEED)
    weights = random_weights(tile, rng)
    weights[0, 0] = 1.0  # aihwkit stretches a matrix until its largest weight is
    ticks = random_ticks(tile, rng, N_VEC)
    probe = Probe(model=model, conductances=conductances_from_weights(tile, weights), ticks=ticks, seed=SEED)
    truth = reference_output(tile, probe.conductances, ticks, runner=runner)
    first = reference_error_coulomb(tile, probe.conductances, ticks[:1], truth.charge_line_coulomb[:1], runner=runner)
    return {
        "n_row": tile.array.n_row,
        "n_col": tile.array.n_col,
        "n_vec": N_VEC,
        "engine": truth.provenance["engine"],
        "reference_percent": 100 * float(np.abs(first).max()) / probe.full_scale_coulomb,
        "spec_percent": tile.spec.max_error_percent_full_scale if tile.spec is not None else None,
        "targets": {name: target(name, probe, truth.charge_coulomb, truth.code) for name in names},
    }


def target(name: str, probe: Probe, charge: FloatArray, code: Any) -> dict[str, Any]:
    """One target's figures; `charge` and `code` are those of ngspice."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        try:
            found, codes, predicted = RUNS[name](probe, Path(folder))
        except (ImportError, FileNotFoundError, KeyError) as error:
            return {"left_out": f"{type(error).__name__}: {error}"}
        seconds = time.perf_counter() - start
    spice, model = probe.errors(found, charge), probe.errors(found)
    return {
        "spice_rms_percent": spice.rms_percent,
        "spice_max_percent": spice.max_percent,
        "model_max_percent": model.max_percent,
        "prediction_relative": float(np.abs(found - predicted).max() / np.abs(predicted).max()),
        "codes_equal_percent": None if codes is None else 100 * float((np.rint(codes) == code).mean()),
        "seconds": round(seconds, 1),
    }


Found = tuple[FloatArray, FloatArray | None, FloatArray]


def written(name: str, probe: Probe, folder: Path) -> Any:
    """The export, written to `folder`."""
    export = TARGETS[name](probe)
    folder.mkdir(exist_ok=True)
    for file, data in export.files.items():
        (folder / file).write_bytes(data if isinstance(data, bytes) else data.encode())
    return export


def module_of(path: Path) -> Any:
    """A module that an export wrote."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_converter(probe: Probe) -> Probe:
    """The same probe of a tile whose charges are read as they are."""
    tile = probe.tile.model_copy(update={"adc": IdealAdc(kind="ideal")})
    model = probe.model.model_copy(update={"tile": tile})
    return Probe(model=model, conductances=probe.conductances, ticks=probe.ticks, seed=probe.seed)


def weights_of(probe: Probe) -> FloatArray:
    """[n_row, n_col]"""
    g = probe.tile.conductance
    return (probe.conductances.g_plus - probe.conductances.g_minus) / (g.g_max_siemens - g.g_min_siemens)


def run_json(probe: Probe, folder: Path) -> Found:
    """The model file, loaded."""
    export = written("json", probe, folder)
    output = load_model(folder / "model.json").tile_model(probe.conductances).mvm(probe.ticks)
    return output.charge_coulomb, output.code, export.predict(probe)


def run_numpy(probe: Probe, folder: Path) -> Found:
    """One matrix product."""
    export = written("numpy", probe, folder)
    arrays = np.load(io.BytesIO((folder / "tile.npz").read_bytes()))
    found = probe.ticks @ arrays["w_eff_coulomb_per_tick"] + arrays["offset_coulomb"]
    return found, None, export.predict(probe)


def run_torch(probe: Probe, folder: Path) -> Found:
    """Our layer: charges without a converter, codes with it."""
    import torch

    from tilemodel.torch import TileLinear

    def layer_output(given: Probe, place: Path) -> FloatArray:
        written("torch", given, place)
        arrays = np.load(io.BytesIO((place / "state.npz").read_bytes()))
        n_out, n_in = arrays["weight"].shape
        linear = torch.nn.Linear(n_in, n_out, bias=False, dtype=torch.float64)
        layer = TileLinear.from_model(place / "model.json", linear)
        layer.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays})
        with torch.no_grad():
            found: FloatArray = layer.eval().codes(torch.from_numpy(given.ticks)).numpy()
        return found

    bare = without_converter(probe)
    return layer_output(bare, folder / "bare"), layer_output(probe, folder / "own"), bare.charge_coulomb


def run_aihwkit(probe: Probe, folder: Path) -> Found:
    """IBM's time-sliced tile in float64."""
    import torch

    torch.set_default_dtype(torch.float64)
    bare, weights = without_converter(probe), weights_of(probe)
    outputs = []
    for given, place in ((bare, folder / "bare"), (probe, folder / "own")):
        written("aihwkit", given, place)
        module = module_of(place / "aihwkit_tile.py")
        config = module.make_rpu_config()
        tile = config.simulator_tile_class(*weights.shape, config)
        tile.set_weights(torch.tensor(weights.T.copy()))
        inputs = torch.tensor(given.ticks / given.tile.drive.n_tick_max)
        with torch.no_grad():
            outputs.append(tile.forward(inputs, is_test=True).numpy())
    charge = outputs[0] * module.charge_per_output_coulomb()
    return charge, outputs[1] * module.code_per_output(), TARGETS["aihwkit"](bare).predict(bare)


def run_lightning(probe: Probe, folder: Path) -> Found:
    """IBM's fast layer, in inference."""
    import torch
    from aihwkit_lightning.nn import AnalogLinear

    torch.set_default_dtype(torch.float64)
    bare, weights = without_converter(probe), weights_of(probe)
    export = written("aihwkit-lightning", bare, folder)
    config = module_of(folder / "lightning_tile.py").make_rpu_config()
    layer = AnalogLinear(*weights.shape, bias=False, rpu_config=config).eval()
    layer.weight.data = torch.tensor(weights.T.copy())
    layer.input_range.data.fill_(1.0)
    with torch.no_grad():
        found = layer(torch.tensor(probe.ticks / probe.tile.drive.n_tick_max)).numpy()
    unit = json.loads((folder / "aihwkit_lightning.json").read_text())["units"]["charge_per_output_coulomb"]
    return found * unit, None, export.predict(bare)


def run_crosssim(probe: Probe, folder: Path, *, both_ends: bool = False) -> Found:
    """Sandia's array, from the checkout that CROSSSIM_PATH names; `both_ends`: two of them."""
    sys.path.insert(0, os.environ["CROSSSIM_PATH"])
    from simulator.backend import ComputeBackend

    ComputeBackend(use_gpu=False)
    from simulator import AnalogCore

    bare, charges = without_converter(probe), []
    for given, place in ((bare, folder / "bare"), (probe, folder / "own")):
        written("crosssim", given, place)
        module, matrix = module_of(place / "crosssim_tile.py"), weights_of(given).T
        core = module.make_core(matrix) if both_ends else AnalogCore(matrix, params=module.make_parameters())
        unit = json.loads((place / "units.json").read_text())["charge_per_output_coulomb"]
        inputs = given.ticks / given.tile.drive.n_tick_max
        charges.append(np.array([core.matvec(x) for x in inputs]) * unit)
    codes = charges[1] * probe.tile.adc.f_hertz_per_ampere
    predicted = bare.charge_coulomb if both_ends else TARGETS["crosssim"](bare).predict(bare)
    return charges[0], codes, predicted


def run_bench(name: str, command: Callable[[], list[str]]) -> Callable[[Probe, Path], Found]:
    """A circuit export's own bench, which prints charges and codes."""

    def run(probe: Probe, folder: Path) -> Found:
        export = written(name, probe, folder)
        done = subprocess.run(command(), cwd=folder, capture_output=True, text=True, check=True)
        outputs = []
        for quantity in ("q", "code"):
            found = np.zeros((N_VEC, probe.tile.array.n_col))
            for vector, line, value in re.findall(rf"^{quantity}_0_(\d+)_(\d+)\s*=\s*(\S+)", done.stdout, re.MULTILINE):
                found[int(vector), int(line)] = float(value)
            outputs.append(found)
        return outputs[0], outputs[1], export.predict(probe)

    return run


RUNS: dict[str, Callable[[Probe, Path], Found]] = {
    "json": run_json,
    "numpy": run_numpy,
    "torch": run_torch,
    "aihwkit": run_aihwkit,
    "aihwkit-lightning": run_lightning,
    "crosssim": run_crosssim,
    "crosssim, make_core": partial(run_crosssim, both_ends=True),
    "ngspice": run_bench("ngspice", lambda: [str(find_ngspice()), "-n", "-b", "bench.cir"]),
    "verilog-a": run_bench("verilog-a", lambda: [str(find_vacask()), "-n", "1", "bench.sim"]),
}
CAUSES = {
    "json": "the model",
    "numpy": "the model, as one matrix",
    "torch": "the model, in `tilemodel.torch`",
    "aihwkit": "the model, stepped in time; the generated tile ends its lines as ours",
    "aihwkit-lightning": "no wires, no clamp offset",
    "crosssim": "all columns are read at the last row; every second one here is read at the first",
    "crosssim, make_core": "its sweeps' tolerance and float32 conductances",
    "ngspice": "the model, as sub-circuits",
    "verilog-a": "the model, as modules in VACASK",
}


def page(results: dict[str, Any]) -> str:
    """README.md of the study."""
    rows = "\n".join(row(name, item) for name, item in results["targets"].items())
    return f"""# Exports of the reference tile: {results["n_row"]} rows, {results["n_col"]} columns, 0.15 Ohm, 25 uS

Written by `make exports` (docs/studies/exports/study.py): every export, loaded and run by the package that it is for, on
{results["n_vec"]} random vectors. Charges in % of full scale (the largest ideal one) against {results["engine"]}, whose own error
is {results["reference_percent"]:.1e} %, and against the model. "As predicted": largest difference from what the export says that the
target computes, over the largest charge. Codes are those of the tile's oscillator against ngspice's charges, counted. Seconds are of
writing, loading and running on a busy machine, with all that the package compiles.

| target | rms against SPICE | largest | largest against the model | as predicted | codes equal | seconds | what is left |
|---|---|---|---|---|---|---|---|
{rows}
"""


def row(name: str, item: dict[str, Any]) -> str:
    """One line of the table."""
    if "left_out" in item:
        return f"| `{name}` | not run: {item['left_out']} | | | | | | |"
    codes = item["codes_equal_percent"]
    return (
        f"| `{name}` | {item['spice_rms_percent']:.2g} | {item['spice_max_percent']:.2g} | {item['model_max_percent']:.2g} "
        f"| {item['prediction_relative']:.1e} | {'-' if codes is None else f'{codes:.4g} %'} | {item['seconds']} "
        f"| {CAUSES[name]} |"
    )


if __name__ == "__main__":
    sys.exit(main())

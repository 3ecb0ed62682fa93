"""`make circuits`: every example of examples/circuits against ngspice, and against VACASK where it has the models.

Writes beside itself: README.md (the table) and results.json (all figures and their provenance). Everything but the
machine's time is determined by the seeds. Names of examples as arguments: these alone are run anew.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from calibration import calibrate
from reports import Validation, validate
from spice_netlists.vacask import run_vacask_operating_point
from spice_netlists.vacask_language import VacaskLanguage
from tilemodel import CompactModel, TileConfig, load_tile
from tilemodel.config.errors import InputError
from tilemodel.config.tile import SimulatorConfig
from tilemodel.solvers.mesh import mesh_transfer
from tilemodel.solvers.nodal import nodal_clamp_currents

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[2] / "examples" / "circuits"
RESULTS = HERE / "results.json"
N_VEC = 4
MESH = 256
# Process corner, temperature [Celsius], supply
CORNERS = (
    *((name, 27.0, 1.0) for name in ("tt", "ff", "ss", "sf", "fs")),
    ("tt", -40.0, 1.0),
    ("tt", 125.0, 1.0),
    ("ss", -40.0, 0.9),
    ("ff", 125.0, 1.1),
)
CORNER_SPEC_PERCENT = 0.01


def main(only: Sequence[str] = ()) -> int:
    """Run the study, or anew the examples named in `only`; exit status 1 if an example misses its spec."""
    kept = json.loads(RESULTS.read_text()) if only else {"tiles": [], "corners": [], "mesh": {}}
    rows = kept_rows() if only else {}
    results = {item["tile"]: item for item in kept["tiles"]}
    files = [path for path in sorted(EXAMPLES.glob("*.toml")) if not only or path.stem in only]
    with tqdm(files, unit=" tiles") as bar:
        for path in bar:
            bar.set_description(path.stem)
            tile = load_tile(path)
            model = calibrate(tile) if needs_calibration(tile) else None
            validation = validate(tile, model, n_vec=N_VEC)
            other = with_vacask(tile, model)
            rows[path.stem] = row(path, validation, other)
            results[tile.name] = result(validation, other)
    tiles = [results[name] for name in sorted(results)]
    corners = kept["corners"] or [corner(*condition) for condition in tqdm(CORNERS, unit=" corners")]
    mesh = kept["mesh"] or passive_mesh(MESH)
    RESULTS.write_text(json.dumps({"tiles": tiles, "corners": corners, "mesh": mesh}, indent=2) + "\n")
    (HERE / "README.md").write_text(page([rows[name] for name in sorted(rows)], tiles, corners, mesh))
    print((HERE / "README.md").read_text())
    return 0 if all(item["passed"] for item in [*tiles, *corners]) else 1


def kept_rows() -> dict[str, str]:
    """The table's lines as they stand, by example."""
    lines = (HERE / "README.md").read_text().splitlines()
    return {line[3 : line.index("]")]: line for line in lines if line.startswith("| [")}


def needs_calibration(tile: TileConfig) -> bool:
    """Whether the tile file leaves something to a fit."""
    access = getattr(tile.cell, "access", None)
    return tile.cell.device.kind == "subckt" or (access is not None and access.kind != "switch")


def with_vacask(tile: TileConfig, model: CompactModel | None) -> Validation | None:
    """The same validation, one vector, with VACASK as the reference; None where it has no model of a part."""
    simulator = tile.simulator.model_copy(update={"engine": "vacask"})
    try:
        return validate(tile.model_copy(update={"simulator": simulator}), model, n_vec=1)
    except InputError:
        return None


def row(path: Path, validation: Validation, other: Validation | None) -> str:
    """One line of the table."""
    accuracy, spec = validation.accuracy, validation.tile.spec
    comment = path.read_text().splitlines()[0].lstrip("# ")
    solver = validation.fast.provenance["solver"]
    vacask = "" if other is None else f"{other.accuracy.max_error_percent_full_scale:.1e}"
    return (
        f"| [{path.stem}](../../../examples/circuits/{path.name}) | {comment} | {solver} "
        f"| {accuracy.ideal_max_error_percent_full_scale:.2g} | **{accuracy.max_error_percent_full_scale:.1e}** "
        f"| {accuracy.error_bound_percent_full_scale:.1e} | {accuracy.reference_error_percent_full_scale:.1e} "
        f"| {vacask} | {shown(accuracy.code_match_percent, '.4g')} % | {shown(spec.max_error_percent_full_scale, 'g')} "
        f"| {'met' if validation.passed else 'MISSED'} |"
    )


def shown(value: float | None, form: str) -> str:
    """The value, or a dash where the tile has none."""
    return "-" if value is None else format(value, form)


def result(validation: Validation, other: Validation | None) -> dict[str, object]:
    """All figures of one tile."""
    return {
        "tile": validation.tile.name,
        "passed": validation.passed,
        "accuracy": validation.accuracy.as_dict(),
        "reference": dict(validation.reference.provenance),
        "fast model": dict(validation.fast.provenance),
        "accuracy against VACASK": None if other is None else other.accuracy.as_dict(),
        "VACASK": None if other is None else other.reference.provenance["engine"],
    }


def corner(name: str, temperature_celsius: float, supply_factor: float) -> dict[str, object]:
    """SKY130 1T1R cells at one corner: calibrated there, validated there."""
    tile = load_tile(EXAMPLES / "conditions_sky130_slow.toml")
    update = {"temperature_celsius": temperature_celsius, "supply_factor": supply_factor}
    tile = tile.model_copy(
        update={
            "name": f"sky130_{name}",
            "cell": tile.cell.model_copy(update={"access": tile.cell.access.model_copy(update={"corner": name})}),
            "conditions": tile.conditions.model_copy(update=update),
        }
    )
    model = calibrate(tile)
    accuracy = validate(tile, model, n_vec=2).accuracy
    return {
        "corner": name,
        **update,
        "r_access_ohm": model.parameters.r_access_ohm,
        "accuracy": accuracy.as_dict(),
        "passed": accuracy.max_error_percent_full_scale <= CORNER_SPEC_PERCENT,
    }


def corner_row(item: dict) -> str:
    """One line of the corners' table."""
    accuracy = item["accuracy"]
    return (
        f"| {item['corner']} | {item['temperature_celsius']:g} | {item['supply_factor']:g} "
        f"| {item['r_access_ohm']:.1f} "
        f"| {accuracy['ideal_max_error_percent_full_scale']:.2g} | **{accuracy['max_error_percent_full_scale']:.1e}** "
        f"| {accuracy['code_match_percent']:.4g} % | {'met' if item['passed'] else 'MISSED'} |"
    )


def passive_mesh(n: int) -> dict[str, float]:
    """A passive n x n mesh, 1 Ohm segments, 1 to 40 uS: ladder of matrices, sparse solution, VACASK's `.op`."""
    rng = np.random.default_rng(n)
    g, v = rng.uniform(1e-6, 40e-6, (1, n, n)), rng.uniform(0.0, 0.2, (1, n))
    wiring = {"r_bit_ohm": 1.0, "r_end_ohm": 0.0, "r_row_ohm": 1.0, "r_driver_ohm": 0.0}
    ends = {"driven_end": "west", "north": np.zeros(n, dtype=bool)}
    transfer, _ = mesh_transfer(g, **wiring, **ends)
    fast = np.einsum("kil,ki->l", transfer, v)
    sparse = nodal_clamp_currents(g, v[np.newaxis], np.zeros(n), **wiring, **ends)[0]
    vacask = vacask_mesh(g[0], v[0])
    largest = np.abs(sparse).max()
    return {
        "n": n,
        "ideal MAC": float(np.abs(v[0] @ g[0] - sparse).max() / largest),
        "against sparse": float(np.abs(fast - sparse).max() / largest),
        "against VACASK": float(np.abs(fast - vacask).max() / largest),
    }


def vacask_mesh(g: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Clamp currents of a passive mesh from VACASK's operating point."""
    language, n = VacaskLanguage(), len(g)
    lines = [*language.title(f"passive mesh {n} x {n}"), *language.preamble()]
    for i in range(n):
        lines.append(language.dc_source(f"vd{i}", f"d{i}", float(v[i])))
        for line in range(n):
            west = f"w{i}_{line - 1}" if line else f"d{i}"
            south = f"b{i + 1}_{line}" if i < n - 1 else f"c{line}"
            lines.append(language.resistor(f"rw{i}_{line}", west, f"w{i}_{line}", 1.0))
            lines.append(language.resistor(f"rb{i}_{line}", f"b{i}_{line}", south, 1.0))
            lines.append(language.resistor(f"rg{i}_{line}", f"w{i}_{line}", f"b{i}_{line}", float(1 / g[i, line])))
    clamps = [f"vclamp{line}" for line in range(n)]
    lines += [language.dc_source(name, f"c{line}", 0.0) for line, name in enumerate(clamps)]
    tight = SimulatorConfig(reltol=1e-9, abstol_ampere=1e-16, vntol_volt=1e-12)
    lines += language.operating_point(tight, clamps)
    return run_vacask_operating_point("\n".join(lines), save=clamps, timeout_second=600)


def page(rows: list[str], results: list[dict], corners: list[dict], mesh: dict[str, float]) -> str:
    """README.md of the study."""
    engines = f"{results[0]['reference']['engine']} and {next(r['VACASK'] for r in results if r['VACASK'])}"
    body = "\n".join(rows)
    corner_body = "\n".join(corner_row(item) for item in corners)
    return f"""# Every circuit of examples/circuits against circuit simulators

Written by `make circuits` (docs/studies/circuits/study.py) with {engines}. Random weights and {N_VEC} random vectors a
tile (one for VACASK) that no fit has seen; tiles that need a calibration were calibrated first. Errors are the largest
over all outputs, in % of full scale, the largest |charge| of the batch's ideal MAC. "Bound" is the largest error bound
that the model states itself; "ngspice itself" is how far ngspice moves when its tolerances and time step are halved;
"VACASK" is the fast model's error against VACASK, empty where VACASK has no model of a part. Solvers: `linear` is the
effective matrix, `gated` one pass over the line an event, `network` relaxation event by event.

| example | what | solver | ideal MAC | fast model | bound | ngspice itself | VACASK | codes equal | spec | |
|---|---|---|---|---|---|---|---|---|---|---|
{body}

## Process corners, temperature, supply

1T1R cells with SKY130 transistors, 32 rows, calibrated and validated (two vectors) at each condition; spec
{CORNER_SPEC_PERCENT} % of full scale.

| corner | temperature [Celsius] | supply | r_access [Ohm] | ideal MAC | fast model | codes equal | |
|---|---|---|---|---|---|---|---|
{corner_body}

## The passive mesh, {mesh["n"]} x {mesh["n"]}, 1 Ohm a segment, 1 to 40 uS

Largest difference of clamp currents for one random vector, relative to the largest current: ladder of matrices against
the sparse nodal solution {mesh["against sparse"]:.1e}, against VACASK's operating point {mesh["against VACASK"]:.1e};
the ideal MAC is off by {mesh["ideal MAC"]:.2g}.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

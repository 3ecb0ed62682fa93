"""`make corners`: SKY130 1T1R cells at five corners and three temperatures, against ngspice.

Writes beside itself: README.md and results.json. Each condition is predicted three ways: with the calibration at tt and
27 Celsius as it stands, with its bit lines alone brought to the condition's temperature, and with a calibration of the
condition's own. Simulations are kept in the store of runs, so that a second run is free.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from tqdm import tqdm

from calibration import calibrate
from reports import Validation, validate
from reports.accuracy import Accuracy, measure_accuracy
from spice_netlists.runs import Runner, RunStore, default_store_folder
from tilemodel import CompactModel, TileConfig, TileModel, load_tile
from tilemodel.parameters import AnyParameters

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "sky130_32x8.toml"
CORNERS = ("tt", "ff", "ss", "sf", "fs")
TEMPERATURES_CELSIUS = (-40.0, 27.0, 125.0)
GRID = tuple(product(CORNERS, TEMPERATURES_CELSIUS))
# Where the model is calibrated first, then the extremes of the access resistance, then the others
FIRST = (("tt", 27.0), ("fs", 125.0), ("sf", -40.0), ("ss", 125.0), ("ff", -40.0))
ORDER = (*FIRST, *(item for item in GRID if item not in FIRST))
N_COL = 2
N_VEC = 1
WAYS = ("as it stands", "wires corrected", "own")


def main() -> int:
    """Run the study; exit status 1 if a condition's own calibration misses the example's spec."""
    with Runner(store=RunStore(default_store_folder())) as runner:
        for results in study(tqdm(ORDER, unit=" conditions"), runner):
            (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
            (HERE / "README.md").write_text(page(results))
    return 0 if all(item["passed"] for item in results["conditions"]) else 1


def study(
    conditions: Iterable[tuple[str, float]], runner: Runner | None, n_vec: int = N_VEC
) -> Iterator[dict[str, Any]]:
    """All figures up to each of `conditions`, (corner, temperature [Celsius]); the first predicts the others."""
    nominal: CompactModel | None = None
    found = []
    for corner, temperature_celsius in conditions:
        tile = tile_at(corner, temperature_celsius)
        model = calibrate(tile, runner=runner)
        nominal = nominal or model
        validation = validate(tile, model, n_vec=n_vec, runner=runner)
        found.append(result(tile, validation, model, nominal))
        yield {"engine": model.provenance.engine, "n_col": N_COL, "n_vec": n_vec, "conditions": found}


def tile_at(corner: str, temperature_celsius: float) -> TileConfig:
    """The example, narrower, at a condition."""
    tile = load_tile(EXAMPLE)
    access = tile.cell.access.model_copy(update={"corner": corner})
    return tile.model_copy(
        update={
            "name": f"sky130_{corner}_{temperature_celsius:g}",
            "array": tile.array.model_copy(update={"n_col": N_COL}),
            "cell": tile.cell.model_copy(update={"access": access}),
            "conditions": tile.conditions.model_copy(update={"temperature_celsius": temperature_celsius}),
        }
    )


def result(tile: TileConfig, validation: Validation, own: CompactModel, nominal: CompactModel) -> dict[str, Any]:
    """All figures of one condition."""
    wires = {"r_bit_line_ohm": tile.wires_in_use.r_bit_line_ohm}
    ways = (nominal.parameters, nominal.parameters.model_copy(update=wires), own.parameters)
    law, v_read = own.parameters, tile.v_read_volt
    g = (tile.conductance.g_min_siemens + tile.conductance.g_max_siemens) / 2
    charge = law.q_pulse_coulomb + law.q_pulse_coulomb_per_siemens * g + law.q_pulse_coulomb_per_siemens2 * g**2
    fitted = zip(own.fit.fitted, own.fit.standard_error, strict=True)
    return {
        "corner": tile.cell.access.corner,
        "temperature_celsius": tile.conditions.temperature_celsius,
        "r_bit_line_ohm": wires["r_bit_line_ohm"],
        "charge_per_pulse_coulomb": charge + law.c_pulse_farad * v_read,
        "fit": {name: {"value": getattr(own.parameters, name), "standard_error": error} for name, error in fitted},
        "accuracy": {
            name: held_against(validation, parameters).as_dict() for name, parameters in zip(WAYS, ways, strict=True)
        },
        "passed": validation.passed,
    }


def held_against(validation: Validation, parameters: AnyParameters) -> Accuracy:
    """Accuracy of the fast model with `parameters` on the vectors of `validation`, without simulating them again."""
    fast = TileModel(validation.tile, validation.conductances, parameters).mvm(validation.ticks)
    return measure_accuracy(validation.reference, fast, validation.ideal_coulomb, validation.reference_error_coulomb)


def page(results: dict[str, Any]) -> str:
    """README.md of the study."""
    conditions = results["conditions"]
    rows = "\n".join(row(item) for item in sorted(conditions, key=place))
    stale, own = (max(conditions, key=lambda item, way=way: error_of(item, way)) for way in (WAYS[0], WAYS[2]))
    return f"""# SKY130 cells at five corners and three temperatures

Written by `make corners` (docs/studies/sky130_corners/study.py) with {results["engine"]}; {len(conditions)} of the
{len(GRID)} conditions are in the table. The cells, wires and rows of examples/sky130_32x8.toml, {results["n_col"]} of
its 8 columns; {results["n_vec"]} random vector a condition, that no fit has seen (fewer than elsewhere, to keep the
simulations short). Errors are the largest over all outputs, in % of full scale.

| column | is |
|---|---|
| r | access resistance, as fitted |
| charge | what the end of a pulse injects, as fitted, half way between the limits of conductance, at the read voltage |
| tt, 27 | error of the calibration at tt and 27 Celsius as it stands |
| wires | the same with the bit lines' resistance at the condition's temperature |
| own | error of a calibration at the condition |
| ngspice | how far ngspice moves when its tolerances and time step are halved |
| equal; equal, own | outputs with equal codes, by the calibrations at tt and 27 Celsius and at the condition |

| corner | Celsius | r [Ohm] | charge [fC] | ideal MAC | tt, 27 | wires | own | ngspice | equal | equal, own | spec |
|---|---|---|---|---|---|---|---|---|---|---|---|
{rows}

- A calibration at tt and 27 Celsius is furthest off at {name_of(stale)}: {error_of(stale, WAYS[0]):.2g} % of full
  scale. Its access resistance is {resistance(stale):.0f} Ohm there, {resistance(conditions[0]):.0f} Ohm where the model
  was calibrated; with the wires corrected for temperature {error_of(stale, WAYS[1]):.2g} % is left.
- Calibrated at the condition, the worst is {name_of(own)}: {error_of(own, WAYS[2]):.2g} %.
- `tilemodel validate --corners ... --temperatures ...` calibrates anew at each condition, and a model refuses a tile at
  another condition than its own: how far a calibration is off elsewhere, only this study shows.
"""


def place(item: dict[str, Any]) -> tuple[int, float]:
    """Where a condition stands in the table."""
    return CORNERS.index(item["corner"]), item["temperature_celsius"]


def row(item: dict[str, Any]) -> str:
    """One line of the table."""
    own = item["accuracy"]["own"]
    charge = 1e15 * item["charge_per_pulse_coulomb"]
    codes = [item["accuracy"][way]["code_match_percent"] for way in (WAYS[0], WAYS[2])]
    return (
        f"| {item['corner']} | {item['temperature_celsius']:g} | {resistance(item):.1f} | {charge:.3f} "
        f"| {own['ideal_max_error_percent_full_scale']:.2g} | {error_of(item, WAYS[0]):.2g} "
        f"| {error_of(item, WAYS[1]):.2g} | **{error_of(item, WAYS[2]):.1e}** "
        f"| {own['reference_error_percent_full_scale']:.1e} | {codes[0]:.4g} % | {codes[1]:.4g} % "
        f"| {'met' if item['passed'] else 'MISSED'} |"
    )


def error_of(item: dict[str, Any], way: str) -> float:
    """Largest error [% of full scale]."""
    return item["accuracy"][way]["max_error_percent_full_scale"]


def resistance(item: dict[str, Any]) -> float:
    """Fitted access resistance [ohm]."""
    return item["fit"]["r_access_ohm"]["value"]


def name_of(item: dict[str, Any]) -> str:
    """The condition in words."""
    return f"{item['corner']} and {item['temperature_celsius']:g} Celsius"


if __name__ == "__main__":
    sys.exit(main())

"""`make sky130-rows`: SKY130 tiles of 32, 64 and 256 rows predicted from one 32-row calibration, against ngspice.

Writes beside itself: README.md (the table), results.json (all figures and their provenance), the two compact
models, and the error figure of the largest tile. Everything but the machine's time is determined by the seeds.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from calibration import calibrate
from reports import Validation, validate
from reports.figures import draw_figures
from tilemodel import CompactModel, TileConfig, load_tile, save_model

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[2] / "examples" / "sky130_32x8.toml"
MET1_OHM = 1.86  # OpenROAD setRC 0.893 Ohm/um times 2.08 um: a bit line on met1


@dataclass(frozen=True)
class Case:
    """One validated tile of the study."""

    wire: str
    n_row: int
    n_col: int
    n_vec: int


CASES = (
    Case("met3", 32, 8, 16),
    Case("met3", 64, 8, 8),
    Case("met3", 256, 4, 4),
    Case("met1", 256, 4, 2),
)


def main() -> int:
    """Run the study; exit status 1 if a case misses its spec."""
    met3 = load_tile(EXAMPLE)
    wires = met3.wires.model_copy(update={"r_bit_line_ohm": MET1_OHM})
    tiles = {"met3": met3, "met1": met3.model_copy(update={"wires": wires})}
    models = {name: _with_bar(f"calibrating {name}", calibrate, tile) for name, tile in tiles.items()}
    validations = []
    for case in CASES:
        label = f"{case.wire}, {case.n_row} x {case.n_col}"
        tile = _sized(tiles[case.wire], case)
        validations.append(_with_bar(label, validate, tile, models[case.wire], n_vec=case.n_vec))
    for name, model in models.items():
        save_model(model, HERE / f"model_{name}.json")
    (HERE / "results.json").write_text(json.dumps(_results(validations), indent=2) + "\n")
    (HERE / "error_256_rows.svg").write_text(draw_figures(validations[2])["error"])
    (HERE / "README.md").write_text(_page(models, validations))
    print((HERE / "README.md").read_text())
    return 0 if all(validation.passed for validation in validations) else 1


def _with_bar(label, run, *arguments, **options):
    with tqdm(desc=label, unit=" runs") as bar:

        def on_done(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return run(*arguments, on_done=on_done, **options)


def _sized(tile: TileConfig, case: Case) -> TileConfig:
    """The tile at another size; the converter's range grows with the rows."""
    array = tile.array.model_copy(update={"n_row": case.n_row, "n_col": case.n_col})
    full_scale = tile.adc.charge_full_scale_coulomb * case.n_row / tile.array.n_row
    adc = tile.adc.model_copy(update={"charge_full_scale_coulomb": full_scale})
    name = f"sky130_{case.wire}_{case.n_row}x{case.n_col}"
    return tile.model_copy(update={"name": name, "array": array, "adc": adc})


def _results(validations: list[Validation]) -> list[dict]:
    return [
        {
            "tile": validation.tile.name,
            "passed": validation.passed,
            "accuracy": validation.accuracy.as_dict(),
            "reference": dict(validation.reference.provenance),
            "fast model": dict(validation.fast.provenance),
        }
        for validation in validations
    ]


def _page(models: dict[str, CompactModel], validations: list[Validation]) -> str:
    rows = "\n".join(_row(case, validation) for case, validation in zip(CASES, validations, strict=True))
    fits = "\n\n".join(_fit(name, model) for name, model in models.items())
    return f"""# SKY130 tiles of 32 to 256 rows from one 32-row calibration

Written by `make sky130-rows` (docs/studies/sky130_rows/study.py). 1T1R cells with `sky130_fd_pr__nfet_01v8`
transistors (tt corner) at transistor level in {validations[0].reference.provenance["engine"]}; random weights and
inputs that no fit has seen. Errors are the largest over all outputs, in % of full scale, the largest |charge| of the
batch's ideal MAC (G+ line less G- line). "SPICE itself" is how far ngspice moves when its tolerances and time step
are halved (first vector).

| bit line | rows x columns | vectors | ideal MAC | fast model | SPICE itself | codes equal | apart | spec 0.003 % |
|---|---|---|---|---|---|---|---|---|
{rows}

met3 has 0.33 Ohm a cell, met1 1.86 Ohm. Codes: 8-bit linear converter on each bit line.

![Error of the fast model and of the ideal MAC, 256 rows, met3](error_256_rows.svg)

## The calibrations

{fits}
"""


def _row(case: Case, validation: Validation) -> str:
    accuracy = validation.accuracy
    verdict = "met" if validation.passed else "MISSED"
    return (
        f"| {case.wire} | {case.n_row} x {case.n_col} | {case.n_vec} "
        f"| {accuracy.ideal_max_error_percent_full_scale:.3g} | **{accuracy.max_error_percent_full_scale:.2g}** "
        f"| {accuracy.reference_error_percent_full_scale:.1g} | {accuracy.code_match_percent:.4g} % "
        f"of {accuracy.n_output} | {accuracy.max_code_difference_lsb} LSB | {verdict} |"
    )


def _fit(name: str, model: CompactModel) -> str:
    lines = "\n".join(
        f"| {parameter} | {getattr(model.parameters, parameter):.6g} | {error:.2g} |"
        for parameter, error in zip(model.fit.fitted, model.fit.standard_error, strict=True)
    )
    return (
        f"{name}: {model.fit.n_observation} bit-line charges, largest residual "
        f"{model.fit.residual_max_percent_of_largest_charge:.2g} % of the largest charge.\n\n"
        f"| parameter | value | standard error |\n|---|---|---|\n{lines}"
    )


if __name__ == "__main__":
    sys.exit(main())

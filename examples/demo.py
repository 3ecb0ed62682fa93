"""`make demo`: calibrate and validate two tiles against ngspice, print a summary, write the reports.

The same can be done with the command line:
    tilemodel validate examples/ibm_pair_64x16.toml --vectors 64 -o demo_output/ibm_pair_64x16
    tilemodel calibrate examples/sky130_32x8.toml -o demo_output/sky130.json
    tilemodel validate examples/sky130_32x8.toml --model demo_output/sky130.json -o demo_output/sky130_32x8
"""

import sys
from pathlib import Path

from tqdm import tqdm

from calibration import calibrate
from reports import Validation, validate, write_report
from tilemodel import load_tile, save_model
from tilemodel.config.errors import TileModelError

EXAMPLES = Path(__file__).parent


def main(folder: Path) -> int:
    """Run the demo into `folder`; exit status 1 if a tile misses its spec."""
    folder.mkdir(exist_ok=True)
    pair = load_tile(EXAMPLES / "ibm_pair_64x16.toml")
    transistor = load_tile(EXAMPLES / "sky130_32x8.toml")

    print("1/3  IBM's G+/G- pair, 64 x 16: closed form against ngspice transients (nothing is fitted)")
    with tqdm(unit=" runs", leave=False) as bar:
        first = validate(pair, n_vec=64, on_done=follow(bar))
    print("2/3  1T1R with SKY130 transistors: fitting the fast model to a 32-row tile")
    with tqdm(unit=" runs", leave=False) as bar:
        model = calibrate(transistor, on_done=follow(bar))
    save_model(model, folder / "sky130.json")
    print("3/3  The same transistors, 32 x 8: the fitted model against ngspice on vectors that it has not seen")
    with tqdm(unit=" runs", leave=False) as bar:
        second = validate(transistor, model, n_vec=6, on_done=follow(bar))

    print(f"\n{'largest error in % of full scale':34s}  fast model   ideal MAC     spec  codes equal")
    for validation in (first, second):
        print(row(validation))
    for validation in (first, second):
        page = write_report(validation, folder / validation.tile.name)
        print(f"report: {page.absolute().as_uri()}")
    return 0 if first.passed and second.passed else 1


def follow(bar: "tqdm[object]"):
    """A callback that moves `bar`."""

    def on_done(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return on_done


def row(validation: Validation) -> str:
    """One line of the summary table."""
    accuracy, spec = validation.accuracy, validation.tile.spec
    verdict = "pass" if validation.passed else "FAIL"
    return (
        f"{validation.tile.name:34s}{accuracy.max_error_percent_full_scale:12.1e}"
        f"{accuracy.ideal_max_error_percent_full_scale:12.1e}{spec.max_error_percent_full_scale:9g}"
        f"{accuracy.code_match_percent:11.5g} %  {verdict}"
    )


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo_output")))
    except TileModelError as error:
        sys.exit(f"demo: {error}")

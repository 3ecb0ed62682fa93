"""The commands and their options."""

import argparse
from typing import Literal, TypeAlias

from tilemodel.version import VERSION
from tilemodel_cli import commands, runs
from tilemodel_cli.assumptions import add_check, add_import
from tilemodel_cli.compensation import compensate_tile
from tilemodel_cli.evaluation import add_evaluation
from tilemodel_cli.export import add_export
from tilemodel_cli.measured import add_measured
from tilemodel_cli.planning import add_planning
from tilemodel_cli.running import add_processes, add_run_files, add_running, add_store, byte_count, whole_number
from tilemodel_cli.sweep import add_sweep

__all__ = ["build_parser"]

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; each command's function is in its option `run`."""
    parser = argparse.ArgumentParser(
        prog="tilemodel",
        description="Analog in-memory computing tiles: netlists, circuit simulation, and a fast model of known error.",
    )
    parser.add_argument("--version", action="version", version=f"tilemodel {VERSION}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    for add_command in (
        _add_netlist,
        _add_spice,
        _add_mvm,
        _add_compensate,
        _add_calibrate,
        _add_validate,
        _add_compare,
        _add_noise,
        _add_fit_noise,
        _add_budget,
        _add_evaluate,
        _add_export,
        _add_import,
        _add_check_assumption,
        _add_runs,
        _add_compile,
    ):
        add_command(subparsers)
    return parser


def _add_netlist(subparsers: Subparsers) -> None:
    summary = "write decks that `ngspice -b` runs as they are"
    example = "tilemodel netlist examples/ibm_pair_64x16.toml -o decks"
    parser = _command(subparsers, "netlist", commands.netlist, summary, example)
    _add_operands(parser, required=False)
    _add_seed(parser)
    _add_output(parser, "DIR")


def _add_spice(subparsers: Subparsers) -> None:
    summary = "simulate a batch in ngspice"
    example = "tilemodel spice examples/switch_32x8.toml --weights w.npy --inputs x.npy -o spice.npz"
    parser = _command(subparsers, "spice", commands.spice, summary, example)
    _add_operands(parser, required=True)
    add_running(parser)
    _add_output(parser, "OUT.npz")


def _add_mvm(subparsers: Subparsers) -> None:
    summary = "multiply a batch with the fast model"
    example = "tilemodel mvm examples/ibm_pair_512x512.toml --weights w.npy --inputs x.npy -o out.npz"
    parser = _command(subparsers, "mvm", commands.mvm, summary, example, tile="TILE.toml|MODEL.json")
    _add_operands(parser, required=True)
    _add_accuracy(parser)
    parser.add_argument(
        "--noise-seed",
        type=whole_number(0, 2**53),
        default=None,
        metavar="N",
        help="draw a chip and its reads as [noise] of the tile says (default: without noise)",
    )
    parser.add_argument(
        "--noise-method",
        choices=("outputs", "cells", "circuit", "aihwkit"),
        default=None,
        help="how reads are drawn (default: outputs of a linear tile, circuit of any other; docs/pcm_noise.md)",
    )
    _add_output(parser, "OUT.npz")


def _add_compensate(subparsers: Subparsers) -> None:
    summary = "write conductances whose effective matrix is the wanted one: IR drop taken back at programming"
    example = "tilemodel compensate examples/ibm_pair_512x512.toml --weights w.npy -o g.npz"
    parser = _command(subparsers, "compensate", compensate_tile, summary, example, tile="TILE.toml|MODEL.json")
    parser.add_argument("--weights", metavar="W.npy|W.csv", required=True, help="weights in [-1, 1], [n_row, n_col]")
    parser.add_argument(
        "--scale",
        type=_scale,
        default=1.0,
        metavar="FACTOR",
        help="multiply the weights, or 'fit': a factor a column with which nothing clips (default 1)",
    )
    parser.add_argument(
        "--hold-sums", action="store_true", help="leave G+ + G- as without compensation (rail_pair, rail_quad)"
    )
    parser.add_argument(
        "--inputs", metavar="X.npy", help="typical inputs: the operating point of gated cells (they need it)"
    )
    _add_output(parser, "G.npz")


def _add_calibrate(subparsers: Subparsers) -> None:
    summary = "fit the fast model to ngspice, or to your own charges or codes (--data)"
    example = "tilemodel calibrate examples/sky130_32x8.toml -o sky130.json"
    parser = _command(subparsers, "calibrate", commands.calibrate_tile, summary, example)
    add_planning(parser)
    add_measured(parser)
    _add_seed(parser)
    add_running(parser)
    _add_output(parser, "MODEL.json", required=False)


def _add_validate(subparsers: Subparsers) -> None:
    summary = "report the fast model's accuracy against ngspice; exit status 1 if a spec of the tile file is missed"
    example = "tilemodel validate examples/sky130_32x8.toml --model sky130.json -o report"
    parser = _command(subparsers, "validate", commands.validate_tile, summary, example)
    parser.add_argument("--model", metavar="MODEL.json", help="calibrated parameters (from `tilemodel calibrate`)")
    parser.add_argument(
        "--vectors", type=whole_number(1, 10**6), default=8, metavar="N", help="random input vectors (default 8)"
    )
    add_sweep(parser)
    add_run_files(parser)
    _add_seed(parser)
    add_running(parser)
    _add_output(parser, "DIR")


def _add_compare(subparsers: Subparsers) -> None:
    summary = "compare two reports: what got better or worse, beyond SPICE's own errors; exit status 1 if worse"
    example = "tilemodel compare report_before report_after"
    parser = _command(subparsers, "compare", commands.compare, summary, example, tile="BEFORE")
    parser.add_argument("after", metavar="AFTER")


def _add_noise(subparsers: Subparsers) -> None:
    summary = "noise of a tile's outputs: closed form and Monte Carlo, reads of one chip and a population of chips"
    example = "tilemodel noise examples/ibm_pair_64x16_noise.toml -o noise.npz"
    parser = _command(subparsers, "noise", commands.noise, summary, example, tile="TILE.toml|MODEL.json")
    _add_operands(parser, required=False)
    parser.add_argument(
        "--draws", type=whole_number(2, 10**6), default=200, metavar="N", help="chips, and reads of one (default 200)"
    )
    parser.add_argument(
        "--spice-reads",
        type=whole_number(2, 10**6),
        default=0,
        metavar="N",
        help="read the first vector so many times in ngspice too (small tiles; default: not)",
    )
    add_processes(parser)
    _add_seed(parser)
    _add_output(parser, "OUT.npz")


def _add_fit_noise(subparsers: Subparsers) -> None:
    summary = "fit read noise to measured traces, or sigmas by conductance and duration (CSV; docs/pcm_noise.md)"
    example = "tilemodel fit-noise traces.csv --v-read 0.2 -o fitted_noise"
    parser = _command(subparsers, "fit-noise", commands.fit_noise, summary, example, tile="DATA.csv")
    parser.add_argument(
        "--v-read", type=float, default=None, metavar="VOLT", help="read voltage, where the traces are currents"
    )
    parser.add_argument("--model", metavar="MODEL.json", help="compact model to write the noise into (DIR/model.json)")
    _add_output(parser, "DIR")


def _add_budget(subparsers: Subparsers) -> None:
    summary = "report the MAC error of each non-ideality alone and of all together (fast model, no simulator)"
    example = "tilemodel budget examples/budget_ibm_512x64.toml -o budget"
    parser = _command(subparsers, "budget", commands.budget_tile, summary, example, tile="TILE.toml|MODEL.json")
    parser.add_argument(
        "--vectors", type=whole_number(3, 10**6), default=200, metavar="N", help="random input vectors (default 200)"
    )
    _add_seed(parser)
    _add_output(parser, "DIR")


def _add_evaluate(subparsers: Subparsers) -> None:
    summary = "score a network under each non-ideality of a tile and under all together (needs PyTorch)"
    example = "tilemodel evaluate examples/evaluate_ibm_64x64.toml --task examples/task_spirals.py -o evaluation"
    parser = _command(subparsers, "evaluate", commands.evaluate, summary, example, tile="TILE.toml|MODEL.json")
    add_evaluation(parser)
    _add_accuracy(parser)
    _add_seed(parser)
    _add_output(parser, "DIR")


def _add_export(subparsers: Subparsers) -> None:
    summary = "write a calibrated tile for another simulator, with what that simulator cannot represent and its error"
    example = "tilemodel export sky130.json --to aihwkit -o sky130_aihwkit"
    parser = _command(subparsers, "export", commands.export, summary, example, tile="MODEL.json")
    _add_operands(parser, required=False)
    add_export(parser)
    _add_seed(parser)
    _add_output(parser, "DIR")


def _add_import(subparsers: Subparsers) -> None:
    summary = "write a configuration of CrossSim or aihwkit (JSON) as a tile file that says what is assumed"
    example = "tilemodel import crosssim.json --base examples/ibm_pair_64x16.toml -o imported.toml"
    parser = _command(subparsers, "import", commands.import_tile, summary, example, tile="CONFIG.json")
    add_import(parser)
    _add_output(parser, "TILE.toml")


def _add_check_assumption(subparsers: Subparsers) -> None:
    summary = "say how far a configuration of CrossSim or aihwkit is from SPICE; exit status 1 beyond the tile's limit"
    example = "tilemodel check-assumption crosssim.json --tile examples/ibm_pair_64x16.toml"
    parser = _command(subparsers, "check-assumption", commands.check_assumption, summary, example, tile="CONFIG.json")
    add_check(parser)
    _add_seed(parser)


def _add_runs(subparsers: Subparsers) -> None:
    summary = "the store of finished runs: list, show, verify, gc"
    parser = subparsers.add_parser("runs", help=summary, description=summary)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, text in (
        ("list", runs.list_runs, "one line a run"),
        ("show", runs.show, "all that is known of a run, as JSON"),
        ("verify", runs.verify, "read every run and compare it with its hash; exit status 1 if one is damaged"),
        ("gc", runs.collect, "remove damaged and left-over files, and what is too old or too much"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(run=run)
        add_store(action)
        if name == "show":
            action.add_argument("key", metavar="KEY", help="the run's key, or its beginning")
        if name == "gc":
            action.add_argument(
                "--older-than", type=whole_number(0, 36500), metavar="DAYS", help="remove older results"
            )
            action.add_argument("--max-size", type=byte_count, metavar="SIZE", help="keep the newest, up to this size")


def _add_compile(subparsers: Subparsers) -> None:
    summary = "compile the fast model's kernels once after installation, so that no later command waits for it"
    parser = subparsers.add_parser("compile", help=summary, description=summary)
    parser.set_defaults(run=commands.compile_kernels)


def _scale(text: str) -> float | Literal["fit"]:
    if text == "fit":
        return "fit"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or 'fit', got {text!r}") from None


def _accuracy(text: str) -> float | Literal["exact"]:
    if text == "exact":
        return "exact"
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a fraction of full scale or 'exact', got {text!r}") from None


def _command(
    subparsers: Subparsers, name: str, run: commands.Command, summary: str, example: str, *, tile: str = "TILE.toml"
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("tile", metavar=tile)
    return parser


def _add_output(parser: argparse.ArgumentParser, metavar: str, *, required: bool = True) -> None:
    parser.add_argument("-o", "--output", metavar=metavar, required=required)


def _add_operands(parser: argparse.ArgumentParser, *, required: bool) -> None:
    otherwise = "" if required else " (default: random)"
    parser.add_argument(
        "--weights",
        metavar="W.npy|W.npz",
        required=required,
        help=f"weights in [-1, 1], or an npz with g_plus and g_minus [siemens]; [n_row, n_col]{otherwise}",
    )
    parser.add_argument(
        "--inputs",
        metavar="X.npy",
        required=required,
        help=f"integers in PWM ticks or floats in [-1, 1]; [n_vec, n_row]{otherwise}",
    )


def _add_accuracy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--accuracy",
        type=_accuracy,
        default="exact",
        metavar="FRACTION",
        help="largest error to trade for speed, as a fraction of full scale (gated tiles; default: exact)",
    )


def _add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=whole_number(0, 2**53), default=0, metavar="N", help="of random draws (default 0)"
    )

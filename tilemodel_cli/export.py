"""`tilemodel export`: its options, and what it does."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from tilemodel.config.errors import InputError
from tilemodel.config.files import check_folder_target
from tilemodel_cli.running import add_running, runner_of, whole_number

if TYPE_CHECKING:
    from tilemodel.exports import Probe

__all__ = ["add_export", "export_model"]

Progress = Callable[[int, int], None]


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options beside the model and the output."""
    parser.add_argument(
        "--to", dest="target", metavar="TARGET", required=True, help="a simulator, or json or numpy (docs/exports.md)"
    )
    parser.add_argument(
        "--vectors", type=whole_number(3, 10**6), default=8, metavar="N", help="random input vectors (default 8)"
    )
    parser.add_argument("--no-spice", action="store_true", help="state errors against the model alone")
    add_running(parser)


def export_model(
    options: argparse.Namespace,
    progress: Callable[[str], AbstractContextManager[Progress]],
    say: Callable[[str], None],
) -> int:
    """Write the target's files and what it cannot represent, with the errors that this causes."""
    from reports.export import EXPORT_MARKER, export_lines, export_with_errors, write_export
    from tilemodel.exports import TARGETS

    if options.target not in TARGETS:
        raise InputError(f"--to {options.target}: unknown target; there are {', '.join(TARGETS)}")
    check_folder_target(options.output, marker=EXPORT_MARKER)
    probe = _probe(options)
    if options.no_spice:
        judged = export_with_errors(probe, options.target, spice=False)
    else:
        with runner_of(options) as runner, progress("ngspice runs") as on_done:
            judged = export_with_errors(probe, options.target, runner=runner, on_done=on_done)
    folder = write_export(judged, options.output)
    for line in export_lines(judged):
        say(line)
    say(f"export: {folder}")
    return 0


def _probe(options: argparse.Namespace) -> "Probe":
    import numpy as np

    from tilemodel.compact import load_model
    from tilemodel.config.operands import load_conductances, load_ticks
    from tilemodel.exports import Probe, random_probe

    if Path(options.tile).suffix == ".toml":
        raise InputError(
            f"{options.tile}: an export needs a calibrated model: `tilemodel calibrate {options.tile} -o MODEL.json`"
        )
    model = load_model(options.tile)
    drawn = random_probe(model, n_vec=options.vectors, seed=options.seed)
    if options.weights is None and options.inputs is None:
        return drawn
    conductances = load_conductances(model.tile, options.weights) if options.weights else drawn.conductances
    ticks = load_ticks(model.tile, options.inputs) if options.inputs else drawn.ticks
    own = options.weights is not None and options.inputs is not None
    return Probe(model=model, conductances=conductances, ticks=np.asarray(ticks), seed=None if own else options.seed)

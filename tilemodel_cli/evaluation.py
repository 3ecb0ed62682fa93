"""`tilemodel evaluate`: its options, and what it does."""

import argparse
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tilemodel.config.files import check_folder_target
from tilemodel.config.load import load_tile
from tilemodel_cli.running import whole_number
from tilemodel_cli.task_file import load_task

__all__ = ["add_evaluation", "evaluate_task"]

Progress = Callable[[int, int], None]


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """The options beside the tile, the accuracy, the seed and the output."""
    parser.add_argument(
        "--task",
        metavar="TASK.py[:function]",
        required=True,
        help="Python file whose function (default: task) returns a tilemodel.torch.Task (docs/evaluation.md)",
    )
    parser.add_argument(
        "--only",
        metavar="NAME,...",
        type=_names,
        help="conditions to evaluate beside digital, such as wires,adc,together (default: all that the tile has)",
    )
    parser.add_argument(
        "--seeds",
        type=whole_number(1, 10**4),
        default=3,
        metavar="N",
        help="draws of what is drawn: chips, read noise (default 3)",
    )
    parser.set_defaults(kept="scores")
    store = parser.add_mutually_exclusive_group()
    store.add_argument(
        "--store",
        metavar="DIR",
        help="folder of finished scores (default: $TILEMODEL_STORE/evaluations, else tilemodel/evaluations in the "
        "user's cache folder)",
    )
    store.add_argument("--no-store", action="store_true", help="neither use nor keep finished scores")


def evaluate_task(
    options: argparse.Namespace,
    progress: Callable[[str], AbstractContextManager[Progress]],
    say: Callable[[str], None],
) -> int:
    """Evaluate the network, write the folder, print the table."""
    from reports.evaluation import EVALUATION_MARKER, evaluation_lines, write_evaluation
    from tilemodel.compact import load_model
    from tilemodel.torch import evaluate

    tile = load_model(options.tile) if options.tile.endswith(".json") else load_tile(options.tile)
    check_folder_target(options.output, marker=EVALUATION_MARKER)
    task = load_task(options.task)
    with progress("passes") as on_done:
        found = evaluate(
            task,
            tile,
            only=options.only,
            n_seed=options.seeds,
            seed=options.seed,
            accuracy=options.accuracy,
            kept=_folder_of(options),
            on_done=on_done,
        )
    page = write_evaluation(found, options.output)
    for line in evaluation_lines(found):
        say(line)
    say(f"evaluation: {page.absolute().as_uri()}")
    return 0


def _folder_of(options: argparse.Namespace) -> Path | None:
    """Where scores are kept: beside the finished runs."""
    if options.no_store:
        return None
    if options.store:
        return Path(options.store)
    from spice_netlists.runs.store import default_store_folder

    runs = default_store_folder()
    return runs / "evaluations" if os.environ.get("TILEMODEL_STORE") else runs.with_name("evaluations")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names separated by commas, got {text!r}")
    return names

"""`tilemodel calibrate --plan` and `--precision`: their options, and what they do."""

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from tilemodel.config.errors import InputError
from tilemodel.config.tile import TileConfig

if TYPE_CHECKING:
    from calibration.experiment import Design
    from spice_netlists.runs import Runner
    from tilemodel.compact import CompactModel

__all__ = ["add_planning", "chosen_design", "needs_output", "said_of_fit"]


def add_planning(parser: argparse.ArgumentParser) -> None:
    """The options that choose and announce an experiment."""
    group = parser.add_argument_group("planning (docs/calibration.md)")
    group.add_argument(
        "--plan",
        action="store_true",
        help="only say what would be simulated, how long it takes and how precise the parameters will be (after a "
        "pilot of a few small runs)",
    )
    group.add_argument(
        "--precision",
        type=_percent,
        metavar="PERCENT",
        help="take the cheapest experiment that determines every parameter to PERCENT of its typical size "
        "(default: the usual experiment)",
    )


def needs_output(options: argparse.Namespace) -> None:
    """Raise `InputError` for options that contradict each other."""
    if options.data is not None and (options.plan or options.precision is not None):
        raise InputError("--plan and --precision choose circuit simulations; with --data there are none")
    if options.output is None and not options.plan:
        raise InputError("-o MODEL.json is missing: where to write the compact model; or --plan, which writes nothing")


def chosen_design(
    tile: TileConfig, options: argparse.Namespace, runner: "Runner", say: Callable[[str], None]
) -> "Design | None":
    """The experiment that the options ask for; None: the usual one. Says the plan if there is one."""
    if not options.plan and options.precision is None:
        return None
    from calibration.plan import plan_calibration
    from calibration.plan_lines import plan_lines

    plan = plan_calibration(tile, runner=runner, seed=options.seed, precision_percent=options.precision)
    for line in plan_lines(plan):
        say(line)
    return plan.chosen.design


def said_of_fit(tile: TileConfig, model: "CompactModel", options: argparse.Namespace) -> list[str]:
    """Whether the precision that was asked for is reached, and whether a simpler model would do."""
    from calibration.procedure import starting_point
    from calibration.selection import selection_lines

    lines = []
    if options.precision is not None:
        scales = starting_point(tile)[1]
        percent = {
            name: 100 * error / scales[name]
            for name, error in zip(model.fit.fitted, model.fit.standard_error, strict=True)
            if error is not None
        }
        worst = max(percent, key=percent.__getitem__)
        reached = "reached" if percent[worst] <= options.precision else "missed: ask for more, such as half of it"
        lines.append(f"precision: {worst} to {percent[worst]:.2g} %, {options.precision:g} % wanted: {reached}")
    return lines + (selection_lines(model.fit.selection) if model.fit.selection is not None else [])


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a percentage above 0, got {text!r}")
    return value

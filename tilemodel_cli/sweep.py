"""`tilemodel validate` over conditions: its options, and what it does."""

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from tilemodel.config.tile import TileConfig
from tilemodel_cli.running import run_folders_of, runner_of, whole_number

if TYPE_CHECKING:
    from tilemodel.compact import CompactModel

__all__ = ["add_sweep", "sweeps", "validate_sweep"]

Progress = Callable[[int, int], None]


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """The conditions beside the nominal one."""
    group = parser.add_argument_group("conditions beside the nominal one: every combination (docs/reports.md)")
    group.add_argument("--corners", nargs="+", default=[], metavar="NAME", help="process corners, such as tt ff ss")
    group.add_argument(
        "--temperatures", nargs="+", default=[], type=float, metavar="CELSIUS", help="such as -40 27 125"
    )
    group.add_argument(
        "--supplies", nargs="+", default=[], type=float, metavar="FACTOR", help="of the nominal supply, such as 0.9 1.1"
    )
    group.add_argument(
        "--wires", nargs="+", default=[], type=float, metavar="FACTOR", help="of the wires' resistance, such as 0.8 1.2"
    )
    group.add_argument(
        "--chips",
        type=whole_number(1, 10**5),
        default=0,
        metavar="N",
        help="Monte Carlo: chips drawn by [mismatch], at nominal conditions",
    )


def sweeps(options: argparse.Namespace) -> bool:
    """Whether any condition beside the nominal one is asked for."""
    return bool(options.corners or options.temperatures or options.supplies or options.wires or options.chips)


def validate_sweep(
    tile: TileConfig,
    model: "CompactModel | None",
    options: argparse.Namespace,
    progress: Callable[[str], AbstractContextManager[Progress]],
    say: Callable[[str], None],
) -> int:
    """Validate every condition, write the report, print its summary."""
    from reports.sweep import run_sweep, sweep_conditions
    from reports.sweep_page import sweep_lines, write_sweep

    conditions = sweep_conditions(
        tile,
        corners=options.corners,
        temperatures_celsius=options.temperatures,
        supply_factors=options.supplies,
        wire_resistance_factors=options.wires,
        n_chip=options.chips,
    )
    started = time.perf_counter()
    with run_folders_of(options) as (store, run_folders):
        with runner_of(options, store) as runner, progress("conditions") as on_done:
            sweep = run_sweep(
                conditions, model, n_vec=options.vectors, seed=options.seed, runner=runner, on_done=on_done
            )
        timing = {"simulation_second": time.perf_counter() - started}
        page = write_sweep(sweep, options.output, timing, run_folders)
    for line in sweep_lines(sweep):
        say(line)
    say(f"report: {page.absolute().as_uri()}")
    return 0 if sweep.passed else 1

"""`tilemodel import` and `tilemodel check-assumption`: configurations of neural-network simulators."""

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from tilemodel.config.files import atomic_file
from tilemodel.config.load import load_tile
from tilemodel_cli.running import add_running, runner_of, whole_number

__all__ = ["add_check", "add_import", "check", "import_configuration"]

Progress = Callable[[int, int], None]


def add_import(parser: argparse.ArgumentParser) -> None:
    """The options beside the configuration and the output."""
    parser.add_argument(
        "--base", metavar="TILE.toml", required=True, help="tile for all that the configuration does not hold"
    )
    parser.add_argument("--name", default="imported", help="name of the new tile (default: imported)")


def add_check(parser: argparse.ArgumentParser) -> None:
    """The options beside the configuration."""
    parser.add_argument("--tile", dest="circuit", metavar="TILE.toml", required=True, help="the circuit")
    parser.add_argument("--model", metavar="MODEL.json", help="calibrated parameters of the fast model")
    parser.add_argument(
        "--vectors", type=whole_number(1, 10**6), default=8, metavar="N", help="random input vectors (default 8)"
    )
    add_running(parser)


def import_configuration(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Write a configuration as a tile file."""
    from tilemodel.imports import load_configuration, tile_file_text

    text = tile_file_text(load_configuration(options.tile), load_tile(options.base), options.name)
    with atomic_file(options.output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    n_assumed = text.count("  # assumed")
    say(f"tile: {Path(options.output)}; {n_assumed} values are not in the configuration, marked 'assumed'")
    return 0


def check(
    options: argparse.Namespace,
    progress: Callable[[str], AbstractContextManager[Progress]],
    say: Callable[[str], None],
) -> int:
    """Compare a configuration with SPICE; exit status 1 if its circuit misses the tile's limit."""
    from reports.assumption import assumption_lines, check_assumption
    from tilemodel.compact import load_model
    from tilemodel.imports import load_configuration

    configuration = load_configuration(options.tile)
    tile = load_tile(options.circuit)
    model = load_model(options.model) if options.model else None
    with runner_of(options) as runner, progress("ngspice runs") as on_done:
        found = check_assumption(
            configuration, tile, model, n_vec=options.vectors, seed=options.seed, runner=runner, on_done=on_done
        )
    for line in assumption_lines(found):
        say(line)
    return 0 if found.passed else 1

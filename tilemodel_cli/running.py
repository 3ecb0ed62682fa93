"""Options of the commands that simulate: where, how many at a time, within which limits, and which store."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spice_netlists.runs import Runner, RunStore

__all__ = ["add_processes", "add_running", "add_store", "byte_count", "runner_of", "store_of", "whole_number"]

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def add_running(parser: argparse.ArgumentParser) -> None:
    """`--processes`, `--executor`, `--memory-limit` and the store's options."""
    parser.set_defaults(kept="runs")
    add_processes(parser)
    parser.add_argument(
        "--executor",
        default="processes",
        metavar="WHERE",
        help="processes (default) or threads of this machine, or dask://HOST:PORT of a Dask scheduler",
    )
    parser.add_argument(
        "--memory-limit",
        type=byte_count,
        default=None,
        metavar="SIZE",
        help="address space of one simulator, such as 4G (default: unlimited)",
    )
    store = add_store(parser)
    store.add_argument("--no-store", action="store_true", help="neither use nor keep stored runs")


def add_processes(parser: argparse.ArgumentParser) -> None:
    """`--processes`."""
    parser.add_argument(
        "--processes",
        type=whole_number(1, 1024),
        default=None,
        metavar="N",
        help="simulators at a time (default: cores)",
    )


def add_store(parser: argparse.ArgumentParser) -> "argparse._MutuallyExclusiveGroup":
    """`--store`, in a group that excludes what is added to it."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--store",
        metavar="DIR",
        help="folder of finished runs (default: $TILEMODEL_STORE, else tilemodel/runs in the user's cache folder)",
    )
    return group


def store_of(options: argparse.Namespace) -> "RunStore | None":
    """The store that the options name; None for --no-store."""
    from spice_netlists.runs import RunStore, default_store_folder

    if getattr(options, "no_store", False):
        return None
    return RunStore(Path(options.store) if options.store else default_store_folder())


def runner_of(options: argparse.Namespace) -> "Runner":
    """The runner that the options describe."""
    from spice_netlists.runs import Runner

    return Runner(
        options.executor,
        processes=options.processes,
        store=store_of(options),
        memory_byte=options.memory_limit,
    )


class whole_number:  # noqa: N801 - an argument type, used like a function
    """An argument type: whole numbers from `lowest` to `highest`."""

    def __init__(self, lowest: int, highest: int) -> None:
        self._lowest, self._highest = lowest, highest

    def __call__(self, text: str) -> int:
        if not text.isdecimal() or len(text) > 18 or not self._lowest <= int(text) <= self._highest:
            raise argparse.ArgumentTypeError(
                f"expected a whole number from {self._lowest} to {self._highest}, got {text!r}"
            )
        return int(text)


def byte_count(text: str) -> int:
    """An argument type: a size such as 500M or 4G, in powers of 1024."""
    match = re.fullmatch(r"(\d{1,15})([KMGT]?)(i?B)?", text, re.IGNORECASE | re.ASCII)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"expected a size such as 500M or 4G, got {text!r}")
    return int(match[1]) * _UNITS[match[2].upper()]

"""Options of the commands that simulate: where, how many at a time, within which limits, and which store."""

import argparse
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.run_folders import RunFolders
    from spice_netlists.runs import Runner, RunStore

__all__ = [
    "add_processes",
    "add_run_files",
    "add_running",
    "add_store",
    "byte_count",
    "run_folders_of",
    "runner_of",
    "store_of",
    "whole_number",
]

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


def add_run_files(parser: argparse.ArgumentParser) -> None:
    """`--run-files`."""
    parser.add_argument(
        "--run-files",
        type=_byte_count_or_none,
        default=256 * 1024**2,
        metavar="SIZE",
        help="deck, log and raw file of each run go into the report, up to this size in all (default 256M; 0: none)",
    )


@contextmanager
def run_folders_of(options: argparse.Namespace) -> Iterator["tuple[RunStore | None, RunFolders | None]"]:
    """The store that a report's runs go through, and what writes their folders; None where the options say so.

    With --no-store it is a temporary one, if it is needed.
    """
    from reports.run_folders import RunFolders
    from spice_netlists.runs import RunStore

    store = store_of(options)
    if options.run_files == 0:
        yield store, None
    elif store is not None:
        yield store, RunFolders(store=store, max_byte=options.run_files)
    else:
        with tempfile.TemporaryDirectory(prefix="tilemodel-runs-") as folder:
            temporary = RunStore(folder)
            yield temporary, RunFolders(store=temporary, max_byte=options.run_files)


def runner_of(options: argparse.Namespace, store: "RunStore | None" = None) -> "Runner":
    """The runner that the options describe; `store` is one in place of theirs."""
    from spice_netlists.runs import Runner

    return Runner(
        options.executor,
        processes=options.processes,
        store=store or store_of(options),
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


def _byte_count_or_none(text: str) -> int:
    return 0 if text == "0" else byte_count(text)


def byte_count(text: str) -> int:
    """An argument type: a size such as 500M or 4G, in powers of 1024."""
    match = re.fullmatch(r"(\d{1,15})([KMGT]?)(i?B)?", text, re.IGNORECASE | re.ASCII)
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"expected a size such as 500M or 4G, got {text!r}")
    return int(match[1]) * _UNITS[match[2].upper()]

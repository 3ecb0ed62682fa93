"""`tilemodel runs`: look at the stored runs, check them, clear them up."""

import argparse
import json
import sys
from datetime import UTC, datetime

from tilemodel.config.errors import InputError
from tilemodel_cli.running import store_of

__all__ = ["collect", "list_runs", "show", "verify"]

_DAY_SECOND = 86400.0


def list_runs(options: argparse.Namespace) -> int:
    """One line a run: key, engine, attempts, size, date, title."""
    store = store_of(options)
    assert store is not None
    keys, total = store.keys(), 0
    for key in keys:
        try:
            result = store.get(key)
        except InputError:
            _say(f"{key[:16]}  damaged; `tilemodel runs verify` says why")
            continue
        if result is not None:
            record, n_byte = result.record, store.path(key).stat().st_size
            total += n_byte
            helped = f" ({record.convergence_help})" if record.convergence_help else ""
            _say(
                f"{key[:16]}  {record.engine:16s} {len(record.attempts)} attempt(s){helped}  {n_byte:10d} bytes  "
                f"{record.finished_utc}  {record.title}"
            )
    _say(f"{len(keys)} run(s), {total} bytes in {store.folder}")
    return 0


def show(options: argparse.Namespace) -> int:
    """A run's record and what its simulator printed, as JSON."""
    store = store_of(options)
    assert store is not None
    key = store.find(options.key)
    result = store.get(key)
    assert result is not None
    waveforms = result.waveforms
    content = result.record.model_dump(mode="json") | {
        "file": str(store.path(key)),
        "lines": list(waveforms.lines),
        "n_time": int(waveforms.time_second.size),
        "log": waveforms.log.splitlines(),
    }
    _say(json.dumps(content, indent=2))
    return 0


def verify(options: argparse.Namespace) -> int:
    """Read every run and compare it with its hash; exit status 1 if one is damaged."""
    store = store_of(options)
    assert store is not None
    keys, n_damaged = store.keys(), 0
    for key in keys:
        try:
            store.get(key)
        except InputError as error:
            n_damaged += 1
            _say(f"damaged: {error}")
    _say(f"{len(keys)} run(s) read, {n_damaged} damaged, in {store.folder}")
    if n_damaged:
        _say("`tilemodel runs gc` removes the damaged ones; they are simulated again when they are needed")
    return 1 if n_damaged else 0


def collect(options: argparse.Namespace) -> int:
    """Remove damaged and left-over files, and results that are too old or too many."""
    store = store_of(options)
    assert store is not None
    older = None if options.older_than is None else options.older_than * _DAY_SECOND
    swept = store.sweep(older_than_second=older, max_byte=options.max_size)
    _say(
        f"removed {swept.n_result} result(s), {swept.n_damaged} damaged and {swept.n_temporary} left-over file(s), "
        f"{swept.n_byte} bytes, at {datetime.now(UTC).isoformat(timespec='seconds')} from {store.folder}"
    )
    return 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")

"""Thousands of short simulations in one batch: does anything grow?

Prints as JSON: memory of this process and its workers (their own, without mapped files), their open files and their
number, the rate, and the processor time a run, at the beginning and at the end. Exits with status 1 if memory grows by
5 % or more after the first 500 runs, if files or processes are left, or if the last quarter's rate is below 90 % of the
first hundred's by the clock and by processor time (a machine with other work on it may fail by the clock alone).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from spice_netlists import Runner, RunStore, simulate
from tilemodel import conductances_from_weights, load_tile

TILE = 'name = "tiny"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 2\nn_col = 1\n'
_SAMPLE_EVERY, _BLOCK = 100, 100
_SETTLED = 500
_GROWTH_LIMIT, _RATE_LIMIT = 1.05, 0.9


def family() -> list[Path]:
    """The folders in /proc of this process and all its descendants, simulators left out: they come and go."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().rsplit(")", 1)
        except OSError:
            continue
        if "ngspice" not in name and "setpriv" not in name:
            parents.setdefault(int(rest.split()[1]), []).append(int(path.parent.name))
    found, ahead = [], [os.getpid()]
    while ahead:
        number = ahead.pop()
        found.append(Path("/proc") / str(number))
        ahead += parents.get(number, [])
    return found


def measure() -> dict[str, int]:
    """Memory [kB], open files and processes now."""
    memory = files = count = 0
    for folder in family():
        try:
            lines = (folder / "smaps_rollup").read_text().splitlines()
            files += len(list((folder / "fd").iterdir()))
        except OSError:
            continue
        memory += next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:"))
        count += 1
    return {"memory_kilobyte": memory, "open_files": files, "processes": count}


def typical(samples: list[dict[str, int]]) -> dict[str, int]:
    """Medians: a sample may catch a child between its fork and its exec."""
    return {name: int(np.median([sample[name] for sample in samples])) for name in samples[0]}


def processor_second() -> float:
    """Processor time of this process, its descendants and their finished children [second]."""
    total = 0
    for folder in family():
        try:
            total += sum(int(word) for word in (folder / "stat").read_text().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            continue
    return total / os.sysconf("SC_CLK_TCK")


def vectors(n_run: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Inputs [n_run, 2] that are all different."""
    first, second = np.divmod(np.arange(n_run), 250)
    return np.stack([first, second - 125], axis=1)


def soak(n_run: int, folder: Path, executor: str) -> dict[str, Any]:
    """Simulate `n_run` vectors and watch."""
    (folder / "tile.toml").write_text(TILE)
    tile = load_tile(folder / "tile.toml")
    conductances = conductances_from_weights(tile, [[0.5], [-0.25]])
    ends = np.full(n_run, np.nan)
    used: list[float] = []
    samples: dict[int, dict[str, int]] = {}

    def on_done(done: int, _total: int) -> None:
        ends[done - 1] = time.monotonic()
        if done % _SAMPLE_EVERY == 0:
            samples[done] = measure()
            used.append(processor_second())

    with Runner(executor) as runner:  # starts what serves every pool of this process
        simulate(tile, conductances, vectors(2), runner=runner)
    before = measure()
    with Runner(executor, store=RunStore(folder / "store")) as runner:
        simulate(tile, conductances, -vectors(20) - 1, runner=runner)  # workers are up before the clock starts
        began, used_before = time.monotonic(), processor_second()
        result = simulate(tile, conductances, vectors(n_run), runner=runner, on_done=on_done)
    settled = [samples[number] for number in sorted(samples) if number >= min(_SETTLED, n_run // 2)]
    first, last = typical(settled[:5]), typical(settled[-5:])
    quarter = n_run // 4
    return {
        "runs": n_run,
        "attempts": sum(result.n_attempt),
        "second": round(ends[-1] - began, 1),
        "rate_first_hundred_per_second": round(_BLOCK / (ends[_BLOCK - 1] - began), 1),
        "rate_last_quarter_per_second": round(quarter / (ends[-1] - ends[-1 - quarter]), 1),
        "processor_second_a_run_first_hundred": round((used[0] - used_before) / _BLOCK, 4),
        "processor_second_a_run_last_quarter": round((used[-1] - used[-1 - quarter // _BLOCK]) / quarter, 4),
        "after_500": first,
        "at_the_end": last,
        "memory_most_kilobyte": max(sample["memory_kilobyte"] for sample in settled),
        "open_files_most": max(sample["open_files"] for sample in settled),
        "after_closing": measure(),
        "before": before,
        "temporary_left": len(list(folder.glob("tmp/tilemodel-*"))),
        "stored": len(RunStore(folder / "store").keys()),
    }


def complaints(found: dict[str, Any]) -> list[str]:
    """What is not as it should be."""
    first, last = found["after_500"], found["at_the_end"]
    checks = {
        "memory grew": last["memory_kilobyte"] >= _GROWTH_LIMIT * first["memory_kilobyte"],
        "files stayed open": found["after_closing"]["open_files"] > found["before"]["open_files"],
        "files or processes became more": last["open_files"] > first["open_files"] + 8
        or last["processes"] > first["processes"],
        "temporary files were left": found["temporary_left"] > 0,
        "results are missing": found["stored"] != found["runs"] + 20,
        "it became slower": found["rate_last_quarter_per_second"] < _RATE_LIMIT * found["rate_first_hundred_per_second"]
        and _RATE_LIMIT * found["processor_second_a_run_last_quarter"] > found["processor_second_a_run_first_hundred"],
    }
    return [name for name, bad in checks.items() if bad]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--executor", default="processes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        os.environ["TMPDIR"] = str(folder / "tmp")  # of the workers; this process has its own already
        found = soak(options.runs, folder, options.executor)
    found["complaints"] = complaints(found)
    print(json.dumps(found, indent=1))
    return 1 if found["complaints"] else 0


if __name__ == "__main__":
    sys.exit(main())

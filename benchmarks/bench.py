"""`make bench`: everything side by side in one process, as ratios; writes benchmarks/results.json and the figure.

    python -m benchmarks.bench [--quick] [--threads N] [--only WORK ...] [-o DIR]

Threads are pinned (one by default) for numpy, torch and the kernels alike. Nothing here is a test.
"""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PINNED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
HERE = Path(__file__).parent


def main() -> int:
    """Run the works that are asked for, print as they come, write the results."""
    options = _options()
    wanted = str(options.threads)
    if any(os.environ.get(name) != wanted for name in PINNED):  # libraries read these when they are loaded
        environment = {**os.environ, **dict.fromkeys(PINNED, wanted)}
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.bench", *sys.argv[1:]], environment)

    from benchmarks.figure import draw
    from benchmarks.timing import Result
    from benchmarks.works import WORKS

    unknown = set(options.only or ()) - set(WORKS)
    if unknown:
        print(f"unknown work {unknown.pop()!r}; there are {', '.join(WORKS)}", file=sys.stderr)
        return 2
    results = []
    for name, work in WORKS.items():
        if options.only and name not in options.only:
            continue
        for result in work(options.quick):
            results.append(result)
            print(_line(result), flush=True)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results.json"
    if options.only and path.exists():
        results = _merged([Result(**item) for item in json.loads(path.read_text())["results"]], results)
    content = {"machine": _machine(options.threads), "results": [item.as_dict() for item in results]}
    path.write_text(json.dumps(content, indent=1) + "\n")
    draw(results, folder / "speed.svg")
    return 0


def _merged(before: list[Any], now: list[Any]) -> list[Any]:
    """`before`, with those replaced that have been measured again."""

    def key(result: Any) -> tuple[object, ...]:
        return result.work, result.size, result.batch, result.dtype, result.competitor

    again = {key(item): item for item in now}
    kept = [again.pop(key(item), item) for item in before]
    return [*kept, *again.values()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--threads", type=int, default=1, choices=range(1, 65), metavar="N")
    parser.add_argument("--only", nargs="+", metavar="WORK", help="these alone; other results in the folder are kept")
    parser.add_argument("-o", "--output", default=str(HERE))
    return parser.parse_args()


def _machine(threads: int) -> dict[str, object]:
    import numba
    import numpy as np
    import scipy

    from tilemodel.version import VERSION

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "tilemodel": VERSION,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _line(result: Any) -> str:
    r = result.as_dict()
    if r["median_second"] is None:
        return f"{r['work']:22s} {r['size']:11s} {r['competitor']}: {r['note']}"
    error = "" if r["error_percent_fs"] is None else f"{r['error_percent_fs']:9.2e} %"
    ratio = "" if r["ratio"] is None else f"{r['ratio']:12.4g} x"
    spread = f"[{r['min_second']:.2e}, {r['max_second']:.2e}]"
    who = f"{r['work']:22s} {r['size']:11s} batch {r['batch']:<4d} {r['dtype']:8s} {r['competitor']:42s}"
    return f"{who} {r['median_second']:10.3e} s  {spread}{ratio:>15s} {error:>12s} {r['note']}"


if __name__ == "__main__":
    sys.exit(main())

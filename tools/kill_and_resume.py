"""Kill a sweep with SIGKILL at random moments, begin it again each time, and compare with an undisturbed one.

The sweep is `tilemodel spice` over many input vectors, one ngspice run each. Prints what it found as JSON and exits
with status 1 if a result is missing, is there twice or differs from the undisturbed run's, or if a process or folder is
left.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TILE = 'name = "tiny"\npreset = "ibm_pcm_14nm"\n[array]\nn_row = 2\nn_col = 1\n'
_ENDING_SECOND = 15.0


class Sweep:
    """A sweep of `n_job` runs in a folder of its own."""

    def __init__(self, folder: Path, n_job: int) -> None:
        self.folder, self.n_job = folder, n_job
        (folder / "tmp").mkdir()
        (folder / "tile.toml").write_text(TILE)
        np.save(folder / "w.npy", np.array([[0.5], [-0.25]]))
        first, second = np.divmod(np.arange(n_job), 100)
        np.save(folder / "x.npy", np.stack([first + 1, second + 1], axis=1))

    def start(self, store: str | None) -> subprocess.Popen[bytes]:
        words = ["spice", "tile.toml", "--weights", "w.npy", "--inputs", "x.npy", "--processes", "2"]
        kept = ["--no-store", "-o", "undisturbed.npz"] if store is None else ["--store", store, "-o", "out.npz"]
        return subprocess.Popen(
            [sys.executable, "-m", "tilemodel_cli.main", *words, *kept],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
            stderr=subprocess.DEVNULL,
        )

    def count(self, store: str) -> int:
        return len(list((self.folder / store).glob("??/*.run")))

    def is_whole(self, store: str) -> bool:
        """Whether the last run of the sweep gave every result, once, equal to the undisturbed one's."""
        verified = subprocess.run(
            [sys.executable, "-m", "tilemodel_cli.main", "runs", "verify", "--store", store],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        with np.load(self.folder / "out.npz") as ours, np.load(self.folder / "undisturbed.npz") as theirs:
            equal = all(np.array_equal(ours[name], theirs[name]) for name in theirs.files)
        return verified.returncode == 0 and equal and self.count(store) == self.n_job

    def left(self) -> list[str]:
        """Processes that work in the runs' folders, and such folders, once everything has had time to end."""
        deadline = time.monotonic() + _ENDING_SECOND
        while (found := self._left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _left(self) -> list[str]:
        temporary = str(self.folder / "tmp")
        found = [path.name for path in Path(temporary).glob("tilemodel-*")]
        for link in Path("/proc").glob("[0-9]*/cwd"):
            try:
                target = str(link.readlink())
            except OSError:
                continue
            if target.startswith(str(self.folder)):
                found.append(f"process {link.parent.name}")
        return found


def kill_at_random(sweep: Sweep, process: subprocess.Popen[bytes], store: str, rng: random.Random) -> bool:
    """Kill during the start, or a moment after the next few results; False if the sweep had ended before."""
    n_new = rng.randrange(4)
    if n_new == 0:
        time.sleep(rng.uniform(0.0, 1.5))
    else:
        goal = sweep.count(store) + n_new
        while process.poll() is None and sweep.count(store) < goal:
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, 0.03))
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    return alive


def run(n_kill: int, n_job: int, seed: int) -> dict[str, Any]:
    """What came of `n_kill` kills in sweeps of `n_job` runs; a finished sweep is checked and a new one begun."""
    rng = random.Random(seed)
    began, done, found = time.monotonic(), 0, {"kills": 0, "sweeps": 0, "whole_sweeps": 0}
    with tempfile.TemporaryDirectory() as name:
        sweep = Sweep(Path(name).resolve(), n_job)
        if sweep.start(None).wait() != 0:
            raise SystemExit("the undisturbed sweep failed")
        while found["kills"] < n_kill:
            store = f"store{found['sweeps']}"
            while found["kills"] < n_kill:
                process = sweep.start(store)
                if not kill_at_random(sweep, process, store, rng):
                    break
                found["kills"] += 1
            done += sweep.count(store)
            if sweep.start(store).wait() != 0:
                raise SystemExit("the sweep failed when it was resumed")
            found["sweeps"] += 1
            found["whole_sweeps"] += sweep.is_whole(store)
        return {
            **found,
            "kept_at_the_last_kill": done,
            "left": sweep.left(),
            "second": round(time.monotonic() - began, 1),
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    found = run(options.kills, options.jobs, options.seed)
    print(json.dumps(found))
    return 0 if found["whole_sweeps"] == found["sweeps"] and not found["left"] else 1


if __name__ == "__main__":
    sys.exit(main())
